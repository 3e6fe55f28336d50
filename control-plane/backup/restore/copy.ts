/** Fills a store with what another one had, and compares. */
import { createHash } from 'node:crypto';
import type { Store } from '../../store/store.ts';
import { BackupError } from '../backup-error.ts';
import type { StoredRecord } from '../records.ts';
import { pagesOf, sourceOf } from '../store-pages.ts';
import type { Place, Translation } from './translation.ts';

/** Writes that share flushes of the store. */
const TOGETHER = 200;
const SUM_BITS = 256;

/** Count, bytes and a hash of keys and values: the same for the same ones, in whatever order they come. */
export class ContentSum {
  count = 0;
  bytes = 0;
  #hash = 0n;

  add(key: string, value: Buffer): void {
    this.count++;
    this.bytes += value.length;
    const name = Buffer.from(key);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(name.length);
    const digest = createHash('sha256').update(length).update(name).update(value).digest('hex');
    this.#hash = BigInt.asUintN(SUM_BITS, this.#hash + BigInt(`0x${digest}`));
  }

  get hash(): string {
    return this.#hash.toString(16).padStart(SUM_BITS / 4, '0');
  }

  equals(other: ContentSum): boolean {
    return this.count === other.count && this.bytes === other.bytes && this.hash === other.hash;
  }
}

/** Writes records into a store that has none of them; `add` is called for each part of them, `sum` is of all. */
export class Copy {
  readonly sum = new ContentSum();
  readonly #store: Store;
  readonly #translation: Translation;
  readonly #signal: AbortSignal;

  constructor(store: Store, translation: Translation, signal: AbortSignal) {
    this.#store = store;
    this.#translation = translation;
    this.#signal = signal;
  }

  /** Rejects as the store does; also with ConflictError when a key is there already. */
  async add(records: readonly StoredRecord[]): Promise<void> {
    for (let at = 0; at < records.length; at += TOGETHER) {
      this.#signal.throwIfAborted();
      await Promise.all(records.slice(at, at + TOGETHER).map((record) => this.#put(record)));
    }
  }

  /** For records that have been written before. */
  count(records: readonly StoredRecord[]): void {
    for (const record of records) {
      const { key, plain } = this.#translation.of(record);
      this.sum.add(key, plain);
    }
  }

  async #put(record: StoredRecord): Promise<void> {
    const { key, value, plain, ttlMs } = this.#translation.of(record);
    this.sum.add(key, plain);
    await this.#store.put(key, value, { revision: 0, ...(ttlMs !== undefined && { ttlMs }) });
  }

  /** Reads all that the store has. Throws BackupError when it is not what was written. */
  async verify({ home, root }: Place): Promise<void> {
    const found = new ContentSum();
    for await (const { records } of pagesOf(sourceOf(this.#store, home, root), this.#signal))
      for (const { key, value } of records) found.add(key, this.#translation.read(key, value));
    if (found.equals(this.sum)) return;
    throw new BackupError(
      `the copy has ${found.count} objects of ${found.bytes} bytes (${found.hash}), and should have ` +
        `${this.sum.count} of ${this.sum.bytes} (${this.sum.hash}): has somebody else written there?`,
    );
  }
}

/** Deletes all keys under the root but those in `keep`. */
export async function empty(store: Store, root: string, keep: string, signal: AbortSignal): Promise<void> {
  let after: string | undefined;
  for (;;) {
    const { items, more } = await store.list(root, { limit: TOGETHER, signal, ...(after !== undefined && { after }) });
    await Promise.all(items.filter(({ key }) => key !== keep).map(({ key }) => store.delete(key)));
    after = items.at(-1)?.key;
    if (!more || after === undefined) return;
  }
}
