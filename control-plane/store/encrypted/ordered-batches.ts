/** Hands on the batches of a watch in their order, though some have to wait until they can be decrypted. */
import type { WatchBatch } from '../store.ts';

export class OrderedBatches {
  readonly #onBatch: (batch: WatchBatch) => void;
  readonly #failing = new AbortController();
  /** The last of those that wait. */
  #waiting: Promise<void> | undefined;
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(onBatch: (batch: WatchBatch) => void) {
    this.#onBatch = onBatch;
  }

  /** Aborted when a batch that had to wait cannot be handed on: the watch is to end. */
  get failed(): AbortSignal {
    return this.#failing.signal;
  }

  /** At once when nothing is pending. What `onBatch` throws then is the caller's. */
  take(pending: Promise<unknown> | undefined, batch: () => WatchBatch): void {
    if (!pending && !this.#waiting) {
      this.#onBatch(batch());
      return;
    }
    const before = this.#waiting;
    const taken = this.#after(before, pending, batch).finally(() => {
      if (this.#waiting === taken) this.#waiting = undefined;
    });
    this.#waiting = taken;
  }

  async #after(
    before: Promise<void> | undefined,
    pending: Promise<unknown> | undefined,
    batch: () => WatchBatch,
  ): Promise<void> {
    try {
      await before;
      await pending;
      if (!this.#isOver && !this.#failure) this.#onBatch(batch());
    } catch (error) {
      this.#failure ??= { error };
      this.#failing.abort();
    }
  }

  /** What waits is dropped: whoever goes on with the watch does so after the last batch that it has got. */
  end(): void {
    this.#isOver = true;
  }

  throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}
