/**
 * Waiting for somebody else with a limit of one's own. A callee may hang whatever it was told: a peer that switches protocols,
 * a library that misses an event, a process parked in the kernel. So a signal alone is no limit, only a request to stop.
 */

/** `setTimeout` takes no more (24 days); a longer wait would end at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** What was waited for did not come in time. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
  /** What has timed out: `ListContainers`, `GET /api/v1/pods`, ... */
  readonly what: string;
  readonly limitMs: number;
  constructor(what: string, limitMs: number) {
    super(`${what} timed out after ${limitMs} ms`);
    this.what = what;
    this.limitMs = limitMs;
  }
}

/** How long somebody is willing to wait. */
export interface TimeLimit {
  readonly limitMs: number;
  /** The caller's own wish to stop. */
  readonly signal?: AbortSignal;
}

export interface Deadline extends TimeLimit {
  /** Names the wait in the error. */
  readonly what: string;
}

/**
 * Settles as `run` does, and at the latest when the limit has passed (DeadlineError) or the caller's signal is aborted (its
 * reason), whether or not `run` heeds the signal that it is given. How a callee ends after that is of no interest any more.
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
      // First, so that whatever the callee does on its signal cannot decide the outcome.
      reject(reason);
      callee.abort(reason);
    };
    const abandon = (): void => {
      if (signal) giveUp(reasonOf(signal));
    };
    const timer = setTimeout(() => giveUp(new DeadlineError(what, limitMs)), Math.min(limitMs, MAX_TIMER_MS));
    signal?.addEventListener('abort', abandon, { once: true });
    // After `giveUp` these do nothing: a late failure is swallowed here, on purpose.
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
