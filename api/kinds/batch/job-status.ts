/**
 * Validation of a Job's status, which other controllers than Kubernetes' may write (`managedBy`, KEP-4368): what is consistent, and
 * which transitions there are. Most rules apply only when what they are about has changed, so that other changes are possible in a
 * status that breaks them. Upstream's `ValidateJobStatusUpdate` and `getStatusValidationOptions`.
 */
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import {
  addErrors,
  duplicate,
  type FieldError,
  invalid,
  invalidUnshown,
  required,
} from '../../machinery/field-error.ts';
import { commonIndex, readIndexes } from './index-intervals.ts';
import { hasCondition, isFinished, type JobConditionType } from './job-conditions.ts';
import type { Job, JobStatus } from '../../types/batch/v1.gen.ts';

interface Change {
  readonly job: Job;
  readonly status: JobStatus;
  readonly old: JobStatus;
  /** Whether one of these fields or conditions has changed. */
  readonly isChanged: (...what: readonly (keyof JobStatus | JobConditionType)[]) => boolean;
}

const CONDITIONS = 'status.conditions';
const TERMINAL = ['Failed', 'Complete', 'FailureTarget'] as const;
const CONDITION_TYPES: ReadonlySet<string> = new Set(['Complete', 'Failed', 'FailureTarget', 'SuccessCriteriaMet']);

function changeOf(job: Job, oldJob: Job): Change {
  const { status = {} } = job;
  const { status: old = {} } = oldJob;
  const isChanged: Change['isChanged'] = (...what) =>
    what.some((each) =>
      CONDITION_TYPES.has(each)
        ? hasCondition(status, each as JobConditionType) !== hasCondition(old, each as JobConditionType)
        : !semanticallyEqual(status[each as keyof JobStatus], old[each as keyof JobStatus]),
    );
  return { job, status, old, isChanged };
}

const isFinishedChanged = ({ status, old }: Change): boolean => isFinished(status) !== isFinished(old);

function validateUncounted({ uncountedTerminatedPods }: JobStatus): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const field of ['succeeded', 'failed'] as const) {
    for (const [index, uid] of (uncountedTerminatedPods?.[field] ?? []).entries()) {
      const path = `status.uncountedTerminatedPods.${field}[${index}]`;
      if (uid === '') errors.push(invalid(path, uid, 'must not be empty'));
      else if (seen.has(uid)) errors.push(duplicate(path, uid));
      seen.add(uid);
    }
  }
  return errors;
}

function validateConditions({ status, isChanged }: Change): FieldError[] {
  const errors: FieldError[] = [];
  const has = (type: JobConditionType): boolean => hasCondition(status, type);
  const refuse = (isWrong: boolean, problem: string): void => {
    if (isWrong) errors.push(invalidUnshown(CONDITIONS, problem));
  };
  const complete = has('Complete');
  refuse(
    isChanged('Complete', 'Failed') && complete && has('Failed'),
    'cannot set Complete=True and Failed=true conditions',
  );
  refuse(
    isChanged('Complete', 'FailureTarget') && complete && has('FailureTarget'),
    'cannot set Complete=True and FailureTarget=true conditions',
  );
  return errors;
}

function validateTimes({ status, isChanged }: Change): FieldError[] {
  const { startTime, completionTime } = status;
  const isComplete = hasCondition(status, 'Complete');
  const path = 'status.completionTime';
  const errors: FieldError[] = [];
  if (isChanged('Complete', 'completionTime')) {
    if (completionTime && !isComplete) {
      const problem = 'cannot set completionTime when there is no Complete=True condition';
      errors.push(invalid(path, completionTime, problem));
    }
    if (!completionTime && isComplete) errors.push(required(path, 'completionTime is required for Complete jobs'));
  }
  if (!isChanged('startTime', 'completionTime') || !startTime || !completionTime) return errors;
  if (Date.parse(completionTime) >= Date.parse(startTime)) return errors;
  return [...errors, invalid(path, completionTime, 'must be equal to or after `startTime`')];
}

function validateFinish(change: Change): FieldError[] {
  const { job, status, isChanged } = change;
  const errors: FieldError[] = [];
  const isOver = isFinished(status);
  if (
    isChanged('Failed', 'failedIndexes') &&
    hasCondition(status, 'Failed') &&
    !hasCondition(status, 'FailureTarget')
  ) {
    const problem = 'cannot set Failed=True condition without the FailureTarget=true condition';
    errors.push(invalidUnshown(CONDITIONS, problem));
  }
  if (
    isChanged('Complete', 'SuccessCriteriaMet') &&
    hasCondition(status, 'Complete') &&
    !hasCondition(status, 'SuccessCriteriaMet')
  ) {
    const problem = 'cannot set Complete=True condition without the SuccessCriteriaMet=true condition';
    errors.push(invalidUnshown(CONDITIONS, problem));
  }
  if (!isOver) return errors;
  const ends = isFinishedChanged(change);
  const { active = 0, uncountedTerminatedPods: uncounted } = status;
  if ((ends || isChanged('active')) && active > 0) {
    errors.push(invalid('status.active', active, 'active>0 is invalid for finished job'));
  }
  const neverRuns = job.spec?.suspend === true && job.spec.completions === 0;
  if ((ends || isChanged('startTime')) && !neverRuns && !status.startTime) {
    errors.push(required('status.startTime', 'startTime is required for finished job'));
  }
  const uids = (uncounted?.failed?.length ?? 0) + (uncounted?.succeeded?.length ?? 0);
  if ((ends || isChanged('uncountedTerminatedPods')) && uids > 0) {
    errors.push(invalid('status.uncountedTerminatedPods', uncounted, 'must be empty for finished job'));
  }
  return errors;
}

function validateIndexes({ job, status, isChanged }: Change): FieldError[] {
  const errors: FieldError[] = [];
  const { completions, backoffLimitPerIndex, completionMode } = job.spec ?? {};
  const { completedIndexes = '', failedIndexes } = status;
  const check = (field: string, text: string): void => {
    const { problem } = completions === undefined ? {} : readIndexes(text, completions);
    if (problem !== undefined) errors.push(invalid(`status.${field}`, text, `error parsing ${field}: ${problem}`));
  };
  if (isChanged('completedIndexes')) check('completedIndexes', completedIndexes);
  if (isChanged('failedIndexes') && backoffLimitPerIndex !== undefined) check('failedIndexes', failedIndexes ?? '');
  if (isChanged('completedIndexes') && completedIndexes !== '' && completionMode !== 'Indexed') {
    const problem = 'cannot set non-empty completedIndexes when non-indexed completion mode';
    errors.push(invalid('status.completedIndexes', completedIndexes, problem));
  }
  if (failedIndexes === undefined) return errors;
  if (isChanged('failedIndexes') && backoffLimitPerIndex === undefined) {
    const problem = 'cannot set non-null failedIndexes when backoffLimitPerIndex is null';
    errors.push(invalid('status.failedIndexes', failedIndexes, problem));
  }
  if (!isChanged('failedIndexes', 'completedIndexes') || completions === undefined) return errors;
  const common = commonIndex(completedIndexes, failedIndexes, completions);
  if (common === undefined) return errors;
  const problem = `failedIndexes and completedIndexes overlap at index: ${common}`;
  return [...errors, invalid('status.failedIndexes', failedIndexes, problem)];
}

function validatePods(change: Change): FieldError[] {
  const { status, isChanged } = change;
  const { active = 0, ready, terminating = 0 } = status;
  const errors: FieldError[] = [];
  if ((isFinishedChanged(change) || isChanged('terminating')) && terminating > 0 && isFinished(status)) {
    errors.push(invalid('status.terminating', terminating, 'terminating>0 is invalid for finished job'));
  }
  if (isChanged('ready', 'active') && ready !== undefined && ready > active) {
    errors.push(invalid('status.ready', ready, 'cannot set more ready pods than active'));
  }
  return errors;
}

function validateSuccess({ job, status }: Change): FieldError[] {
  const errors: FieldError[] = [];
  const isMet = hasCondition(status, 'SuccessCriteriaMet');
  for (const [type, shown] of [
    ['Failed', 'Failed=true'],
    ['FailureTarget', 'FailureTarget=true'],
  ] as const) {
    if (!isMet || !hasCondition(status, type)) continue;
    errors.push(invalidUnshown(CONDITIONS, `cannot set SuccessCriteriaMet=True and ${shown} conditions`));
  }
  if (job.spec?.successPolicy && !isMet && hasCondition(status, 'Complete')) {
    const problem = 'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True';
    errors.push(invalidUnshown(CONDITIONS, problem));
  }
  return errors;
}

/** Terminal conditions stay, counters grow, times are set once. */
function validateTransition({ job, status, old, isChanged }: Change): FieldError[] {
  const errors: FieldError[] = [];
  const { completionMode, completions, parallelism, suspend = false } = job.spec ?? {};
  for (const type of TERMINAL) {
    if (!hasCondition(old, type) || hasCondition(status, type)) continue;
    errors.push(invalidUnshown(CONDITIONS, `cannot disable the terminal ${type}=True condition`));
  }
  const { failed = 0, succeeded = 0, startTime, completionTime } = status;
  if (failed < (old.failed ?? 0)) errors.push(invalid('status.failed', failed, 'cannot decrease the failed counter'));
  const isScalable = completionMode === 'Indexed' && completions === parallelism;
  if (succeeded < (old.succeeded ?? 0) && !isScalable) {
    errors.push(invalid('status.succeeded', succeeded, 'cannot decrease the succeeded counter'));
  }
  if (completionTime && old.completionTime && completionTime !== old.completionTime) {
    errors.push(invalid('status.completionTime', completionTime, 'field is immutable'));
  }
  const isResumed = hasCondition(old, 'Suspended') && hasCondition(status, 'Suspended', 'False');
  if (isChanged('startTime') && old.startTime && !isResumed && !suspend) {
    errors.push(invalid('status.startTime', startTime, 'field is immutable for unsuspended job once set'));
  }
  const [wasMet, isMet] = [hasCondition(old, 'SuccessCriteriaMet'), hasCondition(status, 'SuccessCriteriaMet')];
  if (wasMet && !isMet) {
    errors.push(invalidUnshown(CONDITIONS, 'cannot disable the SuccessCriteriaMet=True condition'));
  }
  if (hasCondition(old, 'Complete') && !wasMet && isMet) {
    const problem = 'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions';
    errors.push(invalidUnshown(CONDITIONS, problem));
  }
  return errors;
}

export function validateJobStatus(job: Job, old: Job): FieldError[] {
  const change = changeOf(job, old);
  const errors = validateUncounted(change.status);
  for (const validate of [
    validateConditions,
    validateTimes,
    validateFinish,
    validateIndexes,
    validatePods,
    validateSuccess,
    validateTransition,
  ]) {
    addErrors(errors, validate(change));
  }
  return errors;
}
