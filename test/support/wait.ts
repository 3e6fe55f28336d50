/** Waits for conditions, never for a fixed time: the only poller of the tests (enforced by `eslint/fixed-waits.js`). */
import { setTimeout as delay } from 'node:timers/promises';

/** Poll interval: short at first, for what happens immediately, then longer for conditions that cost a process to check. */
const FIRST_PAUSE_MS = 5;
const MAX_PAUSE_MS = 50;

type Truthy<T> = Exclude<T, null | undefined | false | 0 | ''>;

/**
 * Returns what `look` returns once it is truthy. Throws after `seconds`, with what it waited for and the last result. Errors of
 * `look` count as "not yet".
 */
export async function eventually<T>(what: string, look: () => T | Promise<T>, seconds = 60): Promise<Truthy<T>> {
  const deadline = performance.now() + seconds * 1000;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    let seen: unknown;
    try {
      const value = await look();
      if (value) return value as Truthy<T>;
      seen = value;
    } catch (error) {
      seen = error;
    }
    if (performance.now() > deadline) {
      throw new Error(
        `waited ${seconds} s for ${what}; last: ${seen instanceof Error ? seen.message : JSON.stringify(seen)}`,
      );
    }
    await delay(pauseMs);
  }
}
