import type { Logger } from '../../../client/logger.ts';
import { CompactionSchedule, type CompactionPolicy } from './compaction-schedule.ts';
import { openDataDirectory, type DataDirectory } from './data-directory.ts';
import { eventOf } from './log-event.ts';
import { MAX_KEY_BYTES, type FileUsage, type NewLogEntry } from './revision-log.ts';
import { StoredState, type Trim } from './stored-state.ts';
import {
  CALL_LIMIT_MS,
  ConflictError,
  StoreTimeoutError,
  StoreUnavailableError,
  type CallOptions,
  type ListOptions,
  type ListResult,
  type Store,
  type StoredValue,
  type WatchBatch,
  type WriteOptions,
} from '../store.ts';
import { WatchHub } from './watch-hub.ts';

export interface EmbeddedStoreOptions {
  /** The directory of the store; made when it is not there. One server at a time. */
  readonly path: string;
  readonly logger?: Logger;
  /** How much history is kept; `false`: all of it, until `compact` is called. */
  readonly compaction?: CompactionPolicy | false;
  /** When the data file is made anew without its free pages: from this length on, when no more than this part is in use. */
  readonly fileCompaction?: { readonly fromBytes: number; readonly maxUse: number };
  /** How long a write waits for the disk; CALL_LIMIT_MS when absent. */
  readonly callLimitMs?: number;
}

/** Bytes of values in one commit at most, so that a flood of large writes does not become one commit of gigabytes. */
const MAX_COMMIT_BYTES = 16 * 2 ** 20;
const FILE_COMPACTION = { fromBytes: 64 * 2 ** 20, maxUse: 0.4 };
/** Writes wait while a file is made anew, some 5 ms for each MB that is in use: no longer than for this much. */
const MAX_COPY_BYTES = 256 * 2 ** 20;
/** After a commit that failed, how long writes are refused before the files are touched again. */
const RETRY_AFTER_MS = 1000;

interface PendingWrite extends NewLogEntry {
  /** What watchers are shown: the value written, or for a delete the value that it takes away. */
  readonly eventValue: Buffer;
  readonly note: object | undefined;
  readonly done: PromiseWithResolvers<number>;
}

interface Compaction {
  readonly target: number;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Opens the store of a directory. Throws StoreUnavailableError with a sentence for the operator when another process has it
 * open, or when its data file is damaged, cut short or gone.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const directory = await openDataDirectory(options.path);
  try {
    return new EmbeddedStore(directory, options);
  } catch (error) {
    await directory.close(directory.log);
    throw directory.damaged(error);
  }
}

/**
 * The store on LMDB. Each write is one entry of a revision log; the keys with their latest revisions are held in memory, the
 * values are not.
 *
 * A write is checked at once against the latest write asked for, be it on disk or not, gets its revision, and joins the
 * next commit; one commit runs at a time, so writers that come meanwhile share the one after it. Nothing of a write shows
 * (get, list, watch, `revision`) until its commit is on disk: what a reader has seen no crash takes back. When a commit
 * fails, it and everything that was checked against it is rejected, and memory is again what is on disk.
 *
 * A value handed to `put` must not be changed afterwards: its bytes go to the disk, and on to the watchers, as they are.
 */
export class EmbeddedStore implements Store {
  readonly #directory: DataDirectory;
  readonly #logger: Logger | undefined;
  readonly #schedule: CompactionSchedule | undefined;
  readonly #fileCompaction: typeof FILE_COMPACTION;
  readonly #callLimitMs: number;
  readonly #watchers: WatchHub;
  readonly #state: StoredState;
  /** The latest writes that are not on disk yet, by key. */
  readonly #pending = new Map<string, PendingWrite>();
  #queue: PendingWrite[] = [];
  #lastAssigned: number;
  #compaction: Compaction | undefined;
  #busy = false;
  #worked: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;
  /** Set while writes fail. */
  #failure: { readonly error: StoreUnavailableError; readonly retryAt: number } | undefined;
  #commits = 0;
  /** The file is to be made anew before the next commit. */
  #wasteful = false;

  constructor(directory: DataDirectory, options: EmbeddedStoreOptions) {
    this.#directory = directory;
    this.#logger = options.logger;
    this.#state = new StoredState(directory.log);
    this.#lastAssigned = this.#state.revision;
    this.#fileCompaction = options.fileCompaction ?? FILE_COMPACTION;
    this.#callLimitMs = options.callLimitMs ?? CALL_LIMIT_MS;
    this.#watchers = new WatchHub(
      this.#state.revision,
      (from, to, prefix) => this.#state.eventsOf(from, to, prefix),
      this.#logger,
    );
    if (options.compaction !== false) {
      this.#schedule = new CompactionSchedule(
        options.compaction ?? {},
        (revision) => this.compact(revision),
        (error) => this.#logger?.warn({ err: error }, 'failed to compact history, retrying later'),
      );
      this.#schedule.wrote(this.#state.revision, this.#state.compactedRevision);
    }
  }

  /** The latest revision that is on disk. */
  get revision(): number {
    return this.#state.revision;
  }

  latestRevision(): number {
    return this.#state.revision;
  }

  /** The oldest revision that can still be listed or watched from. */
  get compactedRevision(): number {
    return this.#state.compactedRevision;
  }

  /** How many commits there have been since the store was opened: a commit is a flush. */
  get commits(): number {
    return this.#commits;
  }

  /** The file that is mapped. */
  get dataFile(): string {
    return this.#directory.dataFile;
  }

  async get(key: string, { signal }: CallOptions = {}): Promise<StoredValue | undefined> {
    this.#mustBeOpen();
    signal?.throwIfAborted();
    return this.#state.get(key);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    this.#mustBeOpen();
    options.signal?.throwIfAborted();
    return this.#state.list(prefix, options);
  }

  put(key: string, value: Buffer, options?: WriteOptions): Promise<number> {
    return this.#write('put', key, value, options);
  }

  delete(key: string, options?: WriteOptions): Promise<number> {
    return this.#write('delete', key, undefined, options);
  }

  async watch(
    prefix: string,
    afterRevision: number,
    onBatch: (batch: WatchBatch) => void,
    { signal }: CallOptions = {},
  ): Promise<void> {
    this.#mustBeOpen();
    this.#state.mustHaveSince(afterRevision);
    await this.#watchers.watch(prefix, afterRevision, onBatch, signal);
  }

  requestProgress(): void {
    this.#watchers.tellProgress();
  }

  /** A revision that does not exist yet is refused with a RangeError; one that is compacted already is fine. */
  async compact(revision: number, { signal }: CallOptions = {}): Promise<void> {
    this.#mustBeOpen();
    if (revision > this.#state.revision)
      throw new RangeError(`revision ${revision} is in the future; the latest is ${this.#state.revision}`);
    while (this.#state.compactedRevision < revision) {
      this.#mustBeOpen();
      this.#compaction ??= { target: revision, done: Promise.withResolvers() };
      const current = this.#compaction;
      this.#work();
      await unlessAborted(current.done.promise, signal);
    }
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#schedule?.stop();
    await this.#worked;
    this.#watchers.close();
    await this.#state.listsRead();
    await this.#directory.close(this.#state.log);
  }

  /** Everything up to the queue happens in the caller's turn: this is what makes concurrent compare-and-writes exact. */
  async #write(
    type: 'put' | 'delete',
    key: string,
    value: Buffer | undefined,
    { revision: expected, signal, note }: WriteOptions = {},
  ): Promise<number> {
    this.#mustBeOpen();
    signal?.throwIfAborted();
    if (key === '' || Buffer.byteLength(key) > MAX_KEY_BYTES) {
      throw new RangeError(`a key must have 1 to ${MAX_KEY_BYTES} bytes, not ${Buffer.byteLength(key)}`);
    }
    const pending = this.#pending.get(key);
    const previous = pending
      ? { revision: pending.revision, deleted: pending.type === 'delete' }
      : this.#state.entry(key);
    const current = previous && !previous.deleted ? previous.revision : 0;
    if ((expected !== undefined && expected !== current) || (type === 'delete' && current === 0)) {
      // What stands in the way may itself not be on disk: then this is a conflict only if it gets there.
      if (pending) await unlessAborted(pending.done.promise, signal);
      if (current === 0) throw new ConflictError(key, undefined, this.#state.revision);
      const value = pending?.value ?? this.#state.valueOf(current);
      throw new ConflictError(key, { key, revision: current, value }, this.#state.revision);
    }
    const eventValue = value ?? pending?.value ?? this.#state.valueOf(current);
    const write: PendingWrite = {
      revision: ++this.#lastAssigned,
      type,
      key,
      previousRevision: previous?.revision ?? 0,
      replaces: current > 0,
      value,
      eventValue,
      note,
      done: Promise.withResolvers(),
    };
    this.#pending.set(key, write);
    this.#queue.push(write);
    this.#work();
    return unlessAborted(write.done.promise, signal);
  }

  #work(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#worked = this.#workOff();
  }

  /** Runs while there is anything to commit. Never rejects: each failure goes to those whose work it was. */
  async #workOff(): Promise<void> {
    while (this.#queue.length > 0 || this.#compaction || this.#wasteful) {
      await nextTurn(); // all who write in this turn of the event loop share the commit
      if (this.#wasteful) await this.#compactFile();
      const batch = this.#takeBatch();
      const refusal = await this.#refusal(batch);
      if (refusal) {
        this.#rejectAll(refusal, batch);
        continue;
      }
      const trim = this.#nextTrim();
      if (batch.length === 0 && !trim) continue;
      try {
        await this.#commitInTime(batch, trim);
      } catch (error) {
        await this.#commitFailed(batch, error);
        continue;
      }
      this.#committed(batch, trim);
    }
    this.#busy = false;
  }

  /** The disk takes as long as it takes; those who wait for it are told in time, and the commit goes on. */
  async #commitInTime(batch: readonly PendingWrite[], trim: Trim | undefined): Promise<void> {
    const overdue = setInterval(() => this.#overdue(batch), this.#callLimitMs);
    try {
      await this.#state.log.commit(batch, trim);
    } finally {
      clearInterval(overdue);
    }
  }

  #overdue(batch: readonly PendingWrite[]): void {
    const slow = `the disk of ${this.#directory.path} has not finished a write within ${this.#callLimitMs} ms`;
    for (const write of batch) write.done.reject(new StoreTimeoutError(`${slow}; whether it takes place is unknown`));
    // Nothing of what waits behind that commit has been handed to the disk.
    this.#rejectQueue(this.#failing(new StoreUnavailableError(slow), undefined, 0), batch);
  }

  #takeBatch(): PendingWrite[] {
    let bytes = 0;
    let count = 0;
    for (const write of this.#queue) {
      bytes += write.value?.length ?? 0;
      if (count > 0 && bytes > MAX_COMMIT_BYTES) break;
      count++;
    }
    if (count === this.#queue.length) {
      const all = this.#queue;
      this.#queue = [];
      return all;
    }
    return this.#queue.splice(0, count);
  }

  #committed(batch: readonly PendingWrite[], trim: Trim | undefined): void {
    this.#commits++;
    if (this.#failure) {
      this.#failure = undefined;
      this.#logger?.info({ path: this.#directory.path }, 'store is writable again');
    }
    this.#state.committed(batch, trim);
    if (this.#compaction && this.#state.compactedRevision >= this.#compaction.target) {
      this.#compaction.done.resolve();
      this.#compaction = undefined;
      this.#wasteful = isWasteful(this.#state.log.usage, this.#fileCompaction);
    }
    if (batch.length === 0) return;
    for (const write of batch) if (this.#pending.get(write.key) === write) this.#pending.delete(write.key);
    for (const write of batch) write.done.resolve(write.revision);
    const events = this.#watchers.any
      ? batch.map((write) => eventOf(write, write.eventValue, this.#state.valueOf, write.note))
      : [];
    this.#watchers.publish(events, this.#state.revision);
    this.#schedule?.wrote(this.#state.revision, this.#state.compactedRevision);
  }

  async #compactFile(): Promise<void> {
    this.#wasteful = false;
    const before = this.#state.log;
    try {
      const { bytes } = before.usage;
      const log = await this.#directory.compact(before);
      this.#state.moveTo(log);
      await before.close();
      this.#logger?.info({ path: this.#directory.path, bytes, now: log.usage.bytes }, 'store file compacted');
    } catch (error) {
      this.#logger?.warn({ err: error, path: this.#directory.path }, 'failed to compact store file');
    }
  }

  /** Why these writes had better not be tried, if so: what LMDB does not begin cannot fail half-way. */
  async #refusal(batch: readonly PendingWrite[]): Promise<StoreUnavailableError | undefined> {
    const bytes = batch.reduce((sum, write) => sum + (write.value?.length ?? 0), 0);
    const full = this.#directory.fullFor(bytes);
    if (full) return this.#failing(full, undefined, 0);
    if (!this.#failure) return undefined;
    if (performance.now() < this.#failure.retryAt) return this.#failure.error;
    const error = await this.#directory.tryWrite();
    return error && this.#failing(error, undefined, RETRY_AFTER_MS);
  }

  #failing(error: StoreUnavailableError, cause: unknown, retryAfterMs: number): StoreUnavailableError {
    if (!this.#failure) this.#logger?.error({ err: cause, path: this.#directory.path }, error.message);
    this.#failure = { error, retryAt: performance.now() + retryAfterMs };
    return error;
  }

  async #commitFailed(batch: readonly PendingWrite[], cause: unknown): Promise<void> {
    const error = this.#failing(this.#directory.failure(cause), cause, RETRY_AFTER_MS);
    try {
      this.#state.log.probe();
      this.#state.trimFailed();
    } catch (probeError) {
      // LMDB refuses everything once it could not undo a commit: what is on disk has to be read afresh.
      this.#logger?.warn({ err: probeError, path: this.#directory.path }, 'reopening store');
      await this.#reopen();
    }
    this.#rejectAll(error, batch);
  }

  async #reopen(): Promise<void> {
    const before = this.#state.revision;
    try {
      this.#state.reload(await this.#directory.reopen(this.#state.log));
      this.#lastAssigned = this.#state.revision;
    } catch (error) {
      this.#logger?.error({ err: error, path: this.#directory.path }, 'failed to reopen store');
      return;
    }
    // A commit that failed on its very last step may be there after all; then it is there for everyone.
    const { revision } = this.#state;
    this.#watchers.publish([...this.#state.eventsOf(before + 1, revision, '')], revision);
  }

  #rejectAll(error: StoreUnavailableError, batch: readonly PendingWrite[] = []): void {
    for (const write of batch) write.done.reject(error);
    this.#rejectQueue(error, []);
  }

  /** Gives up what has not been handed to the disk, as if it had never been asked for; `begun` is with the disk. */
  #rejectQueue(error: StoreUnavailableError, begun: readonly PendingWrite[]): void {
    const queued = this.#queue;
    this.#queue = [];
    this.#pending.clear();
    for (const write of begun) this.#pending.set(write.key, write);
    this.#lastAssigned = begun.at(-1)?.revision ?? this.#state.revision;
    this.#compaction?.done.reject(error);
    this.#compaction = undefined;
    for (const write of queued) write.done.reject(error);
  }

  #nextTrim(): Trim | undefined {
    if (!this.#compaction) return undefined;
    try {
      return this.#state.nextTrim(this.#compaction.target, this.#watchers.lowestCatchUp);
    } catch (error) {
      this.#compaction.done.reject(error);
      this.#compaction = undefined;
      return undefined;
    }
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new StoreUnavailableError(`the store in ${this.#directory.path} is closed`);
  }
}

const isWasteful = ({ bytes, usedBytes }: FileUsage, { fromBytes, maxUse }: typeof FILE_COMPACTION): boolean =>
  bytes >= fromBytes && usedBytes <= bytes * maxUse && usedBytes <= MAX_COPY_BYTES;

/** Settles as the promise does, or rejects with the signal's reason as soon as it is aborted. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
