import type { Logger } from '../../client/logger.ts';
import type { StoreEvent } from './store.ts';

/** How many events a watcher that catches up gets at a time, so that many years of history do not stall the others. */
const CATCH_UP_EVENTS = 500;

/** Reads events of the log, from a revision up to and including another, all keys. */
export type ReadEvents = (from: number, to: number, prefix: string) => Iterable<StoreEvent>;

interface Watcher {
  readonly prefix: string;
  readonly onEvents: (events: readonly StoreEvent[]) => void;
  readonly signal: AbortSignal;
  /** The revision up to which it has been told everything. */
  position: number;
  live: boolean;
}

/**
 * Those who watch. A watcher starts behind, reads the log up to what is on disk, and is live from then on; each step of it
 * and each commit's events are one turn of the event loop, so nothing can fall between.
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

  watch(prefix: string, after: number, onEvents: (events: readonly StoreEvent[]) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    const watcher: Watcher = { prefix, onEvents, signal, position: after, live: after >= this.#revision };
    this.#watchers.add(watcher);
    signal.addEventListener('abort', () => this.#watchers.delete(watcher), { once: true });
    if (!watcher.live) setImmediate(() => this.#catchUp(watcher));
  }

  /** The events of one commit, in revision order. */
  publish(events: readonly StoreEvent[]): void {
    for (const watcher of this.#watchers) {
      if (!watcher.live) continue;
      const wanted = events.filter(
        (event) => event.revision > watcher.position && event.key.startsWith(watcher.prefix),
      );
      this.#tell(watcher, wanted);
    }
  }

  /** All events up to this revision have been published. */
  reached(revision: number): void {
    this.#revision = revision;
    for (const watcher of this.#watchers) if (watcher.live) watcher.position = Math.max(watcher.position, revision);
  }

  close(): void {
    this.#watchers.clear();
  }

  #catchUp(watcher: Watcher): void {
    if (!this.#watchers.has(watcher)) return;
    const to = Math.min(this.#revision, watcher.position + CATCH_UP_EVENTS);
    let events: StoreEvent[];
    try {
      events = [...this.#read(watcher.position + 1, to, watcher.prefix)];
    } catch (error) {
      // Going on would leave a gap that nobody sees. The watcher stays behind and compaction waits for it no longer.
      this.#watchers.delete(watcher);
      this.#logger?.error({ err: error, prefix: watcher.prefix }, 'watch closed: failed to read history');
      return;
    }
    watcher.position = to;
    watcher.live = to >= this.#revision;
    this.#tell(watcher, events);
    if (!watcher.live) setImmediate(() => this.#catchUp(watcher));
  }

  #tell(watcher: Watcher, events: readonly StoreEvent[]): void {
    if (events.length === 0 || watcher.signal.aborted) return;
    try {
      watcher.onEvents(events);
    } catch (error) {
      // One watcher's failure must not keep the events from the others.
      this.#logger?.error({ err: error, prefix: watcher.prefix }, 'watch closed: watcher failed to process events');
    }
  }
}
