/**
 * The store: a revisioned key space. Keys are `/`-separated strings, values are opaque bytes. Every write gets the next
 * revision; history is kept until it is compacted.
 *
 * The contract allows a store in another process: calls may be slow, fail, or end with an unknown result, and watches may break.
 * For every call:
 * - It settles within the store's limit (default: CALL_LIMIT_MS), at the latest with StoreTimeoutError.
 * - It rejects with the signal's reason when its signal is aborted. The result of a write in flight is then unknown.
 * - It throws StoreUnavailableError when the store cannot be reached or is closed.
 * - Reads without a revision are linearizable: they see every write acknowledged, to any client, before the call.
 */
export const CALL_LIMIT_MS = 10_000;

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Of the request that the call is made for, where it is traced (https://www.w3.org/TR/trace-context/): a store elsewhere is told. */
  readonly traceparent?: string | undefined;
}

export interface StoredValue {
  readonly key: string;
  readonly value: Buffer;
  /** The revision of the value's write (etcd's mod_revision). */
  readonly revision: number;
  /** Why the value cannot be decrypted, and is empty. */
  readonly unreadable?: string;
}

export interface StoreEvent {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly revision: number;
  /** The written value; for a delete, the last value. */
  readonly value: Buffer;
  /** The value before this write, if any. */
  readonly previous?: Buffer;
  /** As of a StoredValue. */
  readonly unreadable?: string;
  /** The `note` of the put; only for live events of writes by this process. */
  readonly note?: object | undefined;
}

export interface ListOptions extends CallOptions {
  /** Lists as of this revision; default: the latest. */
  readonly revision?: number;
  readonly limit?: number;
  /** Only keys after this one. */
  readonly after?: string;
  /** Counts the keys after the last item: cheap at the latest revision, otherwise a step per key. */
  readonly count?: boolean;
}

export interface ListResult {
  readonly items: StoredValue[];
  /** The revision of the list. */
  readonly revision: number;
  /** Whether there are more keys after the last item. */
  readonly more: boolean;
  /** How many more keys there are, when `count` was set. */
  readonly remaining?: number;
}

export interface WriteOptions extends CallOptions {
  /** Precondition: the revision of the key's value; 0: the key does not exist. Without it the write is unconditional. */
  readonly revision?: number;
  /** The writer's annotation of the value. Passed on to watches in this process or dropped, never stored. */
  readonly note?: object;
  /** Milliseconds after which a store with `expires` deletes the value, give or take a few minutes. Other stores ignore it. */
  readonly ttlMs?: number;
}

/** A batch delivered by a watch. */
export interface WatchBatch {
  /** In revision order; empty for a progress notification. */
  readonly events: readonly StoreEvent[];
  /** All events under the prefix up to this revision have been delivered, with this batch or before. */
  readonly revision: number;
}

export interface Store {
  /** Whether it deletes values by their `ttlMs`, also while no server runs. */
  readonly expires?: boolean;
  /**
   * The revision of the latest acknowledged write. A store in this process returns it synchronously, so that reads from a cache
   * that is in sync need not wait.
   */
  latestRevision(options?: CallOptions): number | Promise<number>;
  get(key: string, options?: CallOptions): Promise<StoredValue | undefined>;
  /** Lists in key order. Throws CompactedError when the revision is compacted. */
  list(prefix: string, options?: ListOptions): Promise<ListResult>;
  /**
   * Writes if the precondition holds; resolves with the write's revision once it is on disk. Throws ConflictError (with the
   * current value) or StoreUnavailableError (disk full, ...) when nothing was written, StoreTimeoutError when that is unknown.
   */
  put(key: string, value: Buffer, options?: WriteOptions): Promise<number>;
  /** As `put`. Also throws ConflictError when the key does not exist. */
  delete(key: string, options?: WriteOptions): Promise<number>;
  /**
   * Calls back with every event of keys under `prefix` after `afterRevision`: in revision order, complete, without duplicates,
   * once the write is on disk. Never calls back after the promise has settled.
   *
   * Resolves when the signal is aborted. Throws CompactedError when undelivered events have been compacted: the watcher has to
   * relist. Throws WatchInterruptedError when the store was lost: the watcher may resume from the revision of the last
   * batch. A store detects a lost peer by itself, within its call limit.
   */
  watch(
    prefix: string,
    afterRevision: number,
    onBatch: (batch: WatchBatch) => void,
    options?: CallOptions,
  ): Promise<void>;
  /**
   * Makes every watch deliver a batch whose revision is at least the current one, with or without events. A store sends
   * progress notifications only on request: a watcher that waits for a revision must call this.
   */
  requestProgress(): void;
  /** Discards history before `revision`; current values stay. */
  compact(revision: number, options?: CallOptions): Promise<void>;
  close(): Promise<void>;
}

export class ConflictError extends Error {
  override readonly name = 'ConflictError';
  readonly key: string;
  /** The key's current value; undefined when the key does not exist. */
  readonly current: StoredValue | undefined;
  /** The store's revision at the time of the check. */
  readonly revision: number;
  constructor(key: string, current: StoredValue | undefined, revision: number) {
    super(current ? `${key} is at revision ${current.revision}` : `${key} does not exist`);
    this.key = key;
    this.current = current;
    this.revision = revision;
  }
}

export class CompactedError extends Error {
  override readonly name = 'CompactedError';
  readonly requested: number;
  /** The oldest revision that there is; undefined when the store has not said. */
  readonly compactedRevision: number | undefined;
  constructor(requested: number, compactedRevision?: number) {
    const oldest = compactedRevision === undefined ? '' : `; the oldest is ${compactedRevision}`;
    super(`revision ${requested} has been compacted${oldest}`);
    this.requested = requested;
    this.compactedRevision = compactedRevision;
  }
}

/** The store is temporarily unusable; the call that threw this has written nothing. */
export class StoreUnavailableError extends Error {
  override readonly name: string = 'StoreUnavailableError';
}

/** The store refuses the write for a reason of its own, which is the message: its quota is used up, the value is too large, ... */
export class StoreRefusedError extends StoreUnavailableError {
  override readonly name = 'StoreRefusedError';
}

/** The store has too many requests; the call may be repeated later. */
export class StoreBusyError extends StoreUnavailableError {
  override readonly name = 'StoreBusyError';
}

/** The store did not respond in time. Whether a write has taken place, or will, is unknown. */
export class StoreTimeoutError extends Error {
  override readonly name = 'StoreTimeoutError';
}

/** A watch has lost its store. Delivered events remain valid; it may be resumed after them. */
export class WatchInterruptedError extends Error {
  override readonly name = 'WatchInterruptedError';
}
