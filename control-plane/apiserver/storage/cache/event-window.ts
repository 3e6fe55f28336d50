/** The latest changes of a kind, from which watches resume. Bounded by count and by bytes. */
import type { Entry } from './entry.ts';

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** One change of an object. Of a deletion, `entry` is the last state under the revision of the deletion. */
export interface Change {
  readonly type: ChangeType;
  readonly revision: number;
  readonly entry: Entry;
  readonly previous: Entry | undefined;
}

/** Upstream's watch cache holds between 100 and 102,400 events a resource; clients that are further behind list again. */
const MAX_CHANGES = 8192;
/** Most of these bytes are shared with the cache; what is superseded is what costs. */
const MAX_BYTES = 12 * 1024 * 1024;
/** However big the objects, a watcher that blinks must not lose its place. */
const MIN_CHANGES = 100;
/** Shifting an array costs its length, so what is dropped stays in it until it is this part of it. */
const DROPPED_SHARE = 1 / 8;

export class EventWindow {
  #changes: Change[] = [];
  #start = 0;
  #bytes = 0;
  #since: number;

  /** @param since the revision after which every change is known. */
  constructor(since: number) {
    this.#since = since;
  }

  /** Watches may resume from this revision on. */
  get since(): number {
    return this.#since;
  }

  push(change: Change): void {
    this.#changes.push(change);
    this.#bytes += change.entry.bytes.length;
    while (this.#length > MIN_CHANGES && (this.#length > MAX_CHANGES || this.#bytes > MAX_BYTES)) this.#drop();
    if (this.#start > 64 && this.#start > this.#changes.length * DROPPED_SHARE) {
      this.#changes = this.#changes.slice(this.#start);
      this.#start = 0;
    }
  }

  /** The changes after `revision`, which must not be before `since`. At most `limit`. */
  after(revision: number, limit: number): readonly Change[] {
    let low = this.#start;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#changes[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#changes.slice(low, low + limit);
  }

  get #length(): number {
    return this.#changes.length - this.#start;
  }

  #drop(): void {
    const dropped = this.#changes[this.#start++];
    if (!dropped) return;
    this.#since = dropped.revision;
    this.#bytes -= dropped.entry.bytes.length;
  }
}
