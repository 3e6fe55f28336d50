/** Random values that a seed repeats. */
import { setOwn } from '../../api/machinery/own.ts';

/** Keys that a careless program takes for something else. */
const ODD_KEYS = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '',
  '.',
  'a.b',
  '~',
  '/',
  '$patch',
  '$ref',
  'é',
  '\u0000',
];
const ODD_TEXTS = ['', ' ', 'null', '0', '-0', '1e400', '\ud800', '\u2028', '"', '\\', '{}', 'x'.repeat(300)];
const ODD_NUMBERS = [0, -0, 1, -1, 0.5, 2 ** 31, -(2 ** 31), 2 ** 53, 2 ** 53 + 2, 1e308, -1e308, 5e-324];

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** An integer from 0 to `limit` - 1 (mulberry32). */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  times<T>(limit: number, make: (index: number) => T): T[] {
    return Array.from({ length: this.below(limit) }, (_, index) => make(index));
  }

  text(alphabet: string, limit: number): string {
    return this.times(limit, () => alphabet[this.below(alphabet.length)]).join('');
  }

  bytes(limit: number): Buffer {
    return Buffer.from(this.times(limit, () => this.below(256)));
  }

  key(): string {
    return this.chance(6) ? this.pick(ODD_KEYS) : this.pick(['a', 'b', 'c', 'name']);
  }

  scalar(): unknown {
    switch (this.below(6)) {
      case 0:
        return null;
      case 1:
        return this.chance(2);
      case 2:
        return this.pick(ODD_NUMBERS);
      case 3:
        return this.below(5);
      case 4:
        return this.pick(ODD_TEXTS);
      default:
        return this.pick(['x', 'y']);
    }
  }

  json(depth: number): unknown {
    if (depth === 0 || this.chance(3)) return this.scalar();
    if (this.chance(3)) return this.times(4, () => this.json(depth - 1));
    return this.object(depth);
  }

  object(depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    for (const key of this.times(5, () => this.key())) setOwn(object, key, this.json(depth - 1));
    return object;
  }
}
