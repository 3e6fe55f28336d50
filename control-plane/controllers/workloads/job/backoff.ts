/** How long the controller waits before it replaces a pod that has failed: upstream's `backoff_utils.go`. */
import type { JobPod } from './job-pods.ts';

const INITIAL_MS = 10_000;
const MAX_MS = 600_000;

/** The failures of a Job's pods since one succeeded. */
export interface Failures {
  readonly count: number;
  /** In ms since the epoch. */
  readonly lastAt: number;
}

export const NO_FAILURES: Failures = { count: 0, lastAt: 0 };

/** The record after these pods have ended. */
export function recordEnds(before: Failures, succeeded: readonly JobPod[], failed: readonly JobPod[]): Failures {
  const lastSuccess = Math.max(-Infinity, ...succeeded.map(({ job }) => job.endedAt));
  const since = failed.map(({ job }) => job.endedAt).filter((endedAt) => endedAt > lastSuccess);
  if (since.length === 0) return succeeded.length > 0 ? NO_FAILURES : before;
  const count = (succeeded.length > 0 ? 0 : before.count) + since.length;
  return { count, lastAt: Math.max(...since) };
}

/** In how many ms the next pod may be created; 0 when now. */
export function backoffLeftMs({ count, lastAt }: Failures, now: number): number {
  if (count === 0) return 0;
  const waitMs = Math.min(INITIAL_MS * 2 ** (count - 1), MAX_MS);
  return Math.max(0, lastAt + waitMs - now);
}

/** The same for the one that replaces the last failed pod of an index. */
export function indexBackoffLeftMs(last: JobPod | undefined, now: number): number {
  if (!last) return 0;
  const { earlierFailures, earlierIgnored, endedAt } = last.job;
  return backoffLeftMs({ count: earlierFailures + earlierIgnored + 1, lastAt: endedAt }, now);
}
