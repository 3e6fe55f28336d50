/** One watch, on a stream of its own. */
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import { withDeadline } from '../../../client/deadline.ts';
import { CompactedError, WatchInterruptedError, type StoreEvent, type WatchBatch } from '../store.ts';
import { ALL_KEYS, prefixRange } from './keys.ts';
import type { Members } from './members.ts';
import type { WatchRequest, WatchResponse } from './messages.ts';
import type { PendingNotes } from './pending-notes.ts';

/** etcd does not answer a request for progress while it sends events of the past: it is asked again. */
const ASK_AGAIN_MS = 100;

export interface WatchTarget {
  readonly prefix: string;
  /** Events up to this revision are not delivered. */
  readonly after: number;
  readonly onBatch: (batch: WatchBatch) => void;
  readonly notes: PendingNotes;
  /** Whether answers to requests for progress can be believed (`progress.ts`). */
  readonly hasProgress: boolean;
  /** Milliseconds within which etcd has to confirm the watch. */
  readonly limitMs: number;
}

export class WatchStream {
  readonly #target: WatchTarget;
  readonly #stream: ClientDuplexStream<WatchRequest, WatchResponse>;
  readonly #check: (response: WatchResponse) => void;
  readonly #created = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #isOver = false;
  #position: number;
  /** A revision of progress is awaited from here on. */
  #asksProgress = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(members: Members, target: WatchTarget) {
    this.#target = target;
    this.#position = target.after;
    const { stream, endpoint, check } = members.stream();
    this.#stream = stream;
    this.#check = ({ header }) => check(header);
    stream.on('data', (response: WatchResponse) => this.#guard(() => this.#receive(response)));
    stream.on('error', (error: ServiceError) => {
      if (!this.#isOver) members.leave(endpoint);
      this.#end(new WatchInterruptedError(endpoint.failure(error).message));
    });
    stream.on('end', () => this.#end(new WatchInterruptedError(`etcd at ${endpoint.url} has ended the watch`)));
  }

  /** Settles as `Store.watch` does. */
  async run(signal: AbortSignal | undefined): Promise<void> {
    const { prefix, after, hasProgress, limitMs } = this.#target;
    const range = hasProgress ? prefixRange(prefix) : ALL_KEYS;
    const stop = (): void => this.#end();
    signal?.addEventListener('abort', stop, { once: true });
    // The event of `after` itself is asked for: where that has been compacted, so may have been the next one.
    this.#stream.write({ createRequest: { ...range, startRevision: Math.max(after, 1), prevKv: true } });
    // No signal: `stop` ends it.
    withDeadline({ what: 'the watch of etcd', limitMs }, () => this.#created.promise).catch((error: Error) =>
      this.#end(new WatchInterruptedError(error.message)),
    );
    try {
      await this.#ended.promise;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Asks for a batch of the latest revision; where all keys are watched, one comes by itself. */
  requestProgress(): void {
    this.#asksProgress = this.#target.hasProgress && !this.#isOver;
    this.#ask();
  }

  close(): void {
    this.#end(new WatchInterruptedError('the store has been closed'));
  }

  #ask(): void {
    if (!this.#asksProgress) return;
    this.#created.promise
      .then(() => {
        if (!this.#isOver && this.#asksProgress) this.#stream.write({ progressRequest: {} });
      })
      .catch((error: Error) => this.#end(error));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), ASK_AGAIN_MS).unref();
  }

  #receive(response: WatchResponse): void {
    if (this.#isOver) return;
    this.#check(response);
    const { created, canceled, compactRevision, cancelReason, events, header } = response;
    if (canceled) {
      const compacted = Number(compactRevision);
      if (compacted > 0) throw new CompactedError(this.#position, compacted);
      throw new WatchInterruptedError(`etcd has cancelled the watch: ${cancelReason}`);
    }
    if (created) {
      this.#created.resolve();
      // Tells that there is a watch again; nothing has happened since `after` as far as it knows.
      this.#deliver([], this.#position);
      return;
    }
    if (events.length === 0) {
      this.#asksProgress = false;
      if (this.#target.hasProgress) this.#deliver([], Math.max(this.#position, Number(header.revision)));
      return;
    }
    const { prefix } = this.#target;
    const found: StoreEvent[] = [];
    let last = this.#position;
    for (const event of events) {
      const revision = Number(event.kv.modRevision);
      if (revision <= this.#position) continue;
      last = revision;
      const key = event.kv.key.toString();
      if (key.startsWith(prefix)) found.push(this.#eventOf(event, key, revision));
    }
    this.#deliver(found, last);
  }

  #eventOf({ type, kv, prevKv }: WatchResponse['events'][number], key: string, revision: number): StoreEvent {
    if (type === 'DELETE') {
      // Compaction may have taken the last value.
      const value = prevKv?.value ?? Buffer.alloc(0);
      return { type: 'delete', key, revision, value, previous: value };
    }
    const own = this.#target.notes.take(key, kv.value);
    const note = own && { note: own };
    return { type: 'put', key, revision, value: kv.value, ...(prevKv && { previous: prevKv.value }), ...note };
  }

  #deliver(events: readonly StoreEvent[], revision: number): void {
    this.#position = revision;
    this.#target.onBatch({ events, revision });
  }

  /** What a watcher throws ends its watch. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#end(error as Error);
    }
  }

  #end(error?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#created.resolve();
    this.#stream.cancel();
    if (error) this.#ended.reject(error);
    else this.#ended.resolve();
  }
}
