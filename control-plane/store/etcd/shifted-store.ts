/**
 * A store whose revisions are higher by an offset than those of the one below. etcd's revision only counts its own writes, so an etcd
 * that takes over the objects of another store would begin before revisions that clients know; watches from these would then wait for
 * what they have missed. Up to the offset, everything counts as compacted.
 */
import {
  CompactedError,
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

export class ShiftedStore implements Store {
  readonly expires: boolean;
  readonly #store: Store;
  readonly #offset: number;

  constructor(store: Store, offset: number) {
    this.expires = store.expires ?? false;
    this.#store = store;
    this.#offset = offset;
  }

  async latestRevision(options?: CallOptions): Promise<number> {
    return (await this.#store.latestRevision(options)) + this.#offset;
  }

  async get(key: string, options?: CallOptions): Promise<StoredValue | undefined> {
    const found = await this.#store.get(key, options);
    return found && this.#raised(found);
  }

  async list(prefix: string, { revision, ...options }: ListOptions = {}): Promise<ListResult> {
    if (revision !== undefined && revision <= this.#offset) throw new CompactedError(revision, this.#offset + 1);
    const below = revision === undefined ? options : { ...options, revision: revision - this.#offset };
    const found = await this.#said(this.#store.list(prefix, below));
    return {
      ...found,
      items: found.items.map((item) => this.#raised(item)),
      revision: found.revision + this.#offset,
    };
  }

  async put(key: string, value: Buffer, options?: WriteOptions): Promise<number> {
    return (await this.#said(this.#store.put(key, value, this.#lowered(options)))) + this.#offset;
  }

  async delete(key: string, options?: WriteOptions): Promise<number> {
    return (await this.#said(this.#store.delete(key, this.#lowered(options)))) + this.#offset;
  }

  async watch(
    prefix: string,
    afterRevision: number,
    onBatch: (batch: WatchBatch) => void,
    options?: CallOptions,
  ): Promise<void> {
    if (afterRevision <= this.#offset) throw new CompactedError(afterRevision, this.#offset + 1);
    const raise = ({ events, revision }: WatchBatch): void =>
      onBatch({ events: events.map((event) => this.#raisedEvent(event)), revision: revision + this.#offset });
    await this.#said(this.#store.watch(prefix, afterRevision - this.#offset, raise, options));
  }

  requestProgress(): void {
    this.#store.requestProgress();
  }

  async compact(revision: number, options?: CallOptions): Promise<void> {
    if (revision > this.#offset) await this.#said(this.#store.compact(revision - this.#offset, options));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** A precondition of 0 is that there is no value; one from before the offset is that of no value that there is. */
  #lowered(options: WriteOptions | undefined): WriteOptions | undefined {
    if (!options?.revision) return options;
    return { ...options, revision: options.revision > this.#offset ? options.revision - this.#offset : NEVER };
  }

  #raised(value: StoredValue): StoredValue {
    return { ...value, revision: value.revision + this.#offset };
  }

  /** The value before may be a getter, which a copy would lose. */
  #raisedEvent(event: StoreEvent): StoreEvent {
    const { previous } = event;
    return { ...event, revision: event.revision + this.#offset, ...(previous !== undefined && { previous }) };
  }

  async #said<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      if (error instanceof ConflictError) throw this.#conflict(error);
      if (!(error instanceof CompactedError)) throw error;
      const { requested, compactedRevision } = error;
      throw new CompactedError(
        requested + this.#offset,
        compactedRevision === undefined ? undefined : compactedRevision + this.#offset,
      );
    }
  }

  #conflict({ key, current, revision }: ConflictError): ConflictError {
    return new ConflictError(key, current && this.#raised(current), revision + this.#offset);
  }
}

/** No value has it. */
const NEVER = Number.MAX_SAFE_INTEGER;
