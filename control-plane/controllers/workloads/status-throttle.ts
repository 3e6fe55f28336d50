/** How often the status of a workload is written while its pods are still on their way: not once per pod. */
const PERIOD_MS = 100;

export class StatusThrottle {
  /** By key of the workload, in ms since the epoch. */
  readonly #wroteAt = new Map<string, number>();

  /** In how many ms the next status may be written that can wait; 0 when now. */
  waitMs(key: string, now: number): number {
    return Math.max(0, (this.#wroteAt.get(key) ?? 0) + PERIOD_MS - now);
  }

  wrote(key: string, now: number): void {
    this.#wroteAt.set(key, now);
  }

  forget(key: string): void {
    this.#wroteAt.delete(key);
  }
}
