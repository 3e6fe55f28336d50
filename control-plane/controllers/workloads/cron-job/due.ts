/** Which start of a CronJob is due, and when to look again. Pure. Upstream: `mostRecentScheduleTime` (pkg/controller/cronjob/utils.go). */
import type { CronSchedule } from '../../../../api/kinds/batch/cron-schedule.ts';
import { nextTime } from '../../../../api/domain/next-time.ts';
import type { CronJob } from '../../../../api/types/batch/v1.gen.ts';

/** For clocks that differ a little: a start must not be looked for before its time. */
const MARGIN_MS = 100;
/** More missed starts than this are worth a warning: the clock may be wrong. */
const MANY_MISSED = 100;
/**
 * Clocks of servers differ by less. What was started later than that was started by a clock that has been set back since: it would keep
 * the CronJob from ever starting again, and only starts of the last moments are made up for.
 */
const MAX_AHEAD_MS = 10 * 60_000;
const RECENT_MS = 60_000;

export interface Due {
  /** The latest start that has not been made, in ms since the epoch. */
  readonly at: number | undefined;
  readonly isManyMissed: boolean;
}

/** Throws a RangeError for a schedule that never comes twice. */
export function dueStart(cronJob: CronJob, schedule: CronSchedule, timeZone: string, now: number): Due {
  const { startingDeadlineSeconds } = cronJob.spec;
  const deadline = startingDeadlineSeconds === undefined ? -Infinity : now - startingDeadlineSeconds * 1000;
  return missedSince(Math.max(lastStart(cronJob, now), deadline), schedule, timeZone, now);
}

/** In how many ms the next start comes; undefined when there is none. */
export function nextStartInMs(
  cronJob: CronJob,
  schedule: CronSchedule,
  timeZone: string,
  now: number,
): number | undefined {
  const since = lastStart(cronJob, now);
  const { at = since } = missedSince(since, schedule, timeZone, now);
  const next = nextTime(schedule, at, timeZone);
  return next === undefined ? undefined : next + MARGIN_MS - now;
}

function lastStart({ metadata, status }: CronJob, now: number): number {
  const at = Date.parse(status?.lastScheduleTime ?? metadata?.creationTimestamp ?? '') || 0;
  return at > now + MAX_AHEAD_MS ? now - RECENT_MS : at;
}

function missedSince(since: number, schedule: CronSchedule, timeZone: string, now: number): Due {
  const next = (after: number): number => nextTime(schedule, after, timeZone) ?? NaN;
  const first = next(since);
  if (now < first) return { at: undefined, isManyMissed: false };
  const second = next(first);
  if (now < second) return { at: first, isManyMissed: false };
  const apart = second - first;
  if (!(apart >= 1000)) throw new RangeError('time difference between two schedules is less than 1 second');
  const missed = Math.floor((now - first) / apart) + 1;
  const { times } = schedule;
  const at = typeof times === 'number' ? first + (missed - 1) * times : lastUntil(now, first, next);
  return { at, isManyMissed: missed > MANY_MISSED };
}

/** The last start until `now`, by halving: however many were missed, few are looked at. */
function lastUntil(now: number, first: number, next: (after: number) => number): number {
  let last = first;
  let none = now;
  while (none - last > 1000) {
    const middle = (last + none) / 2;
    const start = next(middle);
    if (start <= now) last = start;
    else none = middle;
  }
  return last;
}
