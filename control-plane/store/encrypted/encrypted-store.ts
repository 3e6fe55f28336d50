/**
 * A store whose values are encrypted as the configuration says, over another one that sees nothing of them. Keys are not encrypted. A value
 * that cannot be decrypted is passed on without one, and with the reason: it is the problem of one object.
 */
import type { Logger } from '../../../client/logger.ts';
import {
  ConflictError,
  type CallOptions,
  type ListOptions,
  type ListResult,
  type Store,
  type StoredValue,
  type StoreEvent,
  type WatchBatch,
  type WriteOptions,
} from '../store.ts';
import type { Exposition } from '../../../daemon/metrics/exposition.ts';
import { readEncryptionConfiguration } from './configuration.ts';
import type { KmsTimes } from './kms/kms-provider.ts';
import { KmsProviders } from './kms/kms-providers.ts';
import { OrderedBatches } from './ordered-batches.ts';
import { Transformers, type ResourceKeys } from './transformers.ts';

const PAGE = 500;
const NOTHING = Buffer.alloc(0);

export interface EncryptionStatus {
  readonly entries: Transformers['entries'];
  /** Objects by the way in which they are stored now: `aesgcm:key1`, `identity`. Without resources that no entry names. */
  readonly objects: Readonly<Record<string, number>>;
  /** Keys of objects that would be stored in another way now, the first ones, and how many there are. */
  readonly stale: { readonly count: number; readonly first: readonly string[] };
  /** Keys of objects that cannot be read, and why. */
  readonly unreadable: readonly { readonly key: string; readonly why: string }[];
}

export interface Reencrypted {
  /** How many objects have been stored again. */
  readonly reencrypted: number;
  /** Otherwise the time was over, and there may be more. */
  readonly isComplete: boolean;
}

const MAX_SHOWN = 100;
/** Objects that are stored again at a time. */
const TOGETHER = 100;
/** Well within the time that a request has. */
const REENCRYPT_LIMIT_MS = 20_000;

export interface EncryptedStoreOptions {
  readonly store: Store;
  readonly keys: ResourceKeys;
  /** The text of an EncryptionConfiguration. */
  readonly configuration: string;
  readonly logger: Logger;
  /** For tests: times of plugins of key management services. */
  readonly kmsTimesMs?: KmsTimes;
}

/** Values that are decrypted together. Fewer than seeds that a provider keeps. */
const SLICE = 1024;

export class EncryptedStore implements Store {
  readonly expires: boolean;
  readonly #store: Store;
  readonly #keys: ResourceKeys;
  readonly #logger: Logger;
  readonly #plugins: KmsProviders;
  #transformers: Transformers;

  private constructor({ store, keys, logger, kmsTimesMs }: EncryptedStoreOptions) {
    this.expires = store.expires ?? false;
    this.#store = store;
    this.#keys = keys;
    this.#logger = logger;
    this.#plugins = new KmsProviders({ logger, timesMs: kmsTimesMs });
    this.#transformers = new Transformers([], keys);
  }

  /**
   * Rejects with SettingValueError for a configuration that is wrong, or when a plugin is not ready. The store that is encrypted is the
   * caller's to close then.
   */
  static async open(options: EncryptedStoreOptions): Promise<EncryptedStore> {
    const store = new EncryptedStore(options);
    await store.reconfigure(options.configuration);
    return store;
  }

  /** From when it resolves values are written with the keys of another configuration. Rejects with SettingValueError; then nothing changes. */
  async reconfigure(configuration: string): Promise<void> {
    const resources = readEncryptionConfiguration(configuration).resources ?? [];
    const plugins = await this.#plugins.replace(resources);
    this.#transformers = new Transformers(resources, this.#keys, plugins);
  }

  /** What is wrong with the plugins of key management services; undefined when nothing is. */
  get kmsFailure(): string | undefined {
    return this.#plugins.failure;
  }

  /** Upstream's metrics of these plugins. */
  get writeMetrics(): (to: Exposition) => void {
    return this.#plugins.metrics.write;
  }

  latestRevision(options?: CallOptions): number | Promise<number> {
    return this.#store.latestRevision(options);
  }

  async get(key: string, options?: CallOptions): Promise<StoredValue | undefined> {
    const stored = await this.#store.get(key, options);
    return stored && this.#decryptedWhenReady(stored);
  }

  async list(prefix: string, options?: ListOptions): Promise<ListResult> {
    const result = await this.#store.list(prefix, options);
    return { ...result, items: await this.#decryptedAll(result.items) };
  }

  async put(key: string, value: Buffer, options?: WriteOptions): Promise<number> {
    try {
      return await this.#store.put(key, this.#transformers.of(key).encrypt(key, value), options);
    } catch (error) {
      throw await this.#decryptedConflict(key, error);
    }
  }

  async delete(key: string, options?: WriteOptions): Promise<number> {
    try {
      return await this.#store.delete(key, options);
    } catch (error) {
      throw await this.#decryptedConflict(key, error);
    }
  }

  async watch(
    prefix: string,
    afterRevision: number,
    onBatch: (batch: WatchBatch) => void,
    options: CallOptions = {},
  ): Promise<void> {
    const order = new OrderedBatches(onBatch);
    const signal = options.signal ? AbortSignal.any([options.signal, order.failed]) : order.failed;
    const take = (batch: WatchBatch): void => {
      const { events, revision } = batch;
      const decrypt = (): WatchBatch => ({ events: events.map((event) => this.#decryptedEvent(event)), revision });
      order.take(this.#prepared(events), decrypt);
    };
    try {
      await this.#store.watch(prefix, afterRevision, take, { ...options, signal });
    } finally {
      order.end();
    }
    order.throwFailure();
  }

  requestProgress(): void {
    this.#store.requestProgress();
  }

  compact(revision: number, options?: CallOptions): Promise<void> {
    return this.#store.compact(revision, options);
  }

  async close(): Promise<void> {
    this.#plugins[Symbol.dispose]();
    await this.#store.close();
  }

  /** Reads everything, and asks plugins for their keys first. */
  async status(signal: AbortSignal): Promise<EncryptionStatus> {
    await this.#plugins.poll();
    const objects = new Map<string, number>();
    const stale: string[] = [];
    const unreadable: { key: string; why: string }[] = [];
    let count = 0;
    for await (const { key, value } of this.#all(signal)) {
      await this.#transformers.of(key).prepare(value);
      try {
        const { way, isStale } = this.#transformers.of(key).decrypt(key, value);
        objects.set(way, (objects.get(way) ?? 0) + 1);
        if (!isStale) continue;
        count++;
        if (stale.length < MAX_SHOWN) stale.push(key);
      } catch (error) {
        if (unreadable.length < MAX_SHOWN) unreadable.push({ key, why: (error as Error).message });
      }
    }
    const sorted = [...objects].sort(([a], [b]) => (a < b ? -1 : 1));
    const { entries } = this.#transformers;
    return { entries, objects: Object.fromEntries(sorted), stale: { count, first: stale }, unreadable };
  }

  /** Stores again what would be stored in another way now, by compare-and-write. */
  async reencrypt(signal: AbortSignal): Promise<Reencrypted> {
    const until = performance.now() + REENCRYPT_LIMIT_MS;
    // A key that has been turned in its service a moment ago is one to use.
    await this.#plugins.poll();
    let count = 0;
    let together: Promise<boolean>[] = [];
    const written = async (): Promise<void> => {
      for (const done of await Promise.all(together)) if (done) count++;
      together = [];
    };
    for await (const stored of this.#all(signal)) {
      if (performance.now() > until) {
        await written();
        return { reencrypted: count, isComplete: false };
      }
      together.push(this.#storeAgain(stored, signal));
      // They share flushes of the store.
      if (together.length >= TOGETHER) await written();
    }
    await written();
    return { reencrypted: count, isComplete: true };
  }

  /** Returns whether there was something to do. Does not reject. */
  async #storeAgain({ key, value, revision }: StoredValue, signal: AbortSignal): Promise<boolean> {
    const transformer = this.#transformers.of(key);
    try {
      await transformer.prepare(value);
      const { value: plain, isStale } = transformer.decrypt(key, value);
      if (!isStale) return false;
      await this.#store.put(key, transformer.encrypt(key, plain), { revision, signal });
      return true;
    } catch (error) {
      // Whoever has written it meanwhile has used the new key.
      if (!(error instanceof ConflictError))
        this.#logger.error({ err: error, key }, 'object cannot be encrypted again');
      return false;
    }
  }

  async *#all(signal: AbortSignal): AsyncGenerator<StoredValue> {
    const first = await this.#store.list(this.#keys.root, { limit: PAGE, signal });
    let page = first;
    for (;;) {
      yield* page.items;
      const after = page.items.at(-1)?.key;
      if (!page.more || after === undefined) return;
      page = await this.#store.list(this.#keys.root, { limit: PAGE, after, signal });
    }
  }

  async #decryptedWhenReady(stored: StoredValue): Promise<StoredValue> {
    await this.#transformers.of(stored.key).prepare(stored.value);
    return this.#decrypted(stored);
  }

  /** What it takes may be more than a provider keeps at a time. */
  async #decryptedAll(items: readonly StoredValue[]): Promise<StoredValue[]> {
    const decrypted: StoredValue[] = [];
    for (let at = 0; at < items.length; at += SLICE) {
      const slice = items.slice(at, at + SLICE);
      const pending = this.#prepared(slice);
      if (pending) await pending;
      for (const item of slice) decrypted.push(this.#decrypted(item));
    }
    return decrypted;
  }

  /** Undefined when nothing has to be asked for. */
  #prepared(
    items: readonly { readonly key: string; readonly value: Buffer; readonly previous?: Buffer }[],
  ): Promise<unknown> | undefined {
    const pending = new Set<Promise<void>>();
    for (const { key, value, previous } of items) {
      const transformer = this.#transformers.of(key);
      const ofValue = transformer.prepare(value);
      const ofPrevious = previous && transformer.prepare(previous);
      if (ofValue) pending.add(ofValue);
      if (ofPrevious) pending.add(ofPrevious);
    }
    return pending.size > 0 ? Promise.all(pending) : undefined;
  }

  #decrypted(stored: StoredValue): StoredValue {
    const { key, value } = stored;
    try {
      return { ...stored, value: this.#transformers.of(key).decrypt(key, value).value };
    } catch (error) {
      return { ...stored, value: NOTHING, unreadable: this.#problem(key, error) };
    }
  }

  #decryptedEvent(event: StoreEvent): StoreEvent {
    const { previous, ...rest } = event;
    const { value, unreadable } = this.#decrypted(event);
    const before = previous && this.#decrypted({ key: event.key, value: previous, revision: 0 });
    return {
      ...rest,
      value,
      ...(unreadable !== undefined && { unreadable }),
      ...(before && before.unreadable === undefined && { previous: before.value }),
    };
  }

  async #decryptedConflict(key: string, error: unknown): Promise<unknown> {
    if (!(error instanceof ConflictError) || !error.current) return error;
    return new ConflictError(key, await this.#decryptedWhenReady(error.current), error.revision);
  }

  #problem(key: string, error: unknown): string {
    const why = `unable to transform key ${JSON.stringify(key)}: ${(error as Error).message}`;
    this.#logger.error({ key, err: error }, 'stored object cannot be decrypted');
    return why;
  }
}
