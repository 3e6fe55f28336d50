// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, int32, int64, list, oneOf, optional, required, string, struct, time } from '../../machinery/schema.ts';
import { LabelSelector, ObjectMeta } from '../meta/v1.gen.ts';
import { ObjectReference, PodTemplateSpec } from '../core/v1.gen.ts';

export const CronJob = struct('io.k8s.api.batch.v1.CronJob', () => ({
  spec: required(2, CronJobSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  status: optional(3, CronJobStatus, { always: true }),
}));
export type CronJob = {
  spec: CronJobSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  status?: CronJobStatus;
};

export const CronJobSpec = struct('io.k8s.api.batch.v1.CronJobSpec', () => ({
  jobTemplate: required(5, JobTemplateSpec),
  schedule: required(1, string, { nonEmpty: true }),
  concurrencyPolicy: optional(3, oneOf('Allow', 'Forbid', 'Replace'), { supported: ['Allow', 'Forbid', 'Replace'], goType: 'v1.ConcurrencyPolicy' }),
  failedJobsHistoryLimit: optional(7, int32, { pointer: true, minimum: 0 }),
  startingDeadlineSeconds: optional(2, int64, { pointer: true, minimum: 0 }),
  successfulJobsHistoryLimit: optional(6, int32, { pointer: true, minimum: 0 }),
  suspend: optional(4, boolean, { pointer: true }),
  timeZone: optional(8, string, { pointer: true }),
}));
export type CronJobSpec = {
  jobTemplate: JobTemplateSpec;
  schedule: string;
  concurrencyPolicy?: 'Allow' | 'Forbid' | 'Replace';
  failedJobsHistoryLimit?: number;
  startingDeadlineSeconds?: number;
  successfulJobsHistoryLimit?: number;
  suspend?: boolean;
  timeZone?: string;
};

export const CronJobStatus = struct('io.k8s.api.batch.v1.CronJobStatus', () => ({
  active: optional(1, list(ObjectReference), { listType: 'atomic' }),
  lastScheduleTime: optional(4, time),
  lastSuccessfulTime: optional(5, time),
}));
export type CronJobStatus = {
  active?: ObjectReference[];
  lastScheduleTime?: string;
  lastSuccessfulTime?: string;
};

export const Job = struct('io.k8s.api.batch.v1.Job', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, JobSpec, { always: true }),
  status: optional(3, JobStatus, { always: true }),
}));
export type Job = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: JobSpec;
  status?: JobStatus;
};

export const JobCondition = struct('io.k8s.api.batch.v1.JobCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.JobConditionType' }),
  lastProbeTime: optional(3, time, { always: true }),
  lastTransitionTime: optional(4, time, { always: true }),
  message: optional(6, string),
  reason: optional(5, string),
}));
export type JobCondition = {
  status: string;
  type: string;
  lastProbeTime?: string | null;
  lastTransitionTime?: string | null;
  message?: string;
  reason?: string;
};

export const JobSpec = struct('io.k8s.api.batch.v1.JobSpec', () => ({
  template: required(6, PodTemplateSpec),
  activeDeadlineSeconds: optional(3, int64, { pointer: true, minimum: 0 }),
  backoffLimit: optional(7, int32, { pointer: true, minimum: 0 }),
  backoffLimitPerIndex: optional(12, int32, { pointer: true, minimum: 0 }),
  completionMode: optional(9, oneOf('Indexed', 'NonIndexed'), { pointer: true, supported: ['NonIndexed', 'Indexed'], goType: 'v1.CompletionMode' }),
  completions: optional(2, int32, { pointer: true, minimum: 0 }),
  managedBy: optional(15, string, { pointer: true }),
  manualSelector: optional(5, boolean, { pointer: true }),
  maxFailedIndexes: optional(13, int32, { pointer: true, minimum: 0 }),
  parallelism: optional(1, int32, { pointer: true, minimum: 0 }),
  podFailurePolicy: optional(11, PodFailurePolicy),
  podReplacementPolicy: optional(14, oneOf('Failed', 'TerminatingOrFailed'), { pointer: true, goType: 'v1.PodReplacementPolicy' }),
  selector: optional(4, LabelSelector),
  successPolicy: optional(16, SuccessPolicy),
  suspend: optional(10, boolean, { pointer: true }),
  ttlSecondsAfterFinished: optional(8, int32, { pointer: true, minimum: 0 }),
}));
export type JobSpec = {
  template: PodTemplateSpec;
  activeDeadlineSeconds?: number;
  backoffLimit?: number;
  backoffLimitPerIndex?: number;
  completionMode?: 'Indexed' | 'NonIndexed';
  completions?: number;
  managedBy?: string;
  manualSelector?: boolean;
  maxFailedIndexes?: number;
  parallelism?: number;
  podFailurePolicy?: PodFailurePolicy;
  podReplacementPolicy?: 'Failed' | 'TerminatingOrFailed';
  selector?: LabelSelector;
  successPolicy?: SuccessPolicy;
  suspend?: boolean;
  ttlSecondsAfterFinished?: number;
};

export const JobStatus = struct('io.k8s.api.batch.v1.JobStatus', () => ({
  active: optional(4, int32, { minimum: 0 }),
  completedIndexes: optional(7, string),
  completionTime: optional(3, time),
  conditions: optional(1, list(JobCondition), { listType: 'atomic', patchMergeKey: 'type', patchStrategy: 'merge' }),
  failed: optional(6, int32, { minimum: 0 }),
  failedIndexes: optional(10, string, { pointer: true }),
  ready: optional(9, int32, { pointer: true, minimum: 0 }),
  startTime: optional(2, time),
  succeeded: optional(5, int32, { minimum: 0 }),
  terminating: optional(11, int32, { pointer: true, minimum: 0 }),
  uncountedTerminatedPods: optional(8, UncountedTerminatedPods),
}));
export type JobStatus = {
  active?: number;
  completedIndexes?: string;
  completionTime?: string;
  conditions?: JobCondition[];
  failed?: number;
  failedIndexes?: string;
  ready?: number;
  startTime?: string;
  succeeded?: number;
  terminating?: number;
  uncountedTerminatedPods?: UncountedTerminatedPods;
};

export const JobTemplateSpec = struct('io.k8s.api.batch.v1.JobTemplateSpec', () => ({
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, JobSpec, { always: true }),
}));
export type JobTemplateSpec = {
  metadata?: ObjectMeta;
  spec?: JobSpec;
};

export const PodFailurePolicy = struct('io.k8s.api.batch.v1.PodFailurePolicy', () => ({
  rules: required(1, list(PodFailurePolicyRule), { listType: 'atomic' }),
}));
export type PodFailurePolicy = {
  rules: PodFailurePolicyRule[];
};

export const PodFailurePolicyOnExitCodesRequirement = struct('io.k8s.api.batch.v1.PodFailurePolicyOnExitCodesRequirement', () => ({
  operator: required(2, oneOf('In', 'NotIn'), { goType: 'v1.PodFailurePolicyOnExitCodesOperator' }),
  values: required(3, list(int32), { listType: 'set' }),
  containerName: optional(1, string, { pointer: true }),
}));
export type PodFailurePolicyOnExitCodesRequirement = {
  operator: 'In' | 'NotIn';
  values: number[];
  containerName?: string;
};

export const PodFailurePolicyOnPodConditionsPattern = struct('io.k8s.api.batch.v1.PodFailurePolicyOnPodConditionsPattern', () => ({
  type: required(1, string, { goType: 'v1.PodConditionType' }),
  status: optional(2, string, { always: true, goType: 'v1.ConditionStatus' }),
}));
export type PodFailurePolicyOnPodConditionsPattern = {
  type: string;
  status?: string;
};

export const PodFailurePolicyRule = struct('io.k8s.api.batch.v1.PodFailurePolicyRule', () => ({
  action: required(1, oneOf('Count', 'FailIndex', 'FailJob', 'Ignore'), { goType: 'v1.PodFailurePolicyAction' }),
  onExitCodes: optional(2, PodFailurePolicyOnExitCodesRequirement),
  onPodConditions: optional(3, list(PodFailurePolicyOnPodConditionsPattern), { listType: 'atomic' }),
}));
export type PodFailurePolicyRule = {
  action: 'Count' | 'FailIndex' | 'FailJob' | 'Ignore';
  onExitCodes?: PodFailurePolicyOnExitCodesRequirement;
  onPodConditions?: PodFailurePolicyOnPodConditionsPattern[];
};

export const SuccessPolicy = struct('io.k8s.api.batch.v1.SuccessPolicy', () => ({
  rules: required(1, list(SuccessPolicyRule), { listType: 'atomic' }),
}));
export type SuccessPolicy = {
  rules: SuccessPolicyRule[];
};

export const SuccessPolicyRule = struct('io.k8s.api.batch.v1.SuccessPolicyRule', () => ({
  succeededCount: optional(2, int32, { pointer: true }),
  succeededIndexes: optional(1, string, { pointer: true }),
}));
export type SuccessPolicyRule = {
  succeededCount?: number;
  succeededIndexes?: string;
};

export const UncountedTerminatedPods = struct('io.k8s.api.batch.v1.UncountedTerminatedPods', () => ({
  failed: optional(2, list(string), { listType: 'set', goType: '[]types.UID' }),
  succeeded: optional(1, list(string), { listType: 'set', goType: '[]types.UID' }),
}));
export type UncountedTerminatedPods = {
  failed?: string[];
  succeeded?: string[];
};
