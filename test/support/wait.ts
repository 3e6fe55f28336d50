/** Waits for conditions, never for time. */
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_AGAIN_MS = 50;

/**
 * Answers what `look` answers once it is truthy; throws, saying for what it waited and what it saw last, when it takes longer
 * than `seconds`. What `look` throws counts as "not yet".
 */
export async function eventually<T>(what: string, look: () => T | Promise<T>, seconds = 60): Promise<NonNullable<T>> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    let seen: unknown;
    try {
      const value = await look();
      if (value) return value;
      seen = value;
    } catch (error) {
      seen = error;
    }
    if (performance.now() > deadline) {
      throw new Error(
        `waited ${seconds} s for ${what}; last: ${seen instanceof Error ? seen.message : JSON.stringify(seen)}`,
      );
    }
    await delay(LOOK_AGAIN_MS);
  }
}
