/** Exponential backoff with jitter. */
export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Milliseconds to wait before attempt `failures + 1`: doubles up to `maxMs`, plus up to 50 % jitter. */
export function backoffMs({ initialMs, maxMs }: BackoffOptions, failures: number, random = Math.random()): number {
  const wait = Math.min(maxMs, initialMs * 2 ** Math.max(0, failures - 1));
  return wait * (1 + random / 2);
}
