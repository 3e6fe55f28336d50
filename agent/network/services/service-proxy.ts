/**
 * The driver: follows Services and EndpointSlices, and keeps what the kernel has of them in sync, one IP family independent of the
 * other.
 */
import type { Cidr, IpFamily } from '../../../api/domain/address.ts';
import { rangeOf } from '../../../api/domain/cluster-ranges.ts';
import { ZONE_LABEL } from '../../../api/domain/topology-labels.ts';
import { own } from '../../../api/machinery/own.ts';
import type { Node } from '../../../api/types/core/v1.gen.ts';
import type { EventRecorder } from '../../../client/event-recorder.ts';
import type { Logger } from '../../../client/logger.ts';
import { NO_WATCH, type RuleWatch } from '../netfilter/rule-watch.ts';
import { serviceKeyOf, type ServiceCache } from '../service-cache.ts';
import type { ProxyBackend } from './backends/proxy-backend.ts';
import { FamilySync, type SyncObserver } from './family-sync.ts';
import { ServiceHealth } from './health/service-health.ts';
import { KernelTuning } from './kernel-tuning.ts';
import type { ServiceEntry } from './model/service-entry.ts';
import { serviceEntry, type ServiceFacts, type SliceFacts } from './model/service-facts.ts';

export interface ProxyObserver extends SyncObserver {
  /** A Service or an EndpointSlice has changed. */
  changed(what: 'service' | 'endpoint'): void;
}

export interface ServiceProxyOptions {
  /** Run by others. */
  readonly cache: ServiceCache;
  readonly logger: Logger;
  readonly events: Pick<EventRecorder, 'event'>;
  readonly nodeName: string;
  /** One for each IP family that this node has Services of. */
  readonly backends: readonly ProxyBackend[];
  /** Run by others. */
  readonly watch?: RuleWatch;
  /** Of modes that this node may have had before: what these have left is removed once the rules are in force. */
  readonly retired?: readonly ProxyBackend[];
  /** The ranges that Services get their addresses from, as configured on this node: one of each IP family at most. */
  readonly serviceRanges: readonly Cidr[];
  /** The agent's, where the kernel's settings before are recorded. */
  readonly dataDir: string;
  readonly observer: ProxyObserver;
  /** See `ServiceHealth`. */
  readonly isProxyHealthy: () => boolean;
}

export type ProxyState = Pick<FamilySync, 'family' | 'pending' | 'withoutLocalEndpoints' | 'ruleCounts'>;

export class ServiceProxy {
  readonly #options: ServiceProxyOptions;
  readonly #families: readonly FamilySync[];
  readonly #serviceHealth: ServiceHealth;
  readonly #startedAtMs = Date.now();
  /** The node's; undefined when it is in none that is known. */
  #zone: string | undefined;
  /** The invalid values of Services that were last logged. */
  readonly #problems = new Map<string, string>();

  constructor(options: ServiceProxyOptions) {
    const { logger, events, backends, retired = [], serviceRanges, dataDir, isProxyHealthy } = options;
    this.#options = options;
    this.#serviceHealth = new ServiceHealth({
      ...{ isProxyHealthy, logger },
      onError: (service, message) =>
        events.event(
          { apiVersion: 'v1', kind: 'Service', ...service },
          ...(['Warning', 'FailedToStartServiceHealthcheck', message] as const),
        ),
    });
    const tuning = new KernelTuning(dataDir, (error, consequence) => logger.warn({ err: error }, consequence));
    this.#families = backends.map(
      (backend) =>
        new FamilySync({
          ...options,
          watch: options.watch ?? NO_WATCH,
          ...{ backend, tuning, serviceHealth: this.#serviceHealth },
          retired: retired.filter(({ family }) => family === backend.family),
          serviceCidr: rangeOf(backend.family, serviceRanges),
          entryOf: (key) => this.#entryOf(key, backend.family),
        }),
    );
  }

  /** Until the signal is aborted; the rules stay in force then. */
  async run(signal: AbortSignal): Promise<void> {
    const { cache } = this.#options;
    cache.services.addHandlers({
      onAdd: ({ facts }, key) => this.#serviceChanged(key, facts),
      onUpdate: (_, { facts }, key) => this.#serviceChanged(key, facts),
      onDelete: (_, key) => this.#serviceChanged(key, undefined),
    });
    cache.slices.addHandlers({
      onAdd: (slice) => this.#sliceChanged(slice, slice.triggeredAtMs),
      onUpdate: (old, slice) => {
        if (serviceKeyOf(old) !== serviceKeyOf(slice)) this.#sliceChanged(old);
        this.#sliceChanged(slice, slice.triggeredAtMs);
      },
      onDelete: (slice) => this.#sliceChanged(slice),
    });
    await cache.hasSynced();
    try {
      await Promise.all(this.#families.map((family) => family.run(signal)));
    } finally {
      this.#serviceHealth[Symbol.dispose]();
    }
  }

  /** What metrics say of the rules of each IP family now. */
  *states(): Generator<ProxyState> {
    for (const { family, pending, withoutLocalEndpoints, ruleCounts } of this.#families)
      yield { family, pending, withoutLocalEndpoints, ruleCounts };
  }

  /** Endpoints may be meant for the nodes of a zone. */
  seeNode({ metadata }: Node): void {
    const zone = own(metadata?.labels, ZONE_LABEL);
    if (zone === this.#zone) return;
    this.#zone = zone;
    for (const key of this.#options.cache.services.keys())
      for (const family of this.#families) family.changed(key, 'service');
  }

  #serviceChanged(key: string, facts: ServiceFacts | undefined): void {
    this.#logProblems(key, facts);
    this.#options.observer.changed('service');
    for (const family of this.#families) family.changed(key, 'service');
  }

  /** @param triggeredAtMs what a slice says that has gone is when it was changed last, and what came before the start says nothing */
  #sliceChanged(slice: SliceFacts, triggeredAtMs = -Infinity): void {
    this.#options.observer.changed('endpoint');
    const trigger = triggeredAtMs > this.#startedAtMs ? triggeredAtMs : undefined;
    for (const family of this.#families)
      if (family.family === slice.family) family.changed(serviceKeyOf(slice), 'endpoint', trigger);
  }

  #entryOf(key: string, family: IpFamily): ServiceEntry | undefined {
    const { services, slices } = this.#options.cache;
    const facts = services.getByKey(key)?.facts;
    const from = { nodeName: this.#options.nodeName, zone: this.#zone };
    return facts && serviceEntry(facts, slices.byIndex('service', key), family, from);
  }

  #logProblems(key: string, facts: ServiceFacts | undefined): void {
    const problems = facts?.problems.join('; ') ?? '';
    if (problems !== '' && problems !== this.#problems.get(key)) {
      this.#options.logger.warn({ service: key, problems }, 'ignoring invalid values of Service');
    }
    if (problems === '') this.#problems.delete(key);
    else this.#problems.set(key, problems);
  }
}
