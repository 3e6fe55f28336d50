/**
 * Keeps one copy of values that many objects have alike: the pods of a ReplicaSet share labels, owners, tolerations and
 * ports, and 10,000 copies of each would be most of what the controllers keep.
 */
import { TextCache } from '../../../api/machinery/text-cache.ts';

export class Interner {
  readonly #values = new TextCache<object>();

  /** The value, or the one like it that was interned before. It must not be changed from now on. */
  share<T extends object>(value: T): T {
    return this.#values.get(JSON.stringify(value), () => value) as T;
  }
}
