/** How often the status of a workload is written while its pods are still on their way: not once per pod. */
const PERIOD_MS = 100;

export class StatusThrottle {
  /** By key of the workload, in ms of the monotonic clock; so is `now`. */
  readonly #wroteAt = new Map<string, number>();

  /** In how many ms the next status may be written that can wait; 0 when now. */
  waitMs(key: string, now: number): number {
    return Math.max(0, (this.#wroteAt.get(key) ?? -Infinity) + PERIOD_MS - now);
  }

  wrote(key: string, now: number): void {
    this.#wroteAt.set(key, now);
  }

  /** Writes the status, unless it can wait and has to (`write` resolves with undefined when there was nothing to write): then resolves with in how many ms to look again, otherwise with Infinity. */
  async write(key: string, canWait: boolean, write: () => Promise<object | undefined>): Promise<number> {
    const now = performance.now();
    const waitMs = canWait ? this.waitMs(key, now) : 0;
    if (waitMs > 0) return waitMs;
    if (await write()) this.wrote(key, now);
    return Infinity;
  }

  forget(key: string): void {
    this.#wroteAt.delete(key);
  }
}
