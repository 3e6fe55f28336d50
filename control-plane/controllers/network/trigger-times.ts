/**
 * When what the endpoints of a Service show came about: an annotation says so on them, and proxies measure by it how long it took
 * until they had it in force.
 * https://github.com/kubernetes/community/blob/master/sig-scalability/slos/network_programming_latency.md
 */
import type { PodView } from '../caches/pod-view.ts';

type TriggerPod = Pick<PodView, 'uid' | 'readyChangedAt'>;

export class TriggerTimes {
  /** By Service, when the readiness of each of its pods had changed, by their uid. */
  readonly #seen = new Map<string, ReadonlyMap<string, number>>();

  /**
   * To be called with each look at the Service and its pods.
   * @param key of the Service
   * @param created when the Service was created, in ms since 1970
   * @param isNew whether it has no endpoints yet
   * @returns the oldest of the changes since the look before, in ms since 1970; undefined when that is not known: a controller that
   * has just started does not know since when endpoints differ.
   */
  look(key: string, created: number, pods: readonly TriggerPod[], isNew: boolean): number | undefined {
    const before = this.#seen.get(key);
    const now = new Map<string, number>();
    let oldest: number | undefined;
    for (const { uid, readyChangedAt } of pods) {
      if (readyChangedAt === 0) continue;
      now.set(uid, readyChangedAt);
      if (readyChangedAt > (before?.get(uid) ?? 0)) oldest = Math.min(oldest ?? Infinity, readyChangedAt);
    }
    this.#seen.set(key, now);
    if (before) return oldest;
    return isNew ? created : undefined;
  }

  /** The Service is gone. */
  forget(key: string): void {
    this.#seen.delete(key);
  }
}
