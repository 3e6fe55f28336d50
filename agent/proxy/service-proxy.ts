/** The driver: follows Services and EndpointSlices and keeps the kernel's rules as they say. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import type { Cidr } from '../../api/domain/address.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { backoffMs } from '../../client/backoff.ts';
import type { EventRecorder } from '../../client/event-recorder.ts';
import { Informer } from '../../client/informer.ts';
import { endpointSlices as slicesResource, services as servicesResource } from '../../client/resources.gen.ts';
import { UdpFlows } from './conntrack.ts';
import { HealthChecks } from './health-checks.ts';
import { tuneKernel } from './kernel-tuning.ts';
import type { ProxyBackend } from './proxy-backend.ts';
import { serviceEntry, serviceFacts, sliceFacts, type ServiceEntry, type ServiceFacts } from './service-table.ts';
import { flowsOf } from './udp-flows.ts';

export interface ServiceProxyOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  readonly events: Pick<EventRecorder, 'event'>;
  readonly nodeName: string;
  readonly backend: ProxyBackend;
  /** The range out of which Services get their addresses, as this host was told. */
  readonly serviceCidr: Cidr | undefined;
  /** The agent's, which remembers what the kernel's settings were. */
  readonly dataDir: string;
  /** The node may not see the endpoints of Services. */
  readonly onForbidden?: () => void;
  /** Told of each time that rules were written or could not be. */
  readonly synced?: (seconds: number, failed: boolean) => void;
}

/** How often it is checked that a reloaded firewall has not taken our rules away. */
const CHECK_INTERVAL_MS = 60_000;
/** After so many checks, the Services that are left out are tried again. */
const CHECKS_PER_RETRY = 5;
const RETRY = { initialMs: 500, maxMs: 30_000 };
/** The one Service that every cluster has: its address is the first of the range. */
const API_SERVICE = 'default/kubernetes';

type Changes = ReadonlyMap<string, ServiceEntry | undefined>;

export class ServiceProxy {
  readonly #options: ServiceProxyOptions;
  readonly #entries = new Map<string, ServiceEntry>();
  readonly #dirty = new Set<string>();
  /** What was last logged of values that nothing can be made of. */
  readonly #problems = new Map<string, string>();
  /** Services that the kernel refuses, with its words. */
  readonly #leftOut = new Map<string, string>();
  readonly #udpFlows = new UdpFlows();
  #flowsChanged = true;
  #serviceRange: Cidr | undefined;
  #isForeignRange = false;
  /** Whether the kernel's settings are as the rules need them. */
  #tuned = false;
  #checks = 0;
  #wake: () => void = () => undefined;

  constructor(options: ServiceProxyOptions) {
    this.#options = options;
  }

  /** Until the signal is aborted; the rules stay in force then. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, logger, nodeName, dataDir, onForbidden } = this.#options;
    const services = new Informer({
      client,
      logger,
      resource: servicesResource,
      select: (service) => ({ facts: serviceFacts(service) }),
    });
    const slices = new Informer({
      client,
      logger,
      resource: slicesResource,
      onForbidden,
      select: (slice) => sliceFacts(slice, nodeName),
      indexes: { service: (slice) => [`${slice.namespace}/${slice.service}`] },
    });
    services.addHandlers({
      onAdd: (_, key) => this.#changed(key),
      onUpdate: (_, __, key) => this.#changed(key),
      onDelete: (_, key) => this.#changed(key),
    });
    slices.addHandlers({
      onAdd: (slice) => this.#changed(`${slice.namespace}/${slice.service}`),
      onUpdate: (old, slice) => {
        this.#changed(`${old.namespace}/${old.service}`);
        this.#changed(`${slice.namespace}/${slice.service}`);
      },
      onDelete: (slice) => this.#changed(`${slice.namespace}/${slice.service}`),
    });
    const following = [services.run(signal), slices.run(signal)];
    await Promise.all([services.hasSynced(), slices.hasSynced()]);

    const entryOf = (key: string): ServiceEntry | undefined => {
      const facts = services.getByKey(key)?.facts;
      this.#tellProblems(key, facts);
      return facts && serviceEntry(facts, slices.byIndex('service', key));
    };
    using checks = new HealthChecks(logger);
    const outage = new Outage({ logger, level: 'error' });
    let failures = 0;
    while (!signal.aborted) {
      const changes = new Map([...this.#dirty].map((key) => [key, entryOf(key)]));
      this.#dirty.clear();
      this.#remember(changes);
      for (const [key, entry] of changes) checks.update(key, entry);
      try {
        await this.#sync(changes);
        if (!this.#tuned) await tuneKernel(dataDir, (error, result) => logger.warn({ err: error }, result));
        this.#tuned = true;
        failures = 0;
        outage.ended({}, 'service rule sync recovered');
      } catch (error) {
        if (signal.aborted) break;
        this.#tuned = false;
        const retryMs = backoffMs(RETRY, ++failures);
        outage.failed(error, { retryMs: Math.round(retryMs) }, 'failed to sync service rules');
        await delay(retryMs, undefined, { signal }).catch(() => undefined);
        continue;
      }
      await this.#endStaleFlows(signal);
      if (this.#dirty.size === 0) await this.#idle(signal);
    }
    await Promise.all(following);
  }

  #remember(changes: Changes): void {
    for (const [key, entry] of changes) {
      if (flowsOf(this.#entries.get(key)) !== flowsOf(entry)) this.#flowsChanged = true;
      if (entry) this.#entries.set(key, entry);
      else this.#entries.delete(key);
    }
  }

  /** Throws what the backend throws, which keeps the changes for the next time. */
  async #sync(changes: Changes): Promise<void> {
    const { backend, synced } = this.#options;
    const startedAt = process.uptime();
    const seconds = (): number => process.uptime() - startedAt;
    try {
      const { wrote, refused } = await backend.sync({ services: changes, serviceRange: this.#knownRange() });
      if (wrote) synced?.(seconds(), false);
      this.#tellRefused(changes, refused);
    } catch (error) {
      synced?.(seconds(), true);
      throw error;
    }
  }

  /** The range is believed once the cluster's own Service is in it: a wrong one would cut the host off from others' networks. */
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

  #tellProblems(key: string, facts: ServiceFacts | undefined): void {
    const problems = facts?.problems.join('; ') ?? '';
    if (problems !== '' && problems !== this.#problems.get(key)) {
      this.#options.logger.warn({ service: key, problems }, 'ignoring invalid values of Service');
    }
    if (problems === '') this.#problems.delete(key);
    else this.#problems.set(key, problems);
  }

  #tellRefused(changes: Changes, refused: ReadonlyMap<string, string>): void {
    const { events, logger, nodeName } = this.#options;
    for (const key of changes.keys()) {
      if (!refused.has(key) && this.#leftOut.delete(key)) logger.info({ service: key }, 'service rules restored');
    }
    for (const [key, why] of refused) {
      const service = this.#entries.get(key);
      if (!service) continue;
      this.#leftOut.set(key, why);
      logger.error({ service: key, reason: why }, 'service rules rejected by kernel, skipping service');
      const { namespace, name, uid } = service;
      const regarding = { apiVersion: 'v1', kind: 'Service', namespace, name, uid };
      const message = `Service rules rejected by the kernel of node ${nodeName}: ${why}`;
      events.event(regarding, 'Warning', 'ServiceRulesRefused', message);
    }
  }

  async #endStaleFlows(signal: AbortSignal): Promise<void> {
    if (!this.#flowsChanged) return;
    this.#flowsChanged = false;
    try {
      await this.#udpFlows.reconcile(this.#entries.values(), signal);
    } catch (error) {
      this.#flowsChanged = true;
      if (!signal.aborted) this.#options.logger.warn({ err: error }, 'failed to delete stale UDP conntrack entries');
    }
  }

  /** Waits for a change, or for a check to find something to do. */
  async #idle(signal: AbortSignal): Promise<void> {
    const changed = new Promise<boolean>((resolve) => (this.#wake = () => resolve(true)));
    for (;;) {
      const timeout = new AbortController();
      const stop = AbortSignal.any([timeout.signal, signal]);
      const quiet = delay(CHECK_INTERVAL_MS, false, { signal: stop, ref: false }).catch(() => true);
      const isOver = await Promise.race([changed, quiet]);
      timeout.abort();
      if (isOver || signal.aborted || (await this.#check())) return;
    }
  }

  /** Returns whether there is something to do. */
  async #check(): Promise<boolean> {
    const { backend, logger } = this.#options;
    this.#checks++;
    if (this.#checks % CHECKS_PER_RETRY === 0) for (const key of this.#leftOut.keys()) this.#dirty.add(key);
    try {
      this.#tuned = await backend.verify();
    } catch (error) {
      logger.warn({ err: error }, 'failed to check service rules');
      return this.#dirty.size > 0;
    }
    if (!this.#tuned) logger.warn({}, 'service rules were removed by another program, restoring them');
    return !this.#tuned || this.#dirty.size > 0 || this.#flowsChanged;
  }

  #changed(key: string): void {
    this.#dirty.add(key);
    this.#wake();
  }
}
