/**
 * When watches tell their clients where they are. Watches that have begun within a quarter of a minute of each other do so in the same turn: a
 * timer for each would wake an idle server, and the clients on the same connection, that many times.
 */

/** How often clients that want bookmarks are told. Upstream has the same interval. */
const INTERVAL_MS = 60_000;
const SLOT_MS = 15_000;
const SLOTS = INTERVAL_MS / SLOT_MS;

export class BookmarkClock {
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<() => void>());
  #slot = 0;
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Calls `tell`, which must not throw, once per interval. Returns a function that ends that. */
  each(tell: () => void): () => void {
    const slot = this.#slots[this.#slot];
    slot?.add(tell);
    this.#waiting++;
    this.#timer ??= setInterval(() => this.#tick(), SLOT_MS);
    return () => {
      if (!slot?.delete(tell) || --this.#waiting > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  #tick(): void {
    this.#slot = (this.#slot + 1) % SLOTS;
    // One that is told may end, and end others.
    for (const tell of this.#slots[this.#slot] ?? []) tell();
  }
}
