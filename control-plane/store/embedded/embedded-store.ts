import type { Logger } from '../../../client/logger.ts';
import { CompactionSchedule, type CompactionPolicy } from './compaction-schedule.ts';
import { openDataDirectory, type DataDirectory } from './data-directory.ts';
import { eventOf } from './log-event.ts';
import { MAX_KEY_BYTES, type FileUsage } from './revision-log.ts';
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
import { WriteQueue, type PendingWrite } from './write-queue.ts';

export interface EmbeddedStoreOptions {
  /** The store's directory, created when missing. Only one process can open it. */
  readonly path: string;
  readonly logger?: Logger;
  /** How much history to keep; `false`: all of it, until `compact` is called. */
  readonly compaction?: CompactionPolicy | false;
  /** When to rewrite the data file without its free pages: from this size on, with at most this fraction in use. */
  readonly fileCompaction?: { readonly fromBytes: number; readonly maxUse: number };
  /** Milliseconds that a write waits for the disk; default: CALL_LIMIT_MS. */
  readonly callLimitMs?: number;
  /** A new store begins after this revision, as if all before had been compacted; of no effect on one that has a revision. */
  readonly startRevision?: number;
}

const FILE_COMPACTION = { fromBytes: 64 * 2 ** 20, maxUse: 0.4 };
/** The most used bytes for which the file is rewritten, since writes wait meanwhile: some 5 ms per MB. */
const MAX_COPY_BYTES = 256 * 2 ** 20;
/** Backoff after a failed commit, while writes are rejected without touching the disk. */
const RETRY_AFTER_MS = 1000;

interface Compaction {
  readonly target: number;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Opens the store in a directory. Throws StoreUnavailableError, with a message for the operator, when another process has
 * it open or its data file is damaged, truncated or missing.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const directory = await openDataDirectory(options.path);
  try {
    const { startRevision = 0 } = options;
    if (startRevision > 0 && directory.log.lastRevision === 0)
      await directory.log.commit([], { compactedRevision: startRevision, revisions: [] });
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
 * A write is checked against the latest requested write of its key, committed or pending, gets its revision, and joins the next
 * commit. One commit runs at a time, so writes requested meanwhile share the next one. A write becomes visible (get, list,
 * watch, `revision`) only when its commit is on disk: no crash takes back what a reader has seen. When a commit fails, its
 * writes and all that were checked against them are rejected, and memory is rolled back to the state on disk.
 *
 * The Buffer passed to `put` must not be changed afterwards: the store does not copy it.
 */
export class EmbeddedStore implements Store {
  readonly #directory: DataDirectory;
  readonly #logger: Logger | undefined;
  readonly #schedule: CompactionSchedule | undefined;
  readonly #fileCompaction: typeof FILE_COMPACTION;
  readonly #callLimitMs: number;
  readonly #watchers: WatchHub;
  readonly #state: StoredState;
  readonly #queue: WriteQueue;
  #compaction: Compaction | undefined;
  #busy = false;
  #worked: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;
  /** Set while writes fail. */
  #failure: { readonly error: StoreUnavailableError; readonly retryAt: number } | undefined;
  #commits = 0;
  /** Rewrite the file before the next commit. */
  #wasteful = false;

  constructor(directory: DataDirectory, options: EmbeddedStoreOptions) {
    this.#directory = directory;
    this.#logger = options.logger;
    this.#state = new StoredState(directory.log);
    this.#queue = new WriteQueue(this.#state.revision);
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

  /** The latest revision on disk. */
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

  /** Commits, that is flushes, since the store was opened. */
  get commits(): number {
    return this.#commits;
  }

  /** The memory-mapped file. */
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
    this.#watchers.notifyProgress();
  }

  /** Throws RangeError for a future revision; does nothing when the revision is compacted already. */
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

  /** Runs synchronously until the write is queued: this makes concurrent compare-and-write operations exact. */
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
    const pending = this.#queue.latest(key);
    const previous = pending
      ? { revision: pending.revision, deleted: pending.type === 'delete' }
      : this.#state.entry(key);
    const current = previous && !previous.deleted ? previous.revision : 0;
    if ((expected !== undefined && expected !== current) || (type === 'delete' && current === 0)) {
      // The conflicting write may be pending: it is a conflict only if that write is committed.
      if (pending) await unlessAborted(pending.done.promise, signal);
      if (current === 0) throw new ConflictError(key, undefined, this.#state.revision);
      const value = pending?.value ?? this.#state.valueOf(current);
      throw new ConflictError(key, { key, revision: current, value }, this.#state.revision);
    }
    const eventValue = value ?? pending?.value ?? this.#state.valueOf(current);
    const previousRevision = previous?.revision ?? 0;
    const write = this.#queue.add({ type, key, previousRevision, replaces: current > 0, value, eventValue, note });
    this.#work();
    return unlessAborted(write.done.promise, signal);
  }

  #work(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#worked = this.#workOff();
  }

  /** Runs while there is work. Never rejects: each failure is reported to the callers concerned. */
  async #workOff(): Promise<void> {
    while (!this.#queue.isEmpty || this.#compaction || this.#wasteful) {
      await nextTurn(); // all writes of this event-loop turn share the commit
      if (this.#wasteful) await this.#compactFile();
      const batch = this.#queue.takeBatch();
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

  /** Commits take as long as the disk takes; waiting callers time out, and the commit continues. */
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
    // None of the writes queued behind that commit has been passed to LMDB.
    this.#rejectQueue(this.#failing(new StoreUnavailableError(slow), 0), batch);
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
    this.#queue.committed(batch);
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

  /** Returns why these writes must be refused: a commit that LMDB never begins cannot fail halfway. */
  async #refusal(batch: readonly PendingWrite[]): Promise<StoreUnavailableError | undefined> {
    const bytes = batch.reduce((sum, write) => sum + (write.value?.length ?? 0), 0);
    const full = this.#directory.fullFor(bytes);
    if (full) return this.#failing(full, 0);
    if (!this.#failure) return undefined;
    if (performance.now() < this.#failure.retryAt) return this.#failure.error;
    const error = await this.#directory.tryWrite();
    return error && this.#failing(error, RETRY_AFTER_MS);
  }

  #failing(error: StoreUnavailableError, retryAfterMs: number): StoreUnavailableError {
    if (!this.#failure) this.#logger?.error({ err: error, path: this.#directory.path }, 'store refuses writes');
    this.#failure = { error, retryAt: performance.now() + retryAfterMs };
    return error;
  }

  async #commitFailed(batch: readonly PendingWrite[], cause: unknown): Promise<void> {
    const error = this.#failing(this.#directory.failure(cause), RETRY_AFTER_MS);
    try {
      this.#state.log.probe();
      this.#state.trimFailed();
    } catch (probeError) {
      // LMDB refuses all further operations when it could not roll back a commit: reopen and reload from disk.
      this.#logger?.warn({ err: probeError, path: this.#directory.path }, 'reopening store');
      await this.#reopen();
    }
    this.#rejectAll(error, batch);
  }

  async #reopen(): Promise<void> {
    const before = this.#state.revision;
    try {
      this.#state.reload(await this.#directory.reopen(this.#state.log));
    } catch (error) {
      this.#logger?.error({ err: error, path: this.#directory.path }, 'failed to reopen store');
      return;
    }
    // A commit that failed on its very last step may be on disk after all; then it becomes visible.
    const { revision } = this.#state;
    this.#watchers.publish([...this.#state.eventsOf(before + 1, revision, '')], revision);
  }

  #rejectAll(error: StoreUnavailableError, batch: readonly PendingWrite[] = []): void {
    for (const write of batch) write.done.reject(error);
    this.#rejectQueue(error, []);
  }

  /** Rolls back all writes except those of the commit in flight (`begun`). */
  #rejectQueue(error: StoreUnavailableError, begun: readonly PendingWrite[]): void {
    this.#compaction?.done.reject(error);
    this.#compaction = undefined;
    this.#queue.rollBack(error, this.#state.revision, begun);
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
