import { randomInt } from 'node:crypto';

/** Random attempts before the range is searched in order: in a half-full range one succeeds within a few. */
const RANDOM_TRIES = 32;

export interface Bands {
  readonly min: number;
  readonly max: number;
  /** The size of the range per number of the lower band. */
  readonly step: number;
}

/**
 * A range of numbers to allocate from: cluster IPs, node ports. Automatic allocations come from the upper band at random,
 * so that a number is not reused right after its release; the lower band is for explicit allocations, and is used last.
 * https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/
 */
export class NumberRange {
  readonly #first: number;
  readonly #last: number;
  readonly #upper: number;
  readonly #reserved: ReadonlySet<number>;

  /** @param reserved numbers that are never allocated automatically. */
  constructor(first: number, last: number, { min, max, step }: Bands, reserved: readonly number[] = []) {
    this.#first = first;
    this.#last = last;
    const size = last - first + 1;
    this.#upper = size <= min ? first : first + Math.min(Math.max(min, Math.floor(size / step)), max);
    this.#reserved = new Set(reserved);
  }

  includes(number: number): boolean {
    return number >= this.#first && number <= this.#last;
  }

  /** A free number; undefined when there is none. */
  pick(isTaken: (number: number) => boolean): number | undefined {
    const isFree = (number: number): boolean => !this.#reserved.has(number) && !isTaken(number);
    for (let tries = 0; tries < RANDOM_TRIES && this.#upper <= this.#last; tries++) {
      const number = randomInt(this.#upper, this.#last + 1);
      if (isFree(number)) return number;
    }
    for (let number = this.#upper; number <= this.#last; number++) if (isFree(number)) return number;
    for (let number = this.#first; number < this.#upper; number++) if (isFree(number)) return number;
    return undefined;
  }
}
