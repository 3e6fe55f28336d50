import { MAX_DEPTH, MAX_OBJECTS, MAX_VALUES } from './limits.ts';
import { tooLarge } from './status-error.ts';

/** The size of a parsed value: nesting, objects, members. */
export class Extent {
  keys = 0;
  #items = 0;
  #objects = 0;

  /** Throws RangeError for a value that is nested too deep, a 413 StatusError for one that is too large. */
  static of(value: unknown): Extent {
    const extent = new Extent();
    extent.#add(value, 0);
    return extent;
  }

  #add(value: unknown, depth: number): void {
    if (typeof value !== 'object' || value === null) return;
    if (depth >= MAX_DEPTH) throw new RangeError('exceeded max depth');
    if (Array.isArray(value)) {
      this.#items += value.length;
      this.#check();
      for (const item of value) if (typeof item === 'object') this.#add(item, depth + 1);
      return;
    }
    this.#objects++;
    const object = value as Record<string, unknown>;
    for (const key in object) {
      this.keys++;
      const inner = object[key];
      if (typeof inner === 'object') this.#add(inner, depth + 1);
    }
    this.#check();
  }

  #check(): void {
    if (this.#objects > MAX_OBJECTS) throw tooLarge(`Request entity too large: limit is ${MAX_OBJECTS} objects`);
    if (this.keys + this.#items > MAX_VALUES) throw tooLarge(`Request entity too large: limit is ${MAX_VALUES} values`);
  }
}
