/**
 * Remembers which creations and deletions of a controller its caches have not shown yet, so that it never acts twice on a cache
 * that lags behind its own writes. As upstream's `UIDTrackingControllerExpectations`, for creations by their keys, too.
 */
interface Entry {
  /** Written, and not seen yet. */
  readonly awaited: Set<string>;
  /** Seen before the response to the request that wrote it. */
  readonly seen: Set<string>;
  startedAt: number;
}

/**
 * An event that has not come after so long never will: upstream's ExpectationsTimeout. Who is not satisfied has to look again then,
 * since no event may come that wakes it.
 */
export const EXPECTATIONS_TIMEOUT_MS = 5 * 60_000;

const created = (key: string): string => `+${key}`;
const deleted = (key: string): string => `-${key}`;

export class Expectations {
  readonly #entries = new Map<string, Entry>();

  /** Nothing is outstanding: the cache can be acted upon for `owner`. `now` is in ms of the monotonic clock, here and below. */
  isSatisfied(owner: string, now: number): boolean {
    const entry = this.#entries.get(owner);
    if (!entry) return true;
    if (entry.awaited.size > 0 && now - entry.startedAt < EXPECTATIONS_TIMEOUT_MS) return false;
    this.#entries.delete(owner);
    return true;
  }

  /** Call before the requests of a round are sent, each time that some are, once `isSatisfied` has let the round begin. */
  begin(owner: string, now: number): void {
    if (!this.#entries.has(owner)) this.#entries.set(owner, { awaited: new Set(), seen: new Set(), startedAt: now });
  }

  /** The api-server has created it: the cache must show it before the owner is satisfied. */
  expectCreation(owner: string, key: string): void {
    this.#expect(owner, created(key));
  }

  /** The api-server has accepted its deletion: the cache must show it as gone, or as being deleted. */
  expectDeletion(owner: string, key: string): void {
    this.#expect(owner, deleted(key));
  }

  observeCreation(owner: string, key: string): void {
    this.#observe(owner, created(key));
  }

  observeDeletion(owner: string, key: string): void {
    this.#observe(owner, deleted(key));
  }

  /** The owner is gone. */
  forget(owner: string): void {
    this.#entries.delete(owner);
  }

  #expect(owner: string, change: string): void {
    const entry = this.#entries.get(owner);
    if (entry && !entry.seen.delete(change)) entry.awaited.add(change);
  }

  #observe(owner: string, change: string): void {
    const entry = this.#entries.get(owner);
    if (entry && !entry.awaited.delete(change)) entry.seen.add(change);
  }
}
