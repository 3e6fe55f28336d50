/** Growing waits between attempts. */
export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** The wait before attempt `failures + 1`: doubling, at most `maxMs`, and up to half of it more so that clients spread out. */
export function backoffMs({ initialMs, maxMs }: BackoffOptions, failures: number, random = Math.random()): number {
  const wait = Math.min(maxMs, initialMs * 2 ** Math.max(0, failures - 1));
  return wait * (1 + random / 2);
}
