import { setImmediate as nextTurn } from 'node:timers/promises';
import { CompactedError, type ListOptions, type ListResult, type StoredValue, type StoreEvent } from '../store.ts';
import { KeyIndex, type IndexEntry } from './key-index.ts';
import { eventOf } from './log-event.ts';
import type { LogEntry, LogTrim, NewLogEntry, RevisionLog } from './revision-log.ts';

/** The most log entries that one commit compacts: about a millisecond of work, so that writers do not notice. */
const COMPACTION_SLICE = 256;
/** Values that a list reads before it yields to the event loop. */
const LIST_SLICE = 256;

/** What a commit compacts, and the deleted keys that the index then removes. */
export interface Trim extends LogTrim {
  readonly deletions: readonly LogEntry[];
}

/** The location of a value in a list. */
interface ValueRef {
  readonly key: string;
  readonly revision: number;
}

/**
 * The committed state, as readers see it: the revision log, and in memory the keys with their latest revisions. It changes only
 * when a commit is on disk.
 */
export class StoredState {
  #log: RevisionLog;
  #index = new KeyIndex();
  #revision = 0;
  #compactedRevision = 0;
  /** Lists being read: compaction stays behind their revisions. */
  readonly #lists = new Set<{ readonly at: number; readonly items: Promise<StoredValue[]> }>();

  /** Loads the headers of the log. Throws the log's error when it is damaged. */
  constructor(log: RevisionLog) {
    this.#log = log;
    this.#load();
  }

  get log(): RevisionLog {
    return this.#log;
  }

  get revision(): number {
    return this.#revision;
  }

  /** The oldest revision that can still be listed or watched from. */
  get compactedRevision(): number {
    return this.#compactedRevision;
  }

  /** Switches to another file with the same entries. */
  moveTo(log: RevisionLog): void {
    this.#log = log;
  }

  /** Replaces the state with that of the given log. */
  reload(log: RevisionLog): void {
    this.#log = log;
    this.#load();
  }

  #load(): void {
    this.#index = new KeyIndex();
    this.#compactedRevision = this.#log.compactedRevision;
    this.#revision = this.#log.lastRevision;
    for (const entry of this.#log.entries(1, this.#revision)) {
      this.#index.set(entry.key, entry.revision, entry.type === 'delete');
    }
  }

  /** The latest write of a key; undefined when there was none, or its deletion has been compacted. */
  entry(key: string): IndexEntry | undefined {
    return this.#index.get(key);
  }

  get(key: string): StoredValue | undefined {
    const entry = this.#index.get(key);
    if (!entry || entry.deleted) return undefined;
    return { key, revision: entry.revision, value: this.valueOf(entry.revision) };
  }

  /** As `Store.list`: the set of keys is determined before this returns, the values are read afterwards. */
  async list(
    prefix: string,
    { revision: at = this.#revision, after, limit = Infinity, count, signal }: ListOptions,
  ): Promise<ListResult> {
    this.mustHaveSince(at);
    const countNow = count && at >= this.#revision;
    const wanted: ValueRef[] = [];
    let more = false;
    let counted = 0;
    for (const entry of this.#index.under(prefix, after)) {
      const revision = this.#log.revisionAt(entry, at);
      if (revision === 0) continue;
      if (wanted.length < limit) {
        wanted.push({ key: entry.key, revision });
        continue;
      }
      more = true;
      if (!count || countNow) break;
      counted++;
    }
    const last = wanted.at(-1)?.key ?? after ?? prefix;
    const remaining = more && countNow ? this.#index.countLive(prefix, last) : counted;
    const revision = Math.min(at, this.#revision);
    const reading = { at, items: this.#readAll(wanted, signal) };
    this.#lists.add(reading);
    try {
      return { items: await reading.items, revision, more, ...(count && { remaining }) };
    } finally {
      this.#lists.delete(reading);
    }
  }

  /** Resolves when the lists in flight have been read. */
  async listsRead(): Promise<void> {
    await Promise.allSettled([...this.#lists].map((list) => list.items));
  }

  async #readAll(wanted: readonly ValueRef[], signal: AbortSignal | undefined): Promise<StoredValue[]> {
    const items: StoredValue[] = [];
    for (const { key, revision } of wanted) {
      items.push({ key, revision, value: this.valueOf(revision) });
      if (items.length % LIST_SLICE > 0) continue;
      await nextTurn();
      signal?.throwIfAborted();
    }
    return items;
  }

  /** Throws CompactedError when the events after a revision are no longer complete. */
  mustHaveSince(revision: number): void {
    if (revision < this.#compactedRevision) throw new CompactedError(revision, this.#compactedRevision);
  }

  /** Watch events under a prefix; both revisions are inclusive. */
  *eventsOf(from: number, to: number, prefix: string): Generator<StoreEvent> {
    for (const entry of this.#log.entries(from, to)) {
      if (!entry.key.startsWith(prefix)) continue;
      const value = this.valueOf(entry.type === 'put' ? entry.revision : entry.previousRevision);
      yield eventOf(entry, value, this.valueOf);
    }
  }

  readonly valueOf = (revision: number): Buffer => {
    const value = this.#log.value(revision);
    if (!value) throw new CompactedError(revision, this.#compactedRevision);
    return value;
  };

  /** Applies a commit that is on disk. */
  committed(batch: readonly NewLogEntry[], trim: Trim | undefined): void {
    for (const { key, revision } of trim?.deletions ?? []) this.#index.forgetDeleted(key, revision);
    for (const { key, revision, type } of batch) {
      this.#index.set(key, revision, type === 'delete');
      this.#revision = revision;
    }
  }

  /** Handles a failed commit, which has removed nothing. */
  trimFailed(): void {
    this.#compactedRevision = this.#log.compactedRevision;
  }

  /**
   * The next slice of compaction towards a revision, if any: superseded entries, except those that a list, or a watch that has
   * caught up to `stillRead`, has yet to read. From here on no new reader may start below it.
   */
  nextTrim(target: number, stillRead: number): Trim | undefined {
    const from = this.#compactedRevision + 1;
    const slice = Math.min(this.#compactedRevision + COMPACTION_SLICE, target);
    const to = Math.min(slice, stillRead, ...[...this.#lists].map((list) => list.at));
    if (to < from) return undefined;
    const revisions: number[] = [];
    const deletions: LogEntry[] = [];
    for (const entry of this.#log.entries(from, to)) {
      if (entry.previousRevision > 0) revisions.push(entry.previousRevision);
      if (entry.type === 'delete') {
        revisions.push(entry.revision);
        deletions.push(entry);
      }
    }
    this.#compactedRevision = to;
    return { compactedRevision: to, revisions, deletions };
  }
}
