/** Keeps the kernel in sync with the Services of one IP family: what has changed goes to the backend, in one call. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Cidr, IpFamily } from '../../../api/domain/address.ts';
import { backoffMs } from '../../../client/backoff.ts';
import type { EventRecorder } from '../../../client/event-recorder.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import type { RuleWatch } from '../netfilter/rule-watch.ts';
import type { ProxyBackend, RuleCounts } from './backends/proxy-backend.ts';
import { ChangePace } from './change-pace.ts';
import { StaleFlows } from './conntrack/stale-flows.ts';
import { flowsOf } from './conntrack/udp-flows.ts';
import type { ServiceHealth } from './health/service-health.ts';
import type { KernelTuning } from './kernel-tuning.ts';
import type { ServiceEntry } from './model/service-entry.ts';

/** Is told how the rules of a family follow the api-server: health and metrics. */
export interface SyncObserver {
  /** A Service or its endpoints may have changed. */
  pending(family: IpFamily): void;
  /** All changes from before the sync are in force; `isMorePending`: more have come since. */
  synced(family: IpFamily, isMorePending: boolean): void;
  /** Rules were written, or found in force after a start, or could not be written. `isFull`: all of them were compared. */
  wrote(family: IpFamily, seconds: number, how: { readonly failed: boolean; readonly isFull: boolean }): void;
  /** A change of endpoints is in force, so long after it had come about in the cluster. */
  programmed(family: IpFamily, seconds: number): void;
  /** UDP flows were compared with the Services, and the stale ones deleted. */
  reconciledFlows(family: IpFamily, seconds: number, deleted: number): void;
}

/** How many Services have changes that are not in force yet. */
export interface PendingChanges {
  readonly service: number;
  readonly endpoint: number;
}

export interface FamilySyncOptions {
  readonly backend: ProxyBackend;
  /** Of other modes, in the same family. */
  readonly retired: readonly ProxyBackend[];
  readonly tuning: Pick<KernelTuning, 'apply'>;
  readonly watch: RuleWatch;
  readonly serviceHealth: Pick<ServiceHealth, 'update'>;
  /** The Service as it is now; undefined for none. */
  readonly entryOf: (key: string) => ServiceEntry | undefined;
  /** Of the backend's family. */
  readonly serviceCidr: Cidr | undefined;
  readonly nodeName: string;
  readonly events: Pick<EventRecorder, 'event'>;
  readonly logger: Logger;
  readonly observer: SyncObserver;
}

/** How often it is checked that a reloaded firewall has not removed our rules. */
const CHECK_INTERVAL_MS = 60_000;
/** Where removed rules are noticed at once: for elements of sets, and for what the watch may have missed. */
const WATCHED_CHECK_INTERVAL_MS = 300_000;
/** Programs that remove rules all the time must not keep this one reading them. */
const CHECK_PAUSE_MS = 1_000;
/** How often the Services that are left out are tried again. */
const RETRY_LEFT_OUT_MS = 300_000;
const RETRY = { initialMs: 500, maxMs: 30_000 };
/** The one Service that every cluster has: its address is the first of the range. */
const API_SERVICE = 'default/kubernetes';

type Changes = ReadonlyMap<string, ServiceEntry | undefined>;
type Kind = keyof PendingChanges;

/** Those that are remembered at a time: the others of an outage say nothing more. */
const MAX_TRIGGERS = 10_000;

export class FamilySync {
  readonly #options: FamilySyncOptions;
  readonly #entries = new Map<string, ServiceEntry>();
  readonly #dirty = new Map<string, Set<Kind>>();
  /** When the changes came about that are to be in force after the next sync: see `SliceFacts`. */
  readonly #triggers = new Map<string, number[]>();
  readonly #pace = new ChangePace();
  /** Backends of other modes that may have left rules. */
  readonly #retired: Set<ProxyBackend>;
  /** Services that the kernel rejects. */
  readonly #leftOut = new Set<string>();
  readonly #staleFlows: StaleFlows;
  #serviceRange: Cidr | undefined;
  #isForeignRange = false;
  /** Whether the kernel's settings are as the rules need them. */
  #tuned = false;
  /** Whether rules may have been removed since they were checked. */
  #isSuspect = false;
  #checkedAtMs = performance.now();
  #retriedAtMs = performance.now();
  #wake: () => void = () => undefined;

  constructor(options: FamilySyncOptions) {
    this.#options = options;
    this.#retired = new Set(options.retired);
    this.#staleFlows = new StaleFlows({
      family: options.backend.family,
      services: () => this.#entries.values(),
      logger: options.logger,
      onReconciled: (seconds, deleted) => options.observer.reconciledFlows(this.family, seconds, deleted),
    });
    options.watch.onRemoved(options.backend.watched, () => {
      this.#isSuspect = true;
      this.#wake();
    });
  }

  get family(): IpFamily {
    return this.#options.backend.family;
  }

  /** Undefined in modes without rules of iptables. */
  get ruleCounts(): RuleCounts | undefined {
    return this.#options.backend.ruleCounts?.();
  }

  get pending(): PendingChanges {
    const count = (kind: Kind): number => this.#dirty.values().reduce((sum, kinds) => sum + Number(kinds.has(kind)), 0);
    return { service: count('service'), endpoint: count('endpoint') };
  }

  /** Of the ports with a Local policy, those that have endpoints, but none on this node. */
  get withoutLocalEndpoints(): { readonly internal: number; readonly external: number } {
    const sum = { internal: 0, external: 0 };
    for (const { ports, internalPolicyLocal, externalPolicyLocal } of this.#entries.values())
      for (const { cluster, local } of ports) {
        if (cluster.length === 0 || local.length > 0) continue;
        if (internalPolicyLocal) sum.internal++;
        if (externalPolicyLocal) sum.external++;
      }
    return sum;
  }

  /**
   * The Service or its endpoints may have changed.
   * @param triggeredAtMs when that came about in the cluster, in ms since 1970; undefined when it is not known
   */
  changed(key: string, kind: Kind, triggeredAtMs?: number): void {
    this.#dirty.getOrInsertComputed(key, () => new Set<Kind>()).add(kind);
    if (triggeredAtMs !== undefined && this.#triggers.size < MAX_TRIGGERS)
      this.#triggers.getOrInsertComputed(key, () => []).push(triggeredAtMs);
    this.#options.observer.pending(this.family);
    this.#wake();
  }

  /** Until the signal is aborted; the rules stay in force then. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger, entryOf } = this.#options;
    const outage = new Outage({ logger, level: 'error' });
    const fields = { ipFamily: this.family };
    let failures = 0;
    let unprogrammed: readonly number[] = [];
    this.#checkedAtMs = performance.now();
    while (!signal.aborted) {
      // Changes that come all the time must not keep removed rules from being noticed.
      if (this.#tuned && this.#checkIsDueInMs() <= 0) await this.#check();
      const changes = new Map(this.#pace.take(this.#dirty.keys(), performance.now()).map((key) => [key, entryOf(key)]));
      const triggers = this.#takeTriggers(changes.keys(), unprogrammed);
      for (const key of changes.keys()) this.#dirty.delete(key);
      this.#remember(changes);
      try {
        await this.#sync(changes);
        failures = 0;
        this.#tellProgrammed(triggers);
        unprogrammed = [];
        outage.ended(fields, 'service rule sync recovered');
      } catch (error) {
        if (signal.aborted) break;
        this.#tuned = false;
        // The backend has kept the changes, too.
        unprogrammed = triggers;
        const retryMs = backoffMs(RETRY, ++failures);
        outage.failed(error, { ...fields, retryMs: Math.round(retryMs) }, 'failed to sync service rules');
        await delay(retryMs, undefined, { signal }).catch(() => undefined);
        continue;
      }
      await this.#removeRetired(signal);
      this.#staleFlows.delete(signal);
      await this.#idle(signal);
    }
    await this.#staleFlows.settled();
  }

  /** Those of the Services, and of those whose sync has failed. */
  #takeTriggers(keys: Iterable<string>, failed: readonly number[]): readonly number[] {
    const taken = [...failed];
    for (const key of keys) {
      for (const atMs of this.#triggers.get(key) ?? []) if (taken.length < MAX_TRIGGERS) taken.push(atMs);
      this.#triggers.delete(key);
    }
    return taken;
  }

  #tellProgrammed(triggers: readonly number[]): void {
    const nowMs = Date.now();
    // Clocks of hosts differ a little.
    for (const atMs of triggers) this.#options.observer.programmed(this.family, Math.max(0, nowMs - atMs) / 1000);
  }

  #remember(changes: Changes): void {
    for (const [key, entry] of changes) {
      if (entry && entry.portsLeftOut > 0 && this.#entries.get(key)?.portsLeftOut !== entry.portsLeftOut)
        this.#tellOfSize(entry);
      this.#options.serviceHealth.update(key, this.family, entry);
      const hadFlows = flowsOf(this.#entries.get(key));
      if (entry) this.#entries.set(key, entry);
      else this.#entries.delete(key);
      if (hadFlows !== flowsOf(entry)) this.#staleFlows.changed();
    }
  }

  #tellOfSize({ namespace, name, uid, ports, portsLeftOut }: ServiceEntry): void {
    const { events, logger, nodeName } = this.#options;
    const counts = `${ports.length} of ${ports.length + portsLeftOut} ports`;
    logger.warn({ service: `${namespace}/${name}` }, `service is too large, only ${counts} are served`);
    const regarding = { apiVersion: 'v1', kind: 'Service', namespace, name, uid };
    const message = `Only ${counts} are served on node ${nodeName}: with all of their addresses and endpoints, they are too many.`;
    events.event(regarding, 'Warning', 'ServiceTooLarge', message);
  }

  /** Throws what the backend throws, which keeps the changes for the next time. */
  async #sync(changes: Changes): Promise<void> {
    const { backend, tuning, logger, observer } = this.#options;
    const startedAt = process.uptime();
    const seconds = (): number => process.uptime() - startedAt;
    const isFull = !this.#tuned;
    try {
      if (!this.#tuned && backend.prerequisites) await tuning.apply(backend.prerequisites);
      const { wrote, rejected } = await backend.sync({ services: changes, serviceRange: this.#knownRange() });
      // Rules that were found in force are synced, too.
      if (wrote || isFull) observer.wrote(this.family, seconds(), { failed: false, isFull });
      observer.synced(this.family, this.#dirty.size > 0);
      logger.debug(
        { ipFamily: this.family, services: changes.size, wrote, seconds: seconds() },
        'service rules synced',
      );
      this.#reportRejected(changes, rejected);
    } catch (error) {
      observer.wrote(this.family, seconds(), { failed: true, isFull });
      throw error;
    }
    if (!this.#tuned) await tuning.apply(backend.sysctls);
    this.#tuned = true;
  }

  /** The range is trusted once the cluster's own Service is in it: a wrong one would cut the host off from other networks. */
  #knownRange(): Cidr | undefined {
    const { serviceCidr, logger } = this.#options;
    const api = this.#entries.get(API_SERVICE);
    if (!api || !serviceCidr) return this.#serviceRange;
    const isOurs = serviceCidr.contains(api.clusterIP);
    if (!isOurs && !this.#isForeignRange) {
      const fields = { serviceCidr: serviceCidr.text, service: API_SERVICE, clusterIP: api.clusterIP.text };
      logger.warn(
        fields,
        `service-cidr is ${serviceCidr.text}, but Service ${API_SERVICE} of this cluster has ${api.clusterIP.text}: set it to the ` +
          "cluster's; until then, connections to unassigned addresses are not rejected",
      );
    }
    this.#isForeignRange = !isOurs;
    return (this.#serviceRange = isOurs ? serviceCidr : undefined);
  }

  #reportRejected(changes: Changes, rejected: ReadonlyMap<string, Error>): void {
    const { events, logger, nodeName } = this.#options;
    for (const key of changes.keys()) {
      if (!rejected.has(key) && this.#leftOut.delete(key)) logger.info({ service: key }, 'service rules restored');
    }
    for (const [key, error] of rejected) {
      const service = this.#entries.get(key);
      if (!service) continue;
      this.#leftOut.add(key);
      logger.error({ service: key, err: error }, 'service rules rejected by kernel, skipping service');
      const { namespace, name, uid } = service;
      const regarding = { apiVersion: 'v1', kind: 'Service', namespace, name, uid };
      const message = `Service rules rejected by the kernel of node ${nodeName}: ${error.message}`;
      events.event(regarding, 'Warning', 'ServiceRulesRefused', message);
    }
  }

  /** Both modes serve until then, so that no connection finds neither. Those that are open stay, and what they need with them. */
  async #removeRetired(signal: AbortSignal): Promise<void> {
    for (const backend of this.#retired) {
      try {
        const isOver = backend.retire ? await backend.retire() : await backend.remove().then(() => true);
        if (isOver) this.#retired.delete(backend);
      } catch (error) {
        if (!signal.aborted)
          this.#options.logger.warn({ err: error }, 'failed to remove service rules of another proxy mode');
      }
    }
  }

  /** Waits for a change that may be written, or for a check to find something to do. */
  async #idle(signal: AbortSignal): Promise<void> {
    for (;;) {
      const changeInMs = this.#pace.nextMs(this.#dirty.keys(), performance.now());
      if (signal.aborted || changeInMs === 0) return;
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      const over = AbortSignal.any([woken.signal, signal]);
      const waitMs = Math.max(0, Math.min(changeInMs, this.#checkIsDueInMs()));
      await delay(waitMs, undefined, { signal: over, ref: false }).catch(() => undefined);
      this.#wake = () => undefined;
      if (!signal.aborted && this.#checkIsDueInMs() <= 0 && (await this.#check())) return;
    }
  }

  #checkIsDueInMs(): number {
    const intervalMs = this.#options.watch.isWatching ? WATCHED_CHECK_INTERVAL_MS : CHECK_INTERVAL_MS;
    return this.#checkedAtMs + (this.#isSuspect ? CHECK_PAUSE_MS : intervalMs) - performance.now();
  }

  /** Returns whether there is something to do. */
  async #check(): Promise<boolean> {
    const { backend, logger } = this.#options;
    this.#isSuspect = false;
    if (performance.now() - this.#retriedAtMs >= RETRY_LEFT_OUT_MS) {
      this.#retriedAtMs = performance.now();
      for (const key of this.#leftOut) this.#dirty.set(key, new Set(['service']));
    }
    try {
      this.#tuned = await backend.verify();
    } catch (error) {
      logger.warn({ err: error }, 'failed to check service rules');
      return this.#dirty.size > 0;
    } finally {
      this.#checkedAtMs = performance.now();
    }
    if (!this.#tuned) logger.warn({}, 'service rules were removed by another program, restoring them');
    return !this.#tuned || this.#dirty.size > 0 || this.#retired.size > 0;
  }
}
