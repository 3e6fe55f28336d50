/** Waits for conditions, never for time: the only poller of the tests (`eslint/fixed-waits.js` holds them to it). */
import { setTimeout as delay } from 'node:timers/promises';

/** The pause between two looks: short at first, for what is about to happen, and longer for what costs a process to look at. */
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 50;

type Truthy<T> = Exclude<T, null | undefined | false | 0 | ''>;

/**
 * Returns what `look` returns once it is truthy; throws, saying for what it waited and what it saw last, when that takes longer
 * than `seconds`. What `look` throws counts as "not yet".
 */
export async function eventually<T>(what: string, look: () => T | Promise<T>, seconds = 60): Promise<Truthy<T>> {
  const deadline = performance.now() + seconds * 1000;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
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
