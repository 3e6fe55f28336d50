import type { Random } from './random.ts';

export interface Fuzzer {
  readonly name: string;
  /** Cases of a short run, some hundred milliseconds together. */
  readonly cases: number;
  /** One case. Throws, or rejects, when something is not as it has to be. */
  run(random: Random): void | Promise<void>;
}

/** @param shown what is said of the case */
export function check(holds: boolean, what: string, ...shown: readonly unknown[]): void {
  if (holds) return;
  throw new Error([what, ...shown.map((value) => JSON.stringify(value)?.slice(0, 4000) ?? String(value))].join('\n  '));
}

export const same = (one: unknown, other: unknown): boolean =>
  JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));

/** With keys in order; as JSON, in which -0 is 0. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))
    .map(([key, inner]) => [key, sorted(inner)] as const);
}

/** Calls `run`; only errors of these classes may come of it. Returns undefined then. */
export function only<T>(classes: readonly (new (...args: never[]) => Error)[], run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (classes.some((one) => error instanceof one)) return undefined;
    throw error;
  }
}
