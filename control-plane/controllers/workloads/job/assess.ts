/**
 * What the pods of a Job amount to: how many have succeeded and failed, which indexes, and whether the Job is over because of it.
 * Pure. Upstream: the first half of `syncJob` (pkg/controller/job/job_controller.go).
 */
import { isActive } from '../../caches/pod-view.ts';
import { findCondition } from '../../framework/conditions.ts';
import { recordEnds, type Failures } from './backoff.ts';
import { IndexSet } from './index-set.ts';
import { isFailed, isTerminating, isTracked, type JobPod } from './job-pods.ts';
import { judgeFailure, metSuccessRule } from './policies.ts';
import type { Job, JobSpec, JobStatus } from '../../../../api/types/batch/v1.gen.ts';

export interface JobState {
  readonly job: Job;
  /** Those that it controls. */
  readonly pods: readonly JobPod[];
  /** Of its pods until now. */
  readonly failures: Failures;
  /** ms since the epoch. */
  readonly now: number;
}

/** Why a Job is over. Its condition is first SuccessCriteriaMet or FailureTarget, and Complete or Failed when its pods are gone. */
export interface End {
  readonly isSuccess: boolean;
  readonly reason: string;
  readonly message: string;
}

/** What an indexed Job has reached. */
export interface IndexProgress {
  readonly completions: number;
  /** According to the status. */
  readonly counted: IndexSet;
  /** With those whose pods have ended since. */
  readonly succeeded: IndexSet;
  /** Only with `backoffLimitPerIndex`. */
  readonly failed: IndexSet | undefined;
  /**
   * The last failed pod of each index that is to get another one. It stays until that one is there: from it the new pod takes how
   * often its index has failed.
   */
  readonly lastFailed: ReadonlyMap<number, JobPod>;
}

export interface Assessment extends JobState {
  readonly spec: JobSpec;
  readonly status: JobStatus;
  readonly active: readonly JobPod[];
  readonly ready: number;
  readonly terminating: number;
  /** Counted or not. */
  readonly succeeded: number;
  readonly indexes: IndexProgress | undefined;
  /** After what has ended since. */
  readonly failuresNow: Failures;
  readonly end: End | undefined;
}

export function assess(state: JobState): Assessment {
  const { job, pods, failures, now } = state;
  const { status = {} } = job;
  const spec = job.spec ?? { template: {} };
  const active = pods.filter(isActive);
  const uncounted = status.uncountedTerminatedPods ?? {};
  const newSucceeded = newlyEnded(state, spec, uncounted.succeeded, (pod) => pod.phase === 'Succeeded');
  const newFailed = newlyEnded(state, spec, uncounted.failed, (pod) => isFailed(pod, spec));
  const counting = newFailed.filter((pod) => judgeFailure(spec.podFailurePolicy, pod).counts);
  const failed = (status.failed ?? 0) + counting.length + (uncounted.failed?.length ?? 0);
  const indexes = spec.completionMode === 'Indexed' ? indexProgress(state, spec, status, active) : undefined;
  const succeeded = (status.succeeded ?? 0) + newSucceeded.length + (uncounted.succeeded?.length ?? 0);
  return {
    ...state,
    spec,
    status,
    active,
    ready: active.filter(({ ready }) => ready).length,
    terminating: pods.filter(isTerminating).length,
    succeeded: indexes ? indexes.succeeded.size : succeeded,
    indexes,
    failuresNow: recordEnds(failures, newSucceeded, newFailed),
    end:
      endBefore(status) ??
      failureByPolicy(state, spec) ??
      failureByLimits(state, spec, failed) ??
      (indexes && endByIndexes(spec, indexes)),
    now,
  };
}

/** The completion index, unless it is beyond what an indexed Job has. */
export function indexOf({ job: { index } }: JobPod, { completions = 0 }: JobSpec): number | undefined {
  return index !== undefined && index < completions ? index : undefined;
}

function newlyEnded(
  { pods }: JobState,
  spec: JobSpec,
  uncounted: readonly string[] = [],
  hasEnded: (pod: JobPod) => boolean,
): JobPod[] {
  const noted = new Set(uncounted);
  return pods.filter((pod) => {
    if (!isTracked(pod) || noted.has(pod.uid) || !hasEnded(pod)) return false;
    return spec.completionMode !== 'Indexed' || indexOf(pod, spec) !== undefined;
  });
}

/** What an earlier reconciliation has decided stays so. */
function endBefore({ conditions }: JobStatus): End | undefined {
  for (const type of ['SuccessCriteriaMet', 'FailureTarget']) {
    const condition = findCondition(conditions, type);
    if (condition?.status !== 'True') continue;
    const { reason = '', message = '' } = condition;
    return { isSuccess: type === 'SuccessCriteriaMet', reason, message };
  }
  return undefined;
}

const failure = (reason: string, message: string): End => ({ isSuccess: false, reason, message });

function failureByPolicy({ pods }: JobState, spec: JobSpec): End | undefined {
  if (!spec.podFailurePolicy) return undefined;
  for (const pod of pods) {
    const message = isFailed(pod, spec) ? judgeFailure(spec.podFailurePolicy, pod).message : undefined;
    if (message !== undefined) return failure('PodFailurePolicy', message);
  }
  return undefined;
}

function failureByLimits(state: JobState, spec: JobSpec, failed: number): End | undefined {
  if (failed > (spec.backoffLimit ?? 0) || hasRestartedTooOften(state, spec)) {
    return failure('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }
  if (deadlineInMs(state.job, state.now) <= 0) {
    return failure('DeadlineExceeded', 'Job was active longer than specified deadline');
  }
  return undefined;
}

/** With the restart policy OnFailure it is the containers that fail, and not the pods. */
function hasRestartedTooOften({ pods }: JobState, { template, backoffLimit = 0 }: JobSpec): boolean {
  if (template.spec?.restartPolicy !== 'OnFailure') return false;
  let restarts = 0;
  for (const { phase, job } of pods) if (phase === 'Running' || phase === 'Pending') restarts += job.totalRestarts;
  return backoffLimit === 0 ? restarts > 0 : restarts >= backoffLimit;
}

/** In how many ms `activeDeadlineSeconds` ends; Infinity when it does not. */
export function deadlineInMs({ spec, status }: Job, now: number): number {
  if (spec?.activeDeadlineSeconds === undefined || spec.suspend) return Infinity;
  const startedAt = status?.startTime ? Date.parse(status.startTime) : now;
  return startedAt + spec.activeDeadlineSeconds * 1000 - now;
}

function indexProgress({ pods }: JobState, spec: JobSpec, status: JobStatus, active: readonly JobPod[]): IndexProgress {
  const { completions = 0, backoffLimitPerIndex } = spec;
  const counted = IndexSet.parse(status.completedIndexes, completions);
  const indexesOf = (some: readonly JobPod[]): IndexSet => IndexSet.of(some.flatMap((pod) => indexOf(pod, spec) ?? []));
  const tracked = pods.filter(isTracked);
  const succeeded = counted.union(indexesOf(tracked.filter(({ phase }) => phase === 'Succeeded')));
  if (backoffLimitPerIndex === undefined) {
    return { completions, counted, succeeded, failed: undefined, lastFailed: new Map() };
  }
  const failedPods = tracked.filter((pod) => isFailed(pod, spec));
  const given = failedPods.filter((pod) => failsIndex(pod, spec, backoffLimitPerIndex));
  const failed = IndexSet.parse(status.failedIndexes, completions).union(indexesOf(given));
  const settled = succeeded.union(failed).union(indexesOf(active));
  const lastFailed = new Map<number, JobPod>();
  for (const pod of failedPods) {
    const index = indexOf(pod, spec);
    if (index === undefined || settled.has(index)) continue;
    const known = lastFailed.get(index);
    if (!known || isLater(pod, known)) lastFailed.set(index, pod);
  }
  return { completions, counted, succeeded, failed, lastFailed };
}

function failsIndex(pod: JobPod, { podFailurePolicy }: JobSpec, backoffLimitPerIndex: number): boolean {
  const { action, counts } = judgeFailure(podFailurePolicy, pod);
  return action === 'FailIndex' || (counts && pod.job.earlierFailures >= backoffLimitPerIndex);
}

function isLater({ job: a }: JobPod, { job: b }: JobPod): boolean {
  const [failures, known] = [a.earlierFailures + a.earlierIgnored, b.earlierFailures + b.earlierIgnored];
  return failures >= known && a.endedAt >= b.endedAt;
}

function endByIndexes(
  { maxFailedIndexes, successPolicy }: JobSpec,
  { completions, succeeded, failed }: IndexProgress,
): End | undefined {
  const failures = failed?.size ?? 0;
  if (failures > (maxFailedIndexes ?? Infinity)) {
    const message = 'Job has exceeded the specified maximal number of failed indexes';
    return failure('MaxFailedIndexesExceeded', message);
  }
  if (failures > 0 && failures + succeeded.size >= completions)
    return failure('FailedIndexes', 'Job has failed indexes');
  const rule = metSuccessRule(successPolicy, succeeded, completions);
  if (rule === undefined) return undefined;
  return { isSuccess: true, reason: 'SuccessPolicy', message: `Matched rules at index ${rule}` };
}
