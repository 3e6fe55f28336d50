/**
 * A worst-case remote store: every call takes turns of the event loop in both directions; watches get few events at a
 * time, late, and progress only on request; connections break, the server stops responding, and history is
 * compacted under clients that are behind. Several clients may share one server.
 */
import { DeadlineError, withDeadline } from '../../../client/deadline.ts';
import {
  CALL_LIMIT_MS,
  CompactedError,
  ConflictError,
  StoreTimeoutError,
  StoreUnavailableError,
  WatchInterruptedError,
  type CallOptions,
  type ListOptions,
  type ListResult,
  type Store,
  type StoredValue,
  type StoreEvent,
  type WatchBatch,
  type WriteOptions,
} from '../../../control-plane/store/store.ts';

/** Turns of the event loop that a request, and its response, take. */
const LATENCY_TURNS = 2;
const EVENTS_AT_A_TIME = 3;

/** The server: its data, and its current failures. */
export class RemoteServer {
  /** Rejects every call and breaks every watch. */
  #isOffline = false;
  /** Executes requests but never responds. */
  isSilent = false;
  revision = 0;
  compactedRevision = 0;
  /** The event of each revision after the compacted one. */
  readonly #log: StoreEvent[] = [];
  /** The versions of each key, oldest first. */
  readonly #versions = new Map<string, { readonly revision: number; readonly value: Buffer | undefined }[]>();
  readonly streams = new Set<Stream>();

  get isOffline(): boolean {
    return this.#isOffline;
  }

  goOffline(): void {
    this.#isOffline = true;
    this.disconnect();
  }

  comeBack(): void {
    this.#isOffline = false;
    this.isSilent = false;
  }

  /** Breaks every watch. */
  disconnect(): void {
    for (const stream of [...this.streams]) stream.end(new WatchInterruptedError('connection reset'));
  }

  at(key: string, revision: number): StoredValue | undefined {
    const version = this.#versions.get(key)?.findLast((candidate) => candidate.revision <= revision);
    return version?.value && { key, value: version.value, revision: version.revision };
  }

  list(prefix: string, { revision = this.revision, limit = Infinity, after = '', count }: ListOptions): ListResult {
    if (revision < this.compactedRevision) throw new CompactedError(revision, this.compactedRevision);
    const keys = [...this.#versions.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const found = keys.flatMap((key) => this.at(key, revision) ?? []);
    const items = found.slice(0, limit);
    const remaining = found.length - items.length;
    const shown = Math.min(revision, this.revision);
    return { items, revision: shown, more: remaining > 0, ...(count && { remaining }) };
  }

  write(key: string, value: Buffer | undefined, expected: number | undefined): number {
    const current = this.at(key, this.revision);
    const isExpected = expected === undefined || expected === (current?.revision ?? 0);
    if (!isExpected || (!value && !current)) throw new ConflictError(key, current, this.revision);
    const revision = ++this.revision;
    const versions = this.#versions.get(key) ?? [];
    versions.push({ revision, value });
    this.#versions.set(key, versions);
    const previous = current && { previous: current.value };
    this.#log.push(
      value
        ? { type: 'put', key, revision, value, ...previous }
        : { type: 'delete', key, revision, value: current?.value ?? Buffer.alloc(0), ...previous },
    );
    for (const stream of this.streams) stream.wake();
    return revision;
  }

  /** The next events after a revision; when there are none, the second value is the revision searched up to. */
  eventsAfter(position: number, prefix: string): readonly StoreEvent[] {
    if (position < this.compactedRevision) throw new CompactedError(position, this.compactedRevision);
    const events: StoreEvent[] = [];
    for (let at = position - this.compactedRevision; at < this.#log.length; at++) {
      const event = this.#log[at];
      if (event?.key.startsWith(prefix)) events.push(event);
      if (events.length === EVENTS_AT_A_TIME) break;
    }
    return events;
  }

  compact(revision: number): void {
    if (revision <= this.compactedRevision) return;
    this.#log.splice(0, revision - this.compactedRevision);
    this.compactedRevision = revision;
    for (const [key, versions] of this.#versions) {
      const oldest = versions.findLastIndex((version) => version.revision <= revision);
      versions.splice(0, Math.max(0, versions[oldest]?.value ? oldest : oldest + 1));
      if (versions.length === 0) this.#versions.delete(key);
    }
    for (const stream of this.streams) stream.wake();
  }
}

/** The server's side of a watch. */
class Stream {
  readonly #server: RemoteServer;
  readonly #prefix: string;
  #position: number;
  #isAskedForProgress = false;
  #end: { readonly error: Error | undefined } | undefined;
  #wakeUp: (() => void) | undefined;

  constructor(server: RemoteServer, prefix: string, after: number) {
    this.#server = server;
    this.#prefix = prefix;
    this.#position = after;
    server.streams.add(this);
  }

  wake(): void {
    this.#wakeUp?.();
  }

  askForProgress(): void {
    this.#isAskedForProgress = true;
    this.wake();
  }

  /** Fails the watch with the error, or ends it without one. */
  end(error?: Error): void {
    this.#end ??= { error };
    this.#server.streams.delete(this);
    this.wake();
  }

  /** Undefined when the watch has ended. */
  async next(): Promise<WatchBatch | undefined> {
    for (;;) {
      await turns(LATENCY_TURNS);
      if (this.#end?.error) throw this.#end.error;
      if (this.#end) return undefined;
      const batch = this.#server.isSilent ? undefined : this.#nextBatch();
      if (batch) return batch;
      await new Promise<void>((resolve) => (this.#wakeUp = resolve));
    }
  }

  #nextBatch(): WatchBatch | undefined {
    const { revision } = this.#server;
    if (revision < this.#position) return undefined;
    const events = this.#server.eventsAfter(this.#position, this.#prefix);
    this.#position = events.at(-1)?.revision ?? revision;
    if (events.length > 0) return { events, revision: this.#position };
    if (!this.#isAskedForProgress) return undefined;
    this.#isAskedForProgress = false;
    return { events, revision };
  }
}

export class RemoteStore implements Store {
  readonly #server: RemoteServer;
  readonly #limitMs: number;
  readonly #closing = new AbortController();
  readonly #streams = new Set<Stream>();
  #progressRequests = 0;

  constructor(server: RemoteServer, limitMs = CALL_LIMIT_MS) {
    this.#server = server;
    this.#limitMs = limitMs;
  }

  latestRevision(options?: CallOptions): Promise<number> {
    return this.#call('latestRevision', options, () => this.#server.revision);
  }

  get(key: string, options?: CallOptions): Promise<StoredValue | undefined> {
    return this.#call(`get ${key}`, options, () => this.#server.at(key, this.#server.revision));
  }

  list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    return this.#call(`list ${prefix}`, options, () => this.#server.list(prefix, options));
  }

  put(key: string, value: Buffer, options: WriteOptions = {}): Promise<number> {
    return this.#call(`put ${key}`, options, () => this.#server.write(key, value, options.revision));
  }

  delete(key: string, options: WriteOptions = {}): Promise<number> {
    return this.#call(`delete ${key}`, options, () => this.#server.write(key, undefined, options.revision));
  }

  async watch(
    prefix: string,
    afterRevision: number,
    onBatch: (batch: WatchBatch) => void,
    { signal }: CallOptions = {},
  ): Promise<void> {
    if (signal?.aborted) return;
    const askedBefore = this.#progressRequests;
    let stream: Stream;
    try {
      stream = await this.#call(`watch ${prefix}`, { signal }, () => {
        this.#server.eventsAfter(Math.min(afterRevision, this.#server.revision), prefix);
        return new Stream(this.#server, prefix, afterRevision);
      });
    } catch (error) {
      if (signal?.aborted) return;
      throw error;
    }
    this.#streams.add(stream);
    if (this.#progressRequests > askedBefore) stream.askForProgress();
    const stop = (): void => stream.end();
    const lose = (): void => stream.end(new WatchInterruptedError('connection lost'));
    const ping = (): void => void this.#call('ping', {}, () => undefined).catch(lose);
    const heartbeat = setInterval(ping, this.#limitMs / 4);
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted) stop();
    try {
      for (let batch = await stream.next(); batch; batch = await stream.next()) {
        if (signal?.aborted) return;
        onBatch(batch);
      }
    } finally {
      stream.end();
      this.#streams.delete(stream);
      clearInterval(heartbeat);
      signal?.removeEventListener('abort', stop);
    }
  }

  requestProgress(): void {
    this.#progressRequests++;
    for (const stream of this.#streams) stream.askForProgress();
  }

  compact(revision: number, options?: CallOptions): Promise<void> {
    return this.#call('compact', options, () => this.#server.compact(revision));
  }

  async close(): Promise<void> {
    this.#closing.abort(new StoreUnavailableError('the store is closed'));
    for (const stream of this.#streams) stream.end(new WatchInterruptedError('the store is closed'));
  }

  async #call<T>(what: string, { signal }: CallOptions = {}, run: () => T): Promise<T> {
    const until = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    try {
      return await withDeadline({ what, limitMs: this.#limitMs, signal: until }, async () => {
        await turns(LATENCY_TURNS);
        if (this.#server.isOffline) throw new StoreUnavailableError('connection refused');
        const result = run();
        await turns(LATENCY_TURNS);
        if (this.#server.isSilent) await new Promise<never>(() => undefined);
        return result;
      });
    } catch (error) {
      if (error instanceof DeadlineError) throw new StoreTimeoutError(error.message);
      throw error;
    }
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
