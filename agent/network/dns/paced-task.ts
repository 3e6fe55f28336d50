/** Runs a synchronous task soon after it is asked for, once for all who ask, and no more than a tenth of the time. */
export interface PacedTaskOptions {
  readonly run: () => void;
  /** Monotonic clock, in milliseconds. */
  readonly now?: () => number;
  readonly after?: (waitMs: number, run: () => void) => void;
}

/** For each millisecond that the task takes. */
const REST = 9;

export class PacedTask {
  readonly #run: () => void;
  readonly #now: () => number;
  readonly #after: (waitMs: number, run: () => void) => void;
  #isAsked = false;
  #restsUntilMs = -Infinity;

  constructor({
    run,
    now = () => performance.now(),
    after = (waitMs, then) => setTimeout(then, waitMs),
  }: PacedTaskOptions) {
    this.#run = run;
    this.#now = now;
    this.#after = after;
  }

  ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#after(Math.max(0, this.#restsUntilMs - this.#now()), () => {
      this.#isAsked = false;
      const startedAt = this.#now();
      try {
        this.#run();
      } finally {
        const endedAt = this.#now();
        this.#restsUntilMs = endedAt + REST * (endedAt - startedAt);
      }
    });
  }
}
