/**
 * How each pod is counted exactly once, whenever the controller is killed: a pod that has ended is noted in
 * `status.uncountedTerminatedPods` first, then loses its finalizer, and is moved from the note to the counters when it has lost it.
 * Of an indexed Job, the completed indexes are the note of those that have succeeded. Pure. Upstream:
 * `trackJobStatusAndRemoveFinalizers`, https://github.com/kubernetes/enhancements/tree/master/keps/sig-apps/2307-job-tracking-without-lingering-pods
 */
import { timeOf } from '../../../../api/machinery/time.ts';
import { findCondition, withoutCondition } from '../../framework/conditions.ts';
import { indexOf, type Assessment, type End } from './assess.ts';
import { isFailed, isTracked, type JobPod } from './job-pods.ts';
import { judgeFailure } from './policies.ts';
import type { JobCondition, JobStatus } from '../../../../api/types/batch/v1.gen.ts';

/** The most pods that the status notes at a time, so that it stays below 20 kB. */
const MAX_UNCOUNTED = 500;

/** What has become of the pods after the plan for them. */
export interface PodsAfter {
  readonly active: number;
  readonly ready: number;
  readonly terminating: number;
  /** No pod is missing in the cache, and every one that was to end was told to. */
  readonly isSettled: boolean;
  /** Pods were created and deleted as `spec` wants them. */
  readonly isManaged: boolean;
}

export interface JobEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export interface Tracking {
  /** To be written before a finalizer is removed. */
  readonly status: JobStatus;
  /** The pods that may go then. */
  readonly release: readonly JobPod[];
  /** Those that have to be released before they are counted, by uid. */
  readonly held: ReadonlySet<string>;
  readonly end: End | undefined;
  /** More pods have ended than were noted: another round follows. */
  readonly isPartial: boolean;
  readonly events: readonly JobEvent[];
}

export function track(assessment: Assessment, after: PodsAfter): Tracking {
  const { status: old, pods, indexes, now } = assessment;
  const end = endAfter(assessment, after);
  const events: JobEvent[] = [];
  const held = new Set(pods.filter(isTracked).map(({ uid }) => uid));
  const conditions = end
    ? withEnd(old.conditions ?? [], end, now)
    : after.isManaged
      ? withSuspension(assessment, events)
      : (old.conditions ?? []);
  const { noted, release, isPartial } = noteEnded(assessment, counted(old, held), end);
  const status: JobStatus = {
    ...noted,
    conditions,
    startTime: startTimeOf(assessment, events),
    active: after.active,
    ready: after.ready,
    terminating: after.terminating,
    ...(indexes && { succeeded: indexes.succeeded.size, completedIndexes: String(indexes.succeeded) }),
    failedIndexes: indexes?.failed && String(indexes.failed),
  };
  return { status, release, held, end, isPartial, events };
}

/** A Job is not over while pods that it has to end may be left. */
function endAfter({ end, spec, succeeded }: Assessment, after: PodsAfter): End | undefined {
  if (end) return after.isSettled ? end : undefined;
  const isReached = spec.completions === undefined ? succeeded > 0 : succeeded >= spec.completions;
  if (!isReached || after.active > 0) return undefined;
  return { isSuccess: true, reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' };
}

/** Moves those from the note to the counters that have lost their finalizer. */
function counted(status: JobStatus, held: ReadonlySet<string>): JobStatus {
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {};
  const left = {
    succeeded: succeeded.filter((uid) => held.has(uid)),
    failed: failed.filter((uid) => held.has(uid)),
  };
  return {
    ...status,
    succeeded: (status.succeeded ?? 0) + succeeded.length - left.succeeded.length,
    failed: (status.failed ?? 0) + failed.length - left.failed.length,
    uncountedTerminatedPods: {
      ...(left.succeeded.length > 0 && { succeeded: left.succeeded }),
      ...(left.failed.length > 0 && { failed: left.failed }),
    },
  };
}

function noteEnded(
  assessment: Assessment,
  status: JobStatus,
  end: End | undefined,
): { readonly noted: JobStatus; readonly release: JobPod[]; readonly isPartial: boolean } {
  const { pods, spec, indexes } = assessment;
  const before = status.uncountedTerminatedPods;
  const succeeded = new Set(before?.succeeded);
  const failed = new Set(before?.failed);
  const newIndexes = new Set<number>();
  const release: JobPod[] = [];
  const byIndex = indexes ? pods.toSorted((a, b) => (a.job.index ?? -1) - (b.job.index ?? -1)) : pods;
  let isPartial = false;
  for (const pod of byIndex) {
    if (!isTracked(pod) || !mayRelease(assessment, pod, end)) continue;
    if (newIndexes.size + succeeded.size + failed.size >= MAX_UNCOUNTED) {
      isPartial = true;
      break;
    }
    release.push(pod);
    const index = indexOf(pod, spec);
    if (indexes && index === undefined) continue;
    if (pod.phase === 'Succeeded' && !failed.has(pod.uid)) {
      if (index === undefined || !indexes) succeeded.add(pod.uid);
      else if (!indexes.counted.has(index)) newIndexes.add(index);
    } else if (isFailed(pod, spec) || (end && !end.isSuccess)) {
      // Of a Job that has failed, every pod that has not succeeded has failed.
      if (judgeFailure(spec.podFailurePolicy, pod).counts) failed.add(pod.uid);
    }
  }
  const uncountedTerminatedPods = {
    ...(succeeded.size > 0 && { succeeded: [...succeeded] }),
    ...(failed.size > 0 && { failed: [...failed] }),
  };
  return { noted: { ...status, uncountedTerminatedPods }, release, isPartial };
}

function mayRelease({ job, spec, indexes }: Assessment, pod: JobPod, end: End | undefined): boolean {
  if (job.metadata?.deletionTimestamp || end || pod.phase === 'Succeeded') return true;
  if (!isFailed(pod, spec)) return false;
  const index = indexOf(pod, spec);
  return index === undefined || indexes?.lastFailed.get(index)?.uid !== pod.uid;
}

/** The status when finalizers have been removed; `held` are those that are left. The Job is finished when nothing is open. */
export function settle(
  { job, now }: Assessment,
  { end, isPartial }: Tracking,
  written: JobStatus,
  held: ReadonlySet<string>,
): { readonly status: JobStatus; readonly isFinished: boolean; readonly events: readonly JobEvent[] } {
  const status = counted(written, held);
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {};
  const isOpen = isPartial || succeeded.length + failed.length > 0 || (status.terminating ?? 0) > 0;
  if (!end || isOpen) return { status, isFinished: false, events: [] };
  const type = end.isSuccess ? 'Complete' : 'Failed';
  const conditions = withJobCondition(status.conditions ?? [], { type, status: 'True', ...reasonOf(end) }, now);
  const finished = { ...status, conditions, ...(end.isSuccess && { completionTime: timeOf(now) }) };
  const surplus = (status.succeeded ?? 0) > (job.spec?.completions ?? Infinity);
  return { status: finished, isFinished: true, events: eventsOf(end, surplus) };
}

function eventsOf({ isSuccess, reason, message }: End, hasSurplus: boolean): JobEvent[] {
  if (!isSuccess) return [{ type: 'Warning', reason, message }];
  const tooMany = 'Too many succeeded pods running after completion count reached';
  return [
    ...(hasSurplus ? [{ type: 'Warning', reason: 'TooManySucceededPods', message: tooMany } as const] : []),
    { type: 'Normal', reason: 'Completed', message: 'Job completed' },
  ];
}

const reasonOf = ({ reason, message }: End) => ({ reason, message });

/** What is to become of the Job is noted before its pods go, so that nobody decides otherwise without them. */
function withEnd(conditions: JobCondition[], end: End, now: number): JobCondition[] {
  const type = end.isSuccess ? 'SuccessCriteriaMet' : 'FailureTarget';
  if (findCondition(conditions, type)?.status === 'True') return conditions;
  return withJobCondition(conditions, { type, status: 'True', ...reasonOf(end) }, now);
}

/** A suspended Job says so; one that never was says nothing. */
function withSuspension({ spec, status, now }: Assessment, events: JobEvent[]): JobCondition[] {
  const { conditions = [] } = status;
  const before = findCondition(conditions, 'Suspended');
  const isSuspended = spec.suspend ?? false;
  if (!before && !isSuspended) return conditions;
  const reason = isSuspended ? 'JobSuspended' : 'JobResumed';
  const message = isSuspended ? 'Job suspended' : 'Job resumed';
  const value = isSuspended ? 'True' : 'False';
  if (before?.status === value && before.reason === reason) return conditions;
  events.push({ type: 'Normal', reason: isSuspended ? 'Suspended' : 'Resumed', message });
  return withJobCondition(conditions, { type: 'Suspended', status: value, reason, message }, now);
}

/** A Job that is resumed starts anew: its deadline counts the time that it is active without a break. */
function startTimeOf({ spec, status, now }: Assessment, events: readonly JobEvent[]): string | undefined {
  const event = events.find(({ reason }) => reason === 'Suspended' || reason === 'Resumed')?.reason;
  if (event === 'Suspended') return undefined;
  if (event === 'Resumed') return timeOf(now);
  return status.startTime ?? (spec.suspend ? undefined : timeOf(now));
}

function withJobCondition(
  conditions: readonly JobCondition[],
  condition: Pick<JobCondition, 'type' | 'status' | 'reason' | 'message'>,
  now: number,
): JobCondition[] {
  const time = timeOf(now);
  const others = withoutCondition(conditions, condition.type);
  return [...others, { ...condition, lastProbeTime: time, lastTransitionTime: time }];
}
