import type { Logger } from '../../../client/logger.ts';
import { WatchInterruptedError, type StoreEvent, type WatchBatch } from '../store.ts';

/** Batch size for a watcher that catches up, so that a long history does not block the event loop. */
const CATCH_UP_EVENTS = 500;

/** Reads the log's events under a prefix; both revisions are inclusive. */
export type ReadEvents = (from: number, to: number, prefix: string) => Iterable<StoreEvent>;

interface Watcher {
  readonly prefix: string;
  readonly onBatch: (batch: WatchBatch) => void;
  readonly ended: PromiseWithResolvers<void>;
  /** All events up to this revision have been delivered. */
  position: number;
  live: boolean;
}

/**
 * The watchers of a store. A new watcher reads the log until it has caught up, and then gets the events of each commit. Each
 * step runs within one turn of the event loop, so no event is lost in between.
 */
export class WatchHub {
  readonly #watchers = new Set<Watcher>();
  readonly #read: ReadEvents;
  readonly #logger: Logger | undefined;
  #revision: number;

  constructor(revision: number, read: ReadEvents, logger: Logger | undefined) {
    this.#revision = revision;
    this.#read = read;
    this.#logger = logger;
  }

  get any(): boolean {
    return this.#watchers.size > 0;
  }

  /** The lowest revision that a watcher still has to read from; later history must not be compacted. */
  get lowestCatchUp(): number {
    let lowest = Infinity;
    for (const watcher of this.#watchers) if (!watcher.live) lowest = Math.min(lowest, watcher.position);
    return lowest;
  }

  async watch(
    prefix: string,
    after: number,
    onBatch: (batch: WatchBatch) => void,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (signal?.aborted) return;
    const ended = Promise.withResolvers<void>();
    const watcher: Watcher = { prefix, onBatch, ended, position: after, live: after >= this.#revision };
    this.#watchers.add(watcher);
    const stop = (): void => this.#end(watcher);
    signal?.addEventListener('abort', stop, { once: true });
    if (!watcher.live) setImmediate(() => this.#catchUp(watcher));
    try {
      await ended.promise;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Delivers the events of one commit, in revision order; there are no others up to `revision`. */
  publish(events: readonly StoreEvent[], revision: number): void {
    this.#revision = revision;
    for (const watcher of this.#watchers) {
      if (!watcher.live || revision <= watcher.position) continue;
      const { prefix, position } = watcher;
      const wanted = events.filter((event) => event.revision > position && event.key.startsWith(prefix));
      this.#deliver(watcher, wanted, revision);
    }
  }

  /** Sends a progress notification to each watcher that has caught up; the others get their revision with the next batch. */
  notifyProgress(): void {
    for (const watcher of this.#watchers) {
      if (watcher.live && watcher.position <= this.#revision) this.#deliver(watcher, [], this.#revision);
    }
  }

  close(): void {
    for (const watcher of this.#watchers) this.#end(watcher, new WatchInterruptedError('the store has been closed'));
  }

  #catchUp(watcher: Watcher): void {
    if (!this.#watchers.has(watcher)) return;
    const to = Math.min(this.#revision, watcher.position + CATCH_UP_EVENTS);
    let events: StoreEvent[];
    try {
      events = [...this.#read(watcher.position + 1, to, watcher.prefix)];
    } catch (error) {
      // Skipping the unreadable history would be a silent gap.
      this.#logger?.error({ err: error, prefix: watcher.prefix }, 'watch ended: failed to read history');
      this.#end(watcher, error);
      return;
    }
    watcher.live = to >= this.#revision;
    this.#deliver(watcher, events, to);
    if (!watcher.live) setImmediate(() => this.#catchUp(watcher));
  }

  #deliver(watcher: Watcher, events: readonly StoreEvent[], revision: number): void {
    watcher.position = revision;
    try {
      watcher.onBatch({ events, revision });
    } catch (error) {
      // A failing watcher must not affect the others.
      this.#end(watcher, error);
    }
  }

  #end(watcher: Watcher, error?: unknown): void {
    this.#watchers.delete(watcher);
    if (error === undefined) watcher.ended.resolve();
    else watcher.ended.reject(error);
  }
}
