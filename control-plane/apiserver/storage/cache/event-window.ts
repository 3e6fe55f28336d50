/** The recent changes of a kind, from which watches resume. Bounded by count and by bytes. */
import type { Entry } from './entry.ts';

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** A change of an object. For a delete, `entry` is the last state with the revision of the delete. */
export interface Change {
  readonly type: ChangeType;
  readonly revision: number;
  readonly entry: Entry;
  readonly previous: Entry | undefined;
}

/** Upstream's watch cache holds 100 to 102,400 events per resource; clients that are further behind must relist. */
const MAX_CHANGES = 8192;
/** Most of these bytes are shared with the cache; only superseded entries take additional memory. */
const MAX_BYTES = 12 * 1024 * 1024;
/** Kept even for large objects, so that a short interruption does not force a relist. */
const MIN_CHANGES = 100;
/** Shifting an array takes time by its length, so dropped entries stay in it up to this share. */
const DROPPED_SHARE = 1 / 8;

export class EventWindow {
  #changes: Change[] = [];
  #start = 0;
  #bytes = 0;
  #since: number;

  /** @param since the revision after which all changes are recorded. */
  constructor(since: number) {
    this.#since = since;
  }

  /** The oldest revision that watches may resume from. */
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

  /** At most `limit` changes after `revision`, which must not be before `since`. */
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
