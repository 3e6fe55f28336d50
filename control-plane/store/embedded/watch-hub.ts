import type { Logger } from '../../../client/logger.ts';
import { WatchInterruptedError, type StoreEvent, type WatchBatch } from '../store.ts';

/** How many events a watcher that catches up gets at a time, so that years of history do not stall the others. */
const CATCH_UP_EVENTS = 500;

/** Reads the events of the log under a prefix, from a revision up to and including another. */
export type ReadEvents = (from: number, to: number, prefix: string) => Iterable<StoreEvent>;

interface Watcher {
  readonly prefix: string;
  readonly onBatch: (batch: WatchBatch) => void;
  readonly ended: PromiseWithResolvers<void>;
  /** Every event up to this revision has been delivered. */
  position: number;
  live: boolean;
}

/**
 * The watches of a store. A watcher starts behind, reads the log up to what is on disk, and is live from then on; each step of
 * it and each commit's events are one turn of the event loop, so no event can be missed in between.
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

  /** The lowest revision that a watcher still has to read from; what lies after it must not be compacted. */
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

  /** The events of one commit, in revision order; up to `revision` there are no others. */
  publish(events: readonly StoreEvent[], revision: number): void {
    this.#revision = revision;
    for (const watcher of this.#watchers) {
      if (!watcher.live || revision <= watcher.position) continue;
      const { prefix, position } = watcher;
      const wanted = events.filter((event) => event.revision > position && event.key.startsWith(prefix));
      this.#deliver(watcher, wanted, revision);
    }
  }

  /** Tells each watcher how far it is; one that catches up is told anyway. */
  tellProgress(): void {
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
      // Going on would leave a gap that nobody sees.
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
      // One watcher's failure must not keep the events from the others.
      this.#end(watcher, error);
    }
  }

  #end(watcher: Watcher, error?: unknown): void {
    this.#watchers.delete(watcher);
    if (error === undefined) watcher.ended.resolve();
    else watcher.ended.reject(error);
  }
}
