/**
 * Deadlines for calls to something that may hang, whatever its own options promise: a peer that switches protocols, a library
 * that misses an event, a process stuck in the kernel. An AbortSignal is only a request to stop, so the caller stops waiting
 * by itself.
 */

/** The longest `setTimeout` (24 days); it fires longer ones at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Thrown when the deadline is exceeded. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
  /** The operation that timed out: `ListContainers`, `GET /api/v1/pods`, ... */
  readonly what: string;
  readonly limitMs: number;
  constructor(what: string, limitMs: number) {
    super(`${what} timed out after ${limitMs} ms`);
    this.what = what;
    this.limitMs = limitMs;
  }
}

/** How long a caller waits. */
export interface TimeLimit {
  readonly limitMs: number;
  /** Cancels the wait. */
  readonly signal?: AbortSignal;
}

export interface Deadline extends TimeLimit {
  /** The operation, for the error message. */
  readonly what: string;
}

/**
 * Settles as `run` does. Rejects with DeadlineError when the limit is exceeded, or with the signal's reason when it is aborted,
 * whether or not `run` stops on the signal that it is given. Its late result is ignored.
 */
export function withDeadline<T>(
  { what, limitMs, signal }: Deadline,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) {
      reject(reasonOf(signal));
      return;
    }
    const callee = new AbortController();
    const settled = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abandon);
    };
    const giveUp = (reason: Error): void => {
      settled();
      // Reject before aborting, so that the callee's reaction to the abort cannot decide the outcome.
      reject(reason);
      callee.abort(reason);
    };
    const abandon = (): void => {
      if (signal) giveUp(reasonOf(signal));
    };
    const timer = setTimeout(() => giveUp(new DeadlineError(what, limitMs)), Math.min(limitMs, MAX_TIMER_MS));
    signal?.addEventListener('abort', abandon, { once: true });
    // No-ops once the deadline has rejected: a late failure is ignored on purpose.
    const succeed = (value: T): void => {
      settled();
      resolve(value);
    };
    const fail = (error: Error): void => {
      settled();
      reject(error);
    };
    Promise.try(run, callee.signal).then(succeed, fail);
  });
}

const reasonOf = ({ reason }: AbortSignal): Error => (reason instanceof Error ? reason : new Error(String(reason)));
