/**
 * The store: a revisioned key space, as etcd's is. Keys are `/`-separated text, values are bytes that the store never looks
 * into. Every write gets the next revision; the history is kept until it is compacted. `embedded.ts` (LMDB) keeps this contract;
 * another home of the objects would have to.
 */
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
}

export interface ListOptions {
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

/** The key's value must be of this revision; 0: the key must not be there. */
export interface Precondition {
  readonly revision: number;
}

export interface Store {
  /** The latest revision that is on disk. */
  readonly revision: number;
  /** The oldest revision that can still be listed or watched from. */
  readonly compactedRevision: number;
  get(key: string): Promise<StoredValue | undefined>;
  /** In key order. Throws CompactedError when the revision is gone. */
  list(prefix: string, options?: ListOptions): Promise<ListResult>;
  /**
   * Writes when the precondition holds and answers, once the write is on disk, with its revision. Throws ConflictError (with what is there) or
   * StoreUnavailableError (disk full, ...): then nothing was written.
   */
  put(key: string, value: Buffer, precondition?: Precondition): Promise<number>;
  delete(key: string, precondition?: Precondition): Promise<number>;
  /**
   * Calls back with each event of keys under `prefix`, in revision order, without a gap, from the first after
   * `afterRevision` on, until the signal is aborted. Events are of writes that are on disk. Throws CompactedError.
   */
  watch(
    prefix: string,
    afterRevision: number,
    onEvents: (events: readonly StoreEvent[]) => void,
    signal: AbortSignal,
  ): void;
  /** Forgets the history before `revision`; what is current stays. */
  compact(revision: number): Promise<void>;
  close(): Promise<void>;
}

export class ConflictError extends Error {
  override readonly name = 'ConflictError';
  /** What is there instead; undefined when the key is not there. */
  readonly current: StoredValue | undefined;
  constructor(key: string, current: StoredValue | undefined) {
    super(current ? `${key} is at revision ${current.revision}` : `${key} is not there`);
    this.current = current;
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

/** The store cannot take writes at the moment; nothing of the write that got this error is there. */
export class StoreUnavailableError extends Error {
  override readonly name: string = 'StoreUnavailableError';
}
