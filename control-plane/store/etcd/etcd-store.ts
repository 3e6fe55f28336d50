import { DeadlineError } from '../../../client/deadline.ts';
import type { Logger } from '../../../client/logger.ts';
import {
  CALL_LIMIT_MS,
  CompactedError,
  ConflictError,
  StoreBusyError,
  StoreRefusedError,
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
import { Compactor, type CompactionClock } from './compactor.ts';
import { EndpointError } from './endpoint.ts';
import { prefixRange } from './keys.ts';
import type { Members } from './members.ts';
import {
  METHODS,
  type Compare,
  type KeyValue,
  type LeaseGrantResponse,
  type Method,
  type RangeResponse,
  type RequestOp,
  type ResponseHeader,
  type TxnRequest,
  type TxnResponse,
} from './messages.ts';
import { PendingNotes } from './pending-notes.ts';
import { isLeaseGone } from './rpc-failure.ts';
import { SharedLeases } from './shared-leases.ts';
import { WatchStream } from './watch-stream.ts';

export interface EtcdStoreOptions {
  readonly members: Members;
  /** Whether every member answers requests for progress in order (`progress.ts`). */
  readonly hasProgress: boolean;
  /** What the keys of all objects begin with. */
  readonly root: string;
  /** Milliseconds between compactions; 0: this store never compacts by itself. */
  readonly compactionIntervalMs: number;
  /** Milliseconds that a call may take; default: CALL_LIMIT_MS. */
  readonly callLimitMs?: number;
  readonly logger?: Logger;
}

/** Upstream's: kube-apiservers on the same etcd take turns by it. */
const COMPACTION_KEY = Buffer.from('compact_rev_key');

interface CallKind {
  /** Whether it may be executed twice without harm. */
  readonly repeatable: boolean;
  /** The revision that it asks for. */
  readonly revision?: number | undefined;
}
const READ: CallKind = { repeatable: true };
const WRITE: CallKind = { repeatable: false };

/**
 * The store on etcd: keys and values are etcd's, a revision is etcd's revision. `open-etcd-store.ts` opens one.
 *
 * A compare-and-write is one transaction. A write whose response is lost is never repeated: its result is unknown then, which
 * is a StoreTimeoutError.
 */
export class EtcdStore implements Store {
  readonly expires = true;
  readonly #members: Members;
  readonly #hasProgress: boolean;
  /** A key that nobody writes: reading it tells the latest revision. Upstream's health check reads it, too. */
  readonly #healthKey: Buffer;
  readonly #limitMs: number;
  readonly #closing = new AbortController();
  readonly #watches = new Set<WatchStream>();
  readonly #notes = new PendingNotes();
  readonly #leases = new SharedLeases((seconds) => this.#grantLease(seconds));
  readonly #compactor: Compactor | undefined;
  /** Readers of the latest revision share requests: one that has not been sent yet serves all who have asked meanwhile. */
  #reading: Promise<number> | undefined;
  #nextReading: Promise<number> | undefined;

  constructor({ members, hasProgress, root, compactionIntervalMs, callLimitMs, logger }: EtcdStoreOptions) {
    this.#members = members;
    this.#hasProgress = hasProgress;
    this.#healthKey = Buffer.from(`${root}health`);
    this.#limitMs = callLimitMs ?? CALL_LIMIT_MS;
    if (compactionIntervalMs > 0) {
      this.#compactor = new Compactor({
        intervalMs: compactionIntervalMs,
        advance: (expected) => this.#advanceClock(expected),
        compact: (revision) => this.compact(revision),
        logger,
      });
    }
  }

  /** For whoever keeps them up to date. */
  get members(): Members {
    return this.#members;
  }

  latestRevision({ signal }: CallOptions = {}): Promise<number> {
    if (signal) return this.#readRevision(signal);
    if (!this.#reading) return this.#startReading();
    return (this.#nextReading ??= this.#reading.then(
      () => this.#startReading(),
      () => this.#startReading(),
    ));
  }

  #startReading(): Promise<number> {
    this.#nextReading = undefined;
    const reading = this.#readRevision(undefined);
    this.#reading = reading;
    const done = (): void => {
      if (this.#reading === reading) this.#reading = undefined;
    };
    reading.then(done, done);
    return reading;
  }

  async #readRevision(signal: AbortSignal | undefined): Promise<number> {
    const request = { key: this.#healthKey, countOnly: true };
    const { header } = await this.#call<RangeResponse>(METHODS.range, request, READ, signal);
    return Number(header.revision);
  }

  async get(key: string, { signal }: CallOptions = {}): Promise<StoredValue | undefined> {
    const { kvs } = await this.#call<RangeResponse>(METHODS.range, { key: Buffer.from(key) }, READ, signal);
    return kvs[0] && storedValue(kvs[0]);
  }

  async list(prefix: string, { revision, limit, after, count, signal }: ListOptions = {}): Promise<ListResult> {
    const request = { ...prefixRange(prefix, after), ...(limit && { limit }), ...(revision && { revision }) };
    const kind = { ...READ, revision };
    const found = await this.#call<RangeResponse>(METHODS.range, request, kind, signal);
    const items = found.kvs.map(storedValue);
    return {
      items,
      revision: revision ?? Number(found.header.revision),
      more: found.more,
      ...(count && { remaining: Number(found.count) - items.length }),
    };
  }

  async put(key: string, value: Buffer, options: WriteOptions = {}): Promise<number> {
    const { note } = options;
    if (note) this.#notes.add(key, value, note);
    try {
      return await this.#put(key, value, options);
    } catch (error) {
      if (note) this.#notes.drop(key, note);
      throw error;
    }
  }

  async #put(key: string, value: Buffer, { revision, ttlMs, ...call }: WriteOptions): Promise<number> {
    const name = Buffer.from(key);
    const write = async (): Promise<number> => {
      const lease = ttlMs === undefined ? undefined : await this.#leases.of(ttlMs);
      const put = { requestPut: { key: name, value, ...(lease !== undefined && { lease }) } };
      return this.#write(key, revision === undefined ? [] : [isAt(name, revision)], put, call);
    };
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof StoreRefusedError && isLeaseGone(error.message))) throw error;
      this.#leases.forget();
      return write();
    }
  }

  delete(key: string, { revision, ...call }: WriteOptions = {}): Promise<number> {
    const name = Buffer.from(key);
    const isThere: Compare = { result: 'GREATER', target: 'VERSION', key: name, version: 0 };
    const compare = revision ? isAt(name, revision) : isThere;
    return this.#write(key, [compare], { requestDeleteRange: { key: name } }, call);
  }

  async #write(
    key: string,
    compare: readonly Compare[],
    operation: RequestOp,
    { signal, traceparent }: CallOptions,
  ): Promise<number> {
    const read: RequestOp = { requestRange: { key: Buffer.from(key) } };
    const request: TxnRequest = { compare, success: [operation], failure: [read] };
    const { header, succeeded, responses } = await this.#call<TxnResponse>(
      ...([METHODS.txn, request, WRITE, signal, traceparent] as const),
    );
    const revision = Number(header.revision);
    if (succeeded) return revision;
    const current = responses[0]?.responseRange?.kvs[0];
    throw new ConflictError(key, current && storedValue(current), revision);
  }

  async watch(
    prefix: string,
    afterRevision: number,
    onBatch: (batch: WatchBatch) => void,
    { signal }: CallOptions = {},
  ): Promise<void> {
    if (signal?.aborted) return;
    this.#mustBeOpen();
    const watch = new WatchStream(this.#members, {
      prefix,
      after: afterRevision,
      onBatch,
      notes: this.#notes,
      hasProgress: this.#hasProgress,
      limitMs: this.#limitMs,
    });
    this.#watches.add(watch);
    try {
      await watch.run(signal);
    } finally {
      this.#watches.delete(watch);
    }
  }

  requestProgress(): void {
    for (const watch of this.#watches) watch.requestProgress();
  }

  async compact(revision: number, { signal }: CallOptions = {}): Promise<void> {
    try {
      await this.#call(METHODS.compact, { revision }, { ...READ, revision }, signal);
    } catch (error) {
      // It was before.
      if (!(error instanceof CompactedError)) throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#compactor?.[Symbol.dispose]();
    this.#closing.abort(new StoreUnavailableError('the store is closed'));
    for (const watch of this.#watches) watch.close();
    this.#members.close();
  }

  async #grantLease(seconds: number): Promise<string> {
    const granted = await this.#call<LeaseGrantResponse>(METHODS.grantLease, { TTL: seconds }, READ, undefined);
    return granted.ID;
  }

  async #advanceClock(expected: CompactionClock): Promise<{ won: boolean; clock: CompactionClock }> {
    const latest = await this.latestRevision();
    const request: TxnRequest = {
      compare: [{ result: 'EQUAL', target: 'VERSION', key: COMPACTION_KEY, version: expected.version }],
      success: [{ requestPut: { key: COMPACTION_KEY, value: Buffer.from(String(latest)) } }],
      failure: [{ requestRange: { key: COMPACTION_KEY } }],
    };
    const { header, succeeded, responses } = await this.#call<TxnResponse>(METHODS.txn, request, WRITE, undefined);
    const revision = Number(header.revision);
    if (succeeded) return { won: true, clock: { version: String(BigInt(expected.version) + 1n), revision } };
    const version = responses[0]?.responseRange?.kvs[0]?.version ?? '0';
    return { won: false, clock: { version, revision } };
  }

  #mustBeOpen(): void {
    if (this.#closing.signal.aborted) throw new StoreUnavailableError('the store is closed');
  }

  /** Calls etcd, and says failures in the words of the contract. */
  async #call<T extends { readonly header: ResponseHeader }>(
    method: Method,
    request: object,
    { repeatable, revision }: CallKind,
    signal: AbortSignal | undefined,
    traceparent?: string,
  ): Promise<T> {
    this.#mustBeOpen();
    signal?.throwIfAborted();
    const until = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    try {
      return await this.#members.call<T>(method, request, {
        ...{ limitMs: this.#limitMs, signal: until, repeatable, traceparent },
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (this.#closing.signal.aborted) throw new StoreUnavailableError('the store is closed');
      if (error instanceof DeadlineError) throw new StoreTimeoutError(error.message);
      throw error instanceof EndpointError ? storeError(error, repeatable, revision) : error;
    }
  }
}

function storeError(error: EndpointError, repeatable: boolean, revision: number | undefined): Error {
  switch (error.kind) {
    case 'compacted':
      return new CompactedError(revision ?? 0);
    case 'refused':
      return new StoreRefusedError(error.details, { cause: error });
    case 'busy':
      return new StoreBusyError(error.details, { cause: error });
    case 'unsent':
      return new StoreUnavailableError(error.message, { cause: error });
    case 'lost':
      if (error.isSilent || !repeatable) return new StoreTimeoutError(error.message, { cause: error });
      return new StoreUnavailableError(error.message, { cause: error });
  }
}

/** The key's value is of this revision; 0: there is none. */
const isAt = (key: Buffer, revision: number): Compare => ({
  result: 'EQUAL',
  target: 'MOD',
  key,
  modRevision: revision,
});

const storedValue = ({ key, value, modRevision }: KeyValue): StoredValue => ({
  key: key.toString(),
  value,
  revision: Number(modRevision),
});
