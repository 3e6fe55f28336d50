/** What a CronJob has to do: the Job to start, those to delete, and its status. Pure. Upstream: `syncCronJob` (pkg/controller/cronjob). */
import { parseSchedule, ScheduleError, type CronSchedule } from '../../../../api/kinds/batch/cron-schedule.ts';
import { hasCondition, isFinished } from '../../../../api/kinds/batch/job-conditions.ts';
import { isTimeZone } from '../../../../api/kinds/batch/time-zone.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import { dueStart, nextStartInMs } from './due.ts';
import type { CronJob, CronJobStatus, Job } from '../../../../api/types/batch/v1.gen.ts';
import type { ObjectReference } from '../../../../api/types/core/v1.gen.ts';

export interface CronJobState {
  readonly cronJob: CronJob;
  /** Those that it controls. */
  readonly jobs: readonly Job[];
  /** Uids of the active Jobs that the api-server does not have any more. */
  readonly gone: ReadonlySet<string>;
  /** ms since the epoch. */
  readonly now: number;
  /** Of schedules that name none. */
  readonly localZone: string;
}

export interface CronJobEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export interface Start {
  /** ms since the epoch. */
  readonly at: number;
  /** The Jobs that make way. */
  readonly replaces: readonly ObjectReference[];
}

export interface CronJobPlan {
  /** Without the start. */
  readonly status: CronJobStatus;
  readonly events: readonly CronJobEvent[];
  /** Finished Jobs beyond the limits, oldest first. */
  readonly surplus: readonly Job[];
  readonly start: Start | undefined;
  /** Undefined when only an event can change something. */
  readonly againInMs: number | undefined;
}

export function planCronJob(state: CronJobState): CronJobPlan {
  const events: CronJobEvent[] = [];
  const status = statusOf(state, events);
  const { start, againInMs } = planStart(state, status.active ?? [], events);
  return { status, events, surplus: surplusJobs(state), start, againInMs };
}

function statusOf({ cronJob, jobs, gone }: CronJobState, events: CronJobEvent[]): CronJobStatus {
  const { status = {} } = cronJob;
  const active = new Map((status.active ?? []).map((reference) => [reference.uid, reference]));
  let { lastSuccessfulTime } = status;
  for (const { metadata, status: ofJob } of jobs) {
    const { uid, name } = metadata ?? {};
    if (!isFinished(ofJob)) {
      const message = `Saw a job that the controller did not create or forgot: ${name}`;
      if (!active.has(uid)) events.push({ type: 'Warning', reason: 'UnexpectedJob', message });
      continue;
    }
    const condition = hasCondition(ofJob, 'Complete') ? 'Complete' : 'Failed';
    if (active.delete(uid)) {
      const message = `Saw completed job: ${name}, condition: ${condition}`;
      events.push({ type: 'Normal', reason: 'SawCompletedJob', message });
    }
    const { completionTime } = ofJob ?? {};
    const isLater = !lastSuccessfulTime || Date.parse(completionTime ?? '') > Date.parse(lastSuccessfulTime);
    if (condition === 'Complete' && completionTime && isLater) lastSuccessfulTime = completionTime;
  }
  for (const [uid, { name }] of active) {
    if (!gone.has(uid ?? '')) continue;
    active.delete(uid);
    events.push({ type: 'Normal', reason: 'MissingJob', message: `Active job went missing: ${name}` });
  }
  return { ...status, active: active.size > 0 ? [...active.values()] : undefined, lastSuccessfulTime };
}

/** Finished Jobs beyond the limits of the history. */
function surplusJobs({ cronJob, jobs }: CronJobState): Job[] {
  const { successfulJobsHistoryLimit, failedJobsHistoryLimit } = cronJob.spec;
  const beyond = (type: 'Complete' | 'Failed', limit = Infinity): Job[] => {
    const finished = jobs.filter(({ status }) => hasCondition(status, type)).sort(oldestFirst);
    return finished.slice(0, Math.max(0, finished.length - limit));
  };
  const surplus = [...beyond('Complete', successfulJobsHistoryLimit), ...beyond('Failed', failedJobsHistoryLimit)];
  return surplus.filter(({ metadata }) => !metadata?.deletionTimestamp);
}

/** Those that have not started come last. */
function oldestFirst(a: Job, b: Job): number {
  const [left, right] = [a, b].map(({ status }) => Date.parse(status?.startTime ?? '') || Infinity);
  if (left !== right) return left! < right! ? -1 : 1;
  return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
}

type Decision = Pick<CronJobPlan, 'start' | 'againInMs'>;
const NEVER: Decision = { start: undefined, againInMs: undefined };

function planStart(state: CronJobState, active: readonly ObjectReference[], events: CronJobEvent[]): Decision {
  const { cronJob, now } = state;
  const { metadata, spec } = cronJob;
  if (metadata?.deletionTimestamp) return NEVER;
  const timing = timingOf(state, events);
  if (!timing || spec.suspend) return NEVER;
  const { schedule, timeZone } = timing;
  let due;
  try {
    due = dueStart(cronJob, schedule, timeZone, now);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const message = `invalid schedule: ${spec.schedule} : ${error.message}`;
    events.push({ type: 'Warning', reason: 'InvalidSchedule', message });
    return NEVER;
  }
  if (due.isManyMissed) {
    const message = 'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew';
    events.push({ type: 'Warning', reason: 'TooManyMissedTimes', message });
  }
  const start = due.at === undefined ? undefined : startAt(due.at, { state, active, events });
  return { start, againInMs: nextStartInMs(started(cronJob, start), schedule, timeZone, now) };
}

/** As it is when the start has been made: the next one is wanted. */
const started = (cronJob: CronJob, start: Start | undefined): CronJob =>
  start ? { ...cronJob, status: { ...cronJob.status, lastScheduleTime: timeOf(start.at) } } : cronJob;

function startAt(
  at: number,
  {
    state,
    active,
    events,
  }: {
    readonly state: CronJobState;
    readonly active: readonly ObjectReference[];
    readonly events: CronJobEvent[];
  },
): Start | undefined {
  const { cronJob, now } = state;
  const { spec, status } = cronJob;
  const { startingDeadlineSeconds = Infinity, concurrencyPolicy } = spec;
  if (at + startingDeadlineSeconds * 1000 < now) {
    const message = `Missed scheduled time to start a job: ${rfc1123(at)}`;
    events.push({ type: 'Warning', reason: 'MissSchedule', message });
    return undefined;
  }
  const name = jobName(cronJob, at);
  const isMade = active.some((reference) => reference.name === name) || status?.lastScheduleTime === timeOf(at);
  if (isMade) return undefined;
  if (concurrencyPolicy === 'Forbid' && active.length > 0) {
    const message = 'Not starting job because prior execution is running and concurrency policy is Forbid';
    events.push({ type: 'Normal', reason: 'JobAlreadyActive', message });
    return undefined;
  }
  return { at, replaces: concurrencyPolicy === 'Replace' ? active : [] };
}

/** As upstream writes times in events: `Mon, 02 Jan 2006 15:04:05 +0000`. */
const rfc1123 = (at: number): string => new Date(at).toUTCString().replace('GMT', '+0000');

/** One name for each start, by its minute, so that no start is made twice. */
export const jobName = ({ metadata }: CronJob, at: number): string => `${metadata?.name}-${Math.floor(at / 60_000)}`;

interface Timing {
  readonly schedule: CronSchedule;
  readonly timeZone: string;
}

/** Undefined, with an event, for a schedule that is none: it may have been stored when others were accepted. */
function timingOf({ cronJob, localZone }: CronJobState, events: CronJobEvent[]): Timing | undefined {
  const { schedule: text, timeZone } = cronJob.spec;
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    const message = `invalid timeZone: ${JSON.stringify(timeZone)}: unknown time zone ${timeZone}`;
    events.push({ type: 'Warning', reason: 'UnknownTimeZone', message });
    return undefined;
  }
  if (text.includes('TZ')) {
    const message =
      `CRON_TZ or TZ used in schedule ${JSON.stringify(text)} is not officially supported, see ` +
      'https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details';
    events.push({ type: 'Warning', reason: 'UnsupportedSchedule', message });
  }
  try {
    const schedule = parseSchedule(text);
    const named = schedule.timeZone ?? timeZone;
    return { schedule, timeZone: zoneOf(named, localZone) };
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    const message = `unparseable schedule: ${JSON.stringify(text)} : ${error.message}`;
    events.push({ type: 'Warning', reason: 'UnparseableSchedule', message });
    return undefined;
  }
}

function zoneOf(name: string | undefined, localZone: string): string {
  if (name === undefined || name === 'Local') return localZone;
  return name === '' ? 'UTC' : name;
}
