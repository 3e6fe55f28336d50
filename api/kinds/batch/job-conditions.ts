import type { JobStatus } from '../../types/batch/v1.gen.ts';

export type JobConditionType = 'Suspended' | 'Complete' | 'Failed' | 'FailureTarget' | 'SuccessCriteriaMet';

export const hasCondition = (status: JobStatus | undefined, type: JobConditionType, value = 'True'): boolean =>
  status?.conditions?.some((condition) => condition.type === type && condition.status === value) ?? false;

export const isFinished = (status: JobStatus | undefined): boolean =>
  hasCondition(status, 'Complete') || hasCondition(status, 'Failed');
