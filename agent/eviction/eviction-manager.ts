/** Evicts pods: under node pressure, and when a pod exceeds its limits of local storage. */
import { isPodTerminal } from '../../api/domain/pod-lifecycle.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import { limitOf, shortages, type Levels, type Shortage, type Threshold } from '../node/pressure.ts';
import { isCritical, type SourcedPod } from '../pods/sources/pod-source.ts';
import type { Meter } from './meter.ts';
import { evictionOrder, starvedOf, type Starved } from './ranking.ts';
import { exceededLimit } from './storage-limits.ts';
import { binaryQuantity, evictionMessage } from './messages.ts';
import { podFields } from '../pods/log-fields.ts';
import type { Pod, PodStatus } from '../../api/types/core/v1.gen.ts';

/** Evicts a pod; `message` goes into its status and an event. */
export type Evict = (podUid: string, graceSeconds: number, message: string) => void;

/** A pod of this node, with what the agent sees of it now. */
export interface ActivePod extends SourcedPod {
  readonly status: PodStatus | undefined;
}

export interface EvictionManagerOptions {
  readonly meter: Pick<Meter, 'measure' | 'measureLimited'>;
  readonly pods: Iterable<ActivePod>;
  readonly evict: Evict;
  /** Called for every eviction with what led to it. */
  readonly evicted?: ((cause: string) => void) | undefined;
  readonly thresholds: readonly Threshold[];
  /** What is available now. */
  readonly levels: () => Promise<Levels>;
  /** Frees what no pod needs on a full disk. */
  readonly reclaimDisk: (signal: AbortSignal) => Promise<unknown>;
  /** A warning about the Node. */
  readonly warnOfNode: (reason: string, message: string) => void;
  readonly logger: Logger;
  readonly limitsPeriodMs?: number;
}

/** The grace period of a hard eviction, as the kubelet's. */
/** The kubelet's word for the limit of a pod's own storage. */
const LOCAL_STORAGE_LIMIT = 'ephemeralpodfs.limit';
const IMMEDIATE_GRACE_SECONDS = 1;
/** How long to wait for the evicted pod to terminate before the next is chosen, as the kubelet's podCleanupTimeout. */
const END_LIMIT_MS = 30_000;
/** The kubelet measures volumes once a minute. */
const LIMITS_PERIOD_MS = 60_000;

const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';

export class EvictionManager {
  readonly #options: EvictionManagerOptions;
  #isRelieving = false;
  #ending: { readonly podUid: string; readonly untilMs: number } | undefined;

  constructor(options: EvictionManagerOptions) {
    this.#options = options;
  }

  /** Enforces pods' own storage limits until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { limitsPeriodMs = LIMITS_PERIOD_MS } = this.#options;
    const outage = new Outage(this.#options);
    while (!signal.aborted) {
      await sleep(limitsPeriodMs, undefined, { signal }).catch(() => undefined);
      try {
        if (signal.aborted) return;
        await this.enforceLimits(signal);
        outage.ended({}, 'pod storage measurement recovered');
      } catch (error) {
        if (!signal.aborted) outage.failed(error, {}, 'failed to measure storage used by pods');
      }
    }
  }

  /** Evicts every pod that exceeds its limits of local storage. */
  async enforceLimits(signal: AbortSignal): Promise<void> {
    const { meter, evict, evicted, logger } = this.#options;
    for (const consumption of await meter.measureLimited(this.#candidates(), signal)) {
      const message = exceededLimit(consumption);
      if (message === undefined) continue;
      logger.info({ ...podFields(consumption.pod), message }, 'evicting pod: local storage limit exceeded');
      evict(uidOf(consumption.pod), IMMEDIATE_GRACE_SECONDS, message);
      evicted?.(LOCAL_STORAGE_LIMIT);
    }
  }

  /** Called with what is available: evicts at most one pod when a threshold is met. */
  async relieve(levels: Levels, signal: AbortSignal): Promise<void> {
    if (this.#isRelieving) return;
    const short = shortages(this.#options.thresholds, levels);
    if (short.length === 0 || this.#isStillEnding()) return;
    this.#isRelieving = true;
    try {
      await this.#relieve(short, signal);
    } catch (error) {
      const { logger } = this.#options;
      if (!signal.aborted) logger.warn({ err: error }, 'failed to reclaim node resources');
    } finally {
      this.#isRelieving = false;
    }
  }

  async #relieve(short: readonly Shortage[], signal: AbortSignal): Promise<void> {
    const { thresholds, warnOfNode, levels, reclaimDisk } = this.#options;
    let [shortage] = worstFirst(short);
    if (!shortage) return;
    const what = starvedOf[shortage.threshold.signal];
    warnOfNode('EvictionThresholdMet', `Attempting to reclaim ${what}`);
    if (what === 'ephemeral-storage' || what === 'inodes') {
      await reclaimDisk(signal);
      const { signal: kind } = shortage.threshold;
      shortage = shortages(thresholds, await levels()).find(({ threshold }) => threshold.signal === kind);
      if (!shortage) return;
    }
    await this.#evictOne(shortage, what, signal);
  }

  async #evictOne({ threshold, level }: Shortage, what: Starved, signal: AbortSignal): Promise<void> {
    const { meter, evict, evicted, logger } = this.#options;
    const [first] = evictionOrder(await meter.measure(this.#candidates(), what, signal), what);
    if (!first) {
      logger.warn({ signal: threshold.signal }, 'node is under resource pressure and there is no pod to evict');
      return;
    }
    const quantity = 'text' in threshold ? threshold.text : binaryQuantity(limitOf(threshold, level));
    const message = evictionMessage(what, quantity, level.available, first);
    const podUid = uidOf(first.pod);
    logger.info({ ...podFields(first.pod), message }, 'evicting pod: node is under resource pressure');
    this.#ending = { podUid, untilMs: performance.now() + END_LIMIT_MS };
    evict(podUid, IMMEDIATE_GRACE_SECONDS, message);
    evicted?.(threshold.signal);
  }

  #candidates(): Pod[] {
    return [...this.#options.pods]
      .filter((live) => !isCritical(live) && !isPodTerminal(live.status))
      .map(({ pod, status }) => ({ ...pod, status }));
  }

  /** Whether the resources of the last evicted pod are not released yet. */
  #isStillEnding(): boolean {
    const ending = this.#ending;
    if (!ending || performance.now() >= ending.untilMs) return false;
    const live = [...this.#options.pods].find(({ pod }) => uidOf(pod) === ending.podUid);
    return live?.status?.containerStatuses?.some(({ state }) => state?.running) ?? false;
  }
}

/** Memory pressure is handled first, as upstream does. */
const worstFirst = (short: readonly Shortage[]): Shortage[] =>
  short.toSorted(
    (a, b) => Number(b.threshold.signal === 'memory.available') - Number(a.threshold.signal === 'memory.available'),
  );
