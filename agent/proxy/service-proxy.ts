/** The driver: follows Services and EndpointSlices and keeps the kernel's rules as they say. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ApiClient } from '../../client/api-client.ts';
import { backoffMs } from '../../client/backoff.ts';
import { Informer } from '../../client/informer.ts';
import { endpointSlices as slicesResource, services as servicesResource } from '../../client/resources.ts';
import { deleteEntries, staleEntries } from './conntrack.ts';
import { HealthChecks } from './health-checks.ts';
import { Iptables } from './iptables.ts';
import { tuneKernel } from './kernel-tuning.ts';
import { isEmpty, RuleBook } from './rule-book.ts';
import { serviceEntry, serviceFacts, sliceFacts, type ServiceEntry } from './service-table.ts';

export interface ServiceProxyOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  readonly nodeName: string;
  /** Addresses of pods, of the whole cluster. */
  readonly clusterCidr: string;
  /** The agent's, which remembers what the kernel's settings were. */
  readonly dataDir: string;
  /** Told of each time that rules were written or could not be. */
  readonly synced?: (seconds: number, failed: boolean) => void;
}

/** How often it is checked that a reloaded firewall has not taken our rules away. */
const CHECK_INTERVAL_MS = 60_000;
const RETRY = { initialMs: 500, maxMs: 30_000 };

export class ServiceProxy {
  readonly #options: ServiceProxyOptions;
  readonly #entries = new Map<string, ServiceEntry>();
  readonly #dirty = new Set<string>();
  #wake: () => void = () => undefined;

  constructor(options: ServiceProxyOptions) {
    this.#options = options;
  }

  /** Until the signal is aborted; the rules stay in force then. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, logger, nodeName, clusterCidr, dataDir, synced } = this.#options;
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
      return facts && serviceEntry(facts, slices.byIndex('service', key));
    };
    using checks = new HealthChecks(logger);
    const rules = new RuleBook(clusterCidr);
    const iptables = new Iptables(signal);
    let known = false;
    let failures = 0;
    while (!signal.aborted) {
      const changes = new Map([...this.#dirty].map((key) => [key, entryOf(key)]));
      this.#dirty.clear();
      const startedAt = process.uptime();
      const seconds = (): number => process.uptime() - startedAt;
      const change = rules.update(changes);
      try {
        if (!known) await iptables.replace(rules.everything());
        else if (!isEmpty(change)) await iptables.apply(change);
        if (!known || !isEmpty(change)) synced?.(seconds(), false);
        if (!known) await tuneKernel(dataDir, (error, consequence) => logger.warn({ err: error.message }, consequence));
        known = true;
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        synced?.(seconds(), true);
        // What is in force is not known any more: write all of it once the tool works again.
        known = false;
        const retryMs = backoffMs(RETRY, ++failures);
        logger.error({ err: (error as Error).message, retryMs: Math.round(retryMs) }, 'cannot write the service rules');
        await delay(retryMs, undefined, { signal }).catch(() => undefined);
      }
      await this.#settle(changes, checks, signal);
      if (known && this.#dirty.size === 0 && !(await this.#idle(iptables, signal))) known = false;
    }
    await Promise.all(following);
  }

  /** What follows from new rules: stale UDP flows end, health checks answer anew. */
  async #settle(
    changes: ReadonlyMap<string, ServiceEntry | undefined>,
    checks: HealthChecks,
    signal: AbortSignal,
  ): Promise<void> {
    for (const [key, entry] of changes) {
      const old = this.#entries.get(key);
      if (entry) this.#entries.set(key, entry);
      else this.#entries.delete(key);
      checks.update(key, entry);
      for (const stale of staleEntries(old, entry)) {
        await deleteEntries(stale, signal).catch((error: Error) => {
          if (!signal.aborted)
            this.#options.logger.warn({ service: key, err: error.message }, 'cannot end stale UDP flows');
        });
      }
    }
  }

  /** Waits for a change; answers false when the rules have gone missing meanwhile. */
  async #idle(iptables: Iptables, signal: AbortSignal): Promise<boolean> {
    const changed = new Promise<void>((resolve) => (this.#wake = resolve));
    for (;;) {
      const timeout = new AbortController();
      const stop = AbortSignal.any([timeout.signal, signal]);
      const quiet = delay(CHECK_INTERVAL_MS, true, { signal: stop, ref: false }).catch(() => false);
      const unchanged = await Promise.race([changed.then(() => false), quiet]);
      timeout.abort();
      if (!unchanged || signal.aborted) return true;
      if (!(await iptables.isIntact())) {
        this.#options.logger.warn(
          'the service rules have been removed from the kernel by someone else; writing them again',
        );
        return false;
      }
    }
  }

  #changed(key: string): void {
    this.#dirty.add(key);
    this.#wake();
  }
}
