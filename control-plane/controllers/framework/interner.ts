/**
 * Keeps one copy of values that many objects have alike: the pods of a ReplicaSet share labels, owners, tolerations and
 * ports, and 10,000 copies of each would be most of what the controllers keep.
 */
export class Interner {
  #values = new Map<string, unknown>();

  /** The value, or the one like it that was interned before. It must not be changed from now on. */
  share<T extends object>(value: T): T {
    const text = JSON.stringify(value);
    const known = this.#values.get(text);
    if (known !== undefined) return known as T;
    // Forgetting costs nothing but later sharing; it keeps values that nobody has any more from piling up.
    if (this.#values.size >= MAX_VALUES) this.#values = new Map();
    this.#values.set(text, value);
    return value;
  }
}

const MAX_VALUES = 5_000;
