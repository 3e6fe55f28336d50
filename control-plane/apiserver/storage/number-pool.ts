import { randomInt } from 'node:crypto';

/** Random tries before the pool is searched in order: a pool that is half full is hit within a few. */
const RANDOM_TRIES = 32;

/**
 * Numbers that are handed out once: cluster IPs as offsets, node ports. Automatic ones come from the upper band at random
 * (so that a number is not given to the next one right after it was let go), and from the lower band, which is for those who
 * choose, only when the upper one is used up.
 */
export class NumberPool {
  readonly #first: number;
  readonly #last: number;
  readonly #bandEnd: number;
  readonly #kept: ReadonlySet<number>;
  readonly #used = new Set<number>();

  /**
   * @param band how many of the first numbers are left to those who choose.
   * @param kept never handed out automatically.
   */
  constructor(first: number, last: number, band: number, kept: readonly number[] = []) {
    this.#first = first;
    this.#last = last;
    this.#bandEnd = first + band;
    this.#kept = new Set(kept);
  }

  includes(number: number): boolean {
    return number >= this.#first && number <= this.#last;
  }

  /** Answers false when somebody has it. */
  take(number: number): boolean {
    if (this.#used.has(number)) return false;
    this.#used.add(number);
    return true;
  }

  /** Answers undefined when there is none left. */
  takeAny(): number | undefined {
    for (let tries = 0; tries < RANDOM_TRIES; tries++) {
      const number = randomInt(this.#bandEnd, this.#last + 1);
      if (!this.#kept.has(number) && this.take(number)) return number;
    }
    return this.#search(this.#bandEnd, this.#last) ?? this.#search(this.#first, this.#bandEnd - 1);
  }

  release(number: number): void {
    this.#used.delete(number);
  }

  #search(from: number, to: number): number | undefined {
    for (let number = from; number <= to; number++) if (!this.#kept.has(number) && this.take(number)) return number;
    return undefined;
  }
}
