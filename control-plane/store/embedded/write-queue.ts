/** The writes that are not on disk yet: those of the commit in flight, and those that wait for the next one. */
import type { StoreUnavailableError } from '../store.ts';
import type { NewLogEntry } from './revision-log.ts';

/** The most bytes of values per commit, so that a flood of large writes does not become one commit of gigabytes. */
const MAX_COMMIT_BYTES = 16 * 2 ** 20;

export interface PendingWrite extends NewLogEntry {
  /** The value in watch events: the value written, or for a delete the last value. */
  readonly eventValue: Buffer;
  readonly note: object | undefined;
  /** Resolved with the revision once the write is on disk. */
  readonly done: PromiseWithResolvers<number>;
}

export class WriteQueue {
  /** The latest uncommitted write per key. */
  readonly #latest = new Map<string, PendingWrite>();
  #queued: PendingWrite[] = [];
  #lastAssigned: number;

  /** @param revision the latest on disk. */
  constructor(revision: number) {
    this.#lastAssigned = revision;
  }

  /** Whether no write waits for the next commit. */
  get isEmpty(): boolean {
    return this.#queued.length === 0;
  }

  /** The latest uncommitted write of a key: what the next write of the key is checked against. */
  latest(key: string): PendingWrite | undefined {
    return this.#latest.get(key);
  }

  /** Assigns the next revision. */
  add(entry: Omit<PendingWrite, 'revision' | 'done'>): PendingWrite {
    const write = { ...entry, revision: ++this.#lastAssigned, done: Promise.withResolvers<number>() };
    this.#latest.set(write.key, write);
    this.#queued.push(write);
    return write;
  }

  /** The writes of the next commit, in their order. Until they are settled, later writes are checked against them. */
  takeBatch(): PendingWrite[] {
    let bytes = 0;
    let count = 0;
    for (const write of this.#queued) {
      bytes += write.value?.length ?? 0;
      if (count > 0 && bytes > MAX_COMMIT_BYTES) break;
      count++;
    }
    if (count === this.#queued.length) {
      const all = this.#queued;
      this.#queued = [];
      return all;
    }
    return this.#queued.splice(0, count);
  }

  committed(batch: readonly PendingWrite[]): void {
    for (const write of batch) if (this.#latest.get(write.key) === write) this.#latest.delete(write.key);
    for (const write of batch) write.done.resolve(write.revision);
  }

  /** Rejects all that waits. What is left are the writes of the commit in flight (`begun`), after `revision` on disk. */
  rollBack(error: StoreUnavailableError, revision: number, begun: readonly PendingWrite[]): void {
    const queued = this.#queued;
    this.#queued = [];
    this.#latest.clear();
    for (const write of begun) this.#latest.set(write.key, write);
    this.#lastAssigned = begun.at(-1)?.revision ?? revision;
    for (const write of queued) write.done.reject(error);
  }
}
