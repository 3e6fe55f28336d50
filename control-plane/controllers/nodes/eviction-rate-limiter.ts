/**
 * How fast the nodes of a zone may begin to lose their pods, so that what looks like many lost nodes does not move everything at
 * once: https://kubernetes.io/docs/concepts/architecture/nodes/#rate-limits-on-eviction
 */
import type { EvictionMode } from './node-health-plan.ts';

/** Upstream's --node-eviction-rate, 0.1 a second, and --secondary-node-eviction-rate, 0.01. */
const INTERVAL_MS: Readonly<Partial<Record<EvictionMode, number>>> = { evict: 10_000, 'evict slowly': 100_000 };

export class EvictionRateLimiter {
  /** By zone, the node whose turn was last, and when, by the monotonic clock. */
  readonly #last = new Map<string, { readonly node: string; readonly at: number }>();

  /**
   * Takes the next turn of the zone for this node and returns 0, or returns in how many milliseconds to ask again. A node that had
   * the last turn keeps it. Returns 0 without taking a turn where the mode evicts nobody. `now` is of the monotonic clock.
   */
  take(zone: string, node: string, mode: EvictionMode, now: number): number {
    const intervalMs = INTERVAL_MS[mode];
    const last = this.#last.get(zone);
    if (intervalMs === undefined || last?.node === node) return 0;
    const waitMs = last ? last.at + intervalMs - now : 0;
    if (waitMs > 0) return waitMs;
    this.#last.set(zone, { node, at: now });
    return 0;
  }
}
