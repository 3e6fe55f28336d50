/**
 * The store: a revisioned key space. Keys are `/`-separated strings, values are bytes that the store never parses. Every write
 * gets the next revision; the history is kept until it is compacted.
 *
 * The contract is that of a store which may be in another process: a call may take a while, fail, or end without the caller
 * knowing what became of it, and a watch may break. What holds for every call:
 * - It settles within the limit of its store (CALL_LIMIT_MS unless configured), by StoreTimeoutError at the latest.
 * - It rejects with the signal's reason once its signal is aborted. Whether a write that was under way takes place is unknown then.
 * - It throws StoreUnavailableError when the store cannot be reached or is closed.
 * - Reads without a revision are linearizable: they show every write that had been acknowledged, to whomever, before the call.
 */
export const CALL_LIMIT_MS = 10_000;

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface StoredValue {
  readonly key: string;
  readonly value: Buffer;
  /** The revision of the write that made this value. */
  readonly revision: number;
}

export interface StoreEvent {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly revision: number;
  /** The value written; for a delete, the last value there was. */
  readonly value: Buffer;
  /** The value before this write, when there was one. */
  readonly previous?: Buffer;
  /** The `note` of the put, where this process made it and the event comes as it happens. */
  readonly note?: object | undefined;
}

export interface ListOptions extends CallOptions {
  /** Look at the key space as it was at this revision; now, when absent. */
  readonly revision?: number;
  readonly limit?: number;
  /** Only keys after this one. */
  readonly after?: string;
  /** Counts what is left after the last item: at the latest revision that costs next to nothing, at another a look at each key. */
  readonly count?: boolean;
}

export interface ListResult {
  readonly items: StoredValue[];
  /** The revision that the list is a picture of. */
  readonly revision: number;
  /** Whether there are more keys after the last item. */
  readonly more: boolean;
  /** How many, where that was asked for. */
  readonly remaining?: number;
}

export interface WriteOptions extends CallOptions {
  /** A precondition: the revision of the key's value; 0: the key does not exist. Without it the write is unconditional. */
  readonly revision?: number;
  /** What the writer knows of the value that it puts. A store hands it on to watches in this process, or drops it; it is never stored. */
  readonly note?: object;
}

/** What a watch delivers at a time. */
export interface WatchBatch {
  /** In revision order; empty when the batch only tells of progress. */
  readonly events: readonly StoreEvent[];
  /** Every event of the watched prefix up to this revision has been delivered, with this batch or before. */
  readonly revision: number;
}

export interface Store {
  /**
   * The revision of the latest write that has been acknowledged. A store in this process returns it at once, so that reading
   * from a cache that follows it waits for nothing.
   */
  latestRevision(options?: CallOptions): number | Promise<number>;
  get(key: string, options?: CallOptions): Promise<StoredValue | undefined>;
  /** In key order. Throws CompactedError when the revision is compacted. */
  list(prefix: string, options?: ListOptions): Promise<ListResult>;
  /**
   * Writes if the precondition holds and resolves, once the write is on disk, with its revision. Throws ConflictError (with the
   * present value) or StoreUnavailableError (disk full, ...) when nothing was written, StoreTimeoutError when that is unknown.
   */
  put(key: string, value: Buffer, options?: WriteOptions): Promise<number>;
  /** As `put`. Throws ConflictError, too, when the key does not exist. */
  delete(key: string, options?: WriteOptions): Promise<number>;
  /**
   * Calls back with every event of keys under `prefix` after `afterRevision`: in revision order, none missing, none twice, each
   * once its write is on disk. Never calls back after the promise has settled.
   *
   * Resolves when the signal is aborted. Throws CompactedError when events that are still to be delivered have been compacted:
   * the watcher has to list. Throws WatchInterruptedError when the store was lost: the watcher may go on after the revision of
   * the last batch. A store notices by itself, within its call limit, that it has lost its other end.
   */
  watch(
    prefix: string,
    afterRevision: number,
    onBatch: (batch: WatchBatch) => void,
    options?: CallOptions,
  ): Promise<void>;
  /**
   * Has every watch that has been asked for deliver a batch whose revision is at least the latest one at this moment, with or without events.
   * Nothing else makes a store tell of progress: a watcher that waits for a revision has to ask.
   */
  requestProgress(): void;
  /** Drops the history before `revision`; what is current stays. */
  compact(revision: number, options?: CallOptions): Promise<void>;
  close(): Promise<void>;
}

export class ConflictError extends Error {
  override readonly name = 'ConflictError';
  /** The value that the key has instead; undefined when the key does not exist. */
  readonly current: StoredValue | undefined;
  /** The store's revision at which that was so. */
  readonly revision: number;
  constructor(key: string, current: StoredValue | undefined, revision: number) {
    super(current ? `${key} is at revision ${current.revision}` : `${key} does not exist`);
    this.current = current;
    this.revision = revision;
  }
}

export class CompactedError extends Error {
  override readonly name = 'CompactedError';
  readonly compactedRevision: number;
  constructor(requested: number, compactedRevision: number) {
    super(`revision ${requested} has been compacted; the oldest is ${compactedRevision}`);
    this.compactedRevision = compactedRevision;
  }
}

/** The store cannot be used at the moment; nothing was written by the call that got this error. */
export class StoreUnavailableError extends Error {
  override readonly name: string = 'StoreUnavailableError';
}

/** The store did not answer in time. Whether a write has taken place, or will, is unknown. */
export class StoreTimeoutError extends Error {
  override readonly name = 'StoreTimeoutError';
}

/** A watch has lost its store. What it has delivered stands; it may be resumed from there. */
export class WatchInterruptedError extends Error {
  override readonly name = 'WatchInterruptedError';
}
