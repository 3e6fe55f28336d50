/**
 * When the proxy is configured: soon after a change, but changes that come together at once, and workers not faster than they can
 * follow each other.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** Changes within this time are one. */
const GATHER_MS = 10;
/** Reloads in a row before they are spaced. */
const BURST = 3;
const REFILL_MS = 1_000;

export class Pace {
  #changed = Promise.withResolvers<void>();
  #tokens = BURST;
  #at = performance.now();

  /** Something has changed. */
  wake(): void {
    this.#changed.resolve();
  }

  /** Resolves some milliseconds after a change since the last call; rejects when the signal is aborted. */
  async next(signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      await Promise.race([this.#changed.promise, aborted.promise]);
      await delay(GATHER_MS, undefined, { signal });
    } finally {
      signal.removeEventListener('abort', abort);
    }
    this.#changed = Promise.withResolvers();
  }

  /** Resolves when a worker may be started. */
  async beforeReload(signal: AbortSignal): Promise<void> {
    const now = performance.now();
    this.#tokens = Math.min(BURST, this.#tokens + (now - this.#at) / REFILL_MS);
    this.#at = now;
    if (this.#tokens < 1) await delay((1 - this.#tokens) * REFILL_MS, undefined, { signal });
    this.#tokens -= 1;
  }
}
