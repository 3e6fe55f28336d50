/**
 * Remembers which creations and deletions of a controller its informer has not shown yet, so that it never acts twice on a
 * picture that lags behind what it has done itself.
 */
interface Entry {
  /** Done, and not seen yet. */
  readonly awaited: Set<string>;
  /** Seen before the answer of the request that did it was in. */
  readonly seen: Set<string>;
  startedAt: number;
}

/** An event that has not come after so long never will: upstream's ExpectationsTimeout. */
const TIMEOUT_MS = 5 * 60_000;

export class Expectations {
  readonly #entries = new Map<string, Entry>();

  /** Nothing is outstanding: the picture of `owner` can be acted upon. */
  isSatisfied(owner: string, now: number): boolean {
    const entry = this.#entries.get(owner);
    if (!entry) return true;
    if (entry.awaited.size > 0 && now - entry.startedAt < TIMEOUT_MS) return false;
    this.#entries.delete(owner);
    return true;
  }

  /** Call before the requests of a round are sent. */
  begin(owner: string, now: number): void {
    this.#entries.set(owner, { awaited: new Set(), seen: new Set(), startedAt: now });
  }

  /** The api-server has done it: `change` must be seen before the owner is satisfied. */
  await(owner: string, change: string): void {
    const entry = this.#entries.get(owner);
    if (entry && !entry.seen.delete(change)) entry.awaited.add(change);
  }

  /** The informer has shown it. */
  observe(owner: string, change: string): void {
    const entry = this.#entries.get(owner);
    if (entry && !entry.awaited.delete(change)) entry.seen.add(change);
  }

  forget(owner: string): void {
    this.#entries.delete(owner);
  }
}
