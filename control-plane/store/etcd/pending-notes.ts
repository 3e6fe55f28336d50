/**
 * The notes of puts whose events have not come yet. An event is matched by its key and its bytes, since it may come before the
 * response that has its revision: a note is about the bytes, whoever has written them.
 */

/** A bound for values whose events no watch delivers. */
const MAX_NOTES = 10_000;

interface Pending {
  readonly value: Buffer;
  readonly note: object;
}

export class PendingNotes {
  /** The latest of each key, oldest first. */
  readonly #byKey = new Map<string, Pending>();

  add(key: string, value: Buffer, note: object): void {
    this.#byKey.delete(key);
    this.#byKey.set(key, { value, note });
    if (this.#byKey.size <= MAX_NOTES) return;
    const oldest = this.#byKey.keys().next();
    if (!oldest.done) this.#byKey.delete(oldest.value);
  }

  /** The note of a put of these bytes, once. */
  take(key: string, value: Buffer): object | undefined {
    const pending = this.#byKey.get(key);
    if (!pending?.value.equals(value)) return undefined;
    this.#byKey.delete(key);
    return pending.note;
  }

  /** The put has failed. */
  drop(key: string, note: object): void {
    if (this.#byKey.get(key)?.note === note) this.#byKey.delete(key);
  }
}
