/**
 * How often the rules of one Service are written. A Service whose endpoints flap would otherwise have the kernel's rules change as
 * often as they do; kube-proxy holds up all Services for that (`minSyncPeriod`, a second), this the one that changes.
 */

/** So many changes of one Service are written at once: a rollout is no flapping, and pods that go serve for a while only. */
const BURST = 20;
/** From then on, its changes are collected for so long. A fast one, so that few connections meet an endpoint that has gone. */
const INTERVAL_MS = 250;
/** Below this many Services, what is known of those that are calm is not worth looking for. */
const SWEEP_AT = 1_000;

export class ChangePace {
  /**
   * When all changes of a Service would have been written with INTERVAL_MS between them: the generic cell rate algorithm, of which
   * this is the "theoretical arrival time". Those that are in the past are the same as none.
   */
  readonly #spentUntilMs = new Map<string, number>();
  #sweepAt = SWEEP_AT;

  /** Of how many Services something is known. */
  get size(): number {
    return this.#spentUntilMs.size;
  }

  /** How many milliseconds the next change of the Service has to wait; 0 for not at all. `nowMs` never goes back. */
  waitMs(key: string, nowMs: number): number {
    const spentMs = (this.#spentUntilMs.get(key) ?? nowMs) - nowMs;
    return Math.max(0, spentMs - (BURST - 1) * INTERVAL_MS);
  }

  /** The changes that may be written now; the others stay. They are counted as written. */
  take(keys: Iterable<string>, nowMs: number): string[] {
    const due = [...keys].filter((key) => this.waitMs(key, nowMs) === 0);
    for (const key of due)
      this.#spentUntilMs.set(key, Math.max(this.#spentUntilMs.get(key) ?? nowMs, nowMs) + INTERVAL_MS);
    if (this.#spentUntilMs.size >= this.#sweepAt) this.#sweep(nowMs);
    return due;
  }

  /** The milliseconds until the first of the changes may be written; Infinity without any. */
  nextMs(keys: Iterable<string>, nowMs: number): number {
    let nextMs = Infinity;
    for (const key of keys) nextMs = Math.min(nextMs, this.waitMs(key, nowMs));
    return nextMs;
  }

  #sweep(nowMs: number): void {
    for (const [key, untilMs] of this.#spentUntilMs) if (untilMs <= nowMs) this.#spentUntilMs.delete(key);
    this.#sweepAt = Math.max(SWEEP_AT, 2 * this.#spentUntilMs.size);
  }
}
