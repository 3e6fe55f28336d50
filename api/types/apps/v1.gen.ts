// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, int32, int64, intOrString, list, namedObject, oneOf, optional, required, string, struct, time } from '../../machinery/schema.ts';
import { LabelSelector, ObjectMeta } from '../meta/v1.gen.ts';
import { PersistentVolumeClaim, PodTemplateSpec } from '../core/v1.gen.ts';

export const ControllerRevision = struct('io.k8s.api.apps.v1.ControllerRevision', () => ({
  revision: required(3, int64, { minimum: 0 }),
  apiVersion: optional(undefined, string),
  data: optional(2, namedObject('io.k8s.apimachinery.pkg.runtime.RawExtension'), { immutable: true }),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type ControllerRevision = {
  revision: number;
  apiVersion?: string;
  data?: Record<string, unknown>;
  kind?: string;
  metadata?: ObjectMeta;
};

export const DaemonSet = struct('io.k8s.api.apps.v1.DaemonSet', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, DaemonSetSpec, { always: true }),
  status: optional(3, DaemonSetStatus, { always: true }),
}));
export type DaemonSet = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: DaemonSetSpec;
  status?: DaemonSetStatus;
};

export const DaemonSetCondition = struct('io.k8s.api.apps.v1.DaemonSetCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.DaemonSetConditionType' }),
  lastTransitionTime: optional(3, time, { always: true }),
  message: optional(5, string),
  reason: optional(4, string),
}));
export type DaemonSetCondition = {
  status: string;
  type: string;
  lastTransitionTime?: string | null;
  message?: string;
  reason?: string;
};

export const DaemonSetSpec = struct('io.k8s.api.apps.v1.DaemonSetSpec', () => ({
  selector: required(1, LabelSelector, { immutable: true, nullable: true }),
  template: required(2, PodTemplateSpec),
  minReadySeconds: optional(4, int32, { minimum: 0 }),
  revisionHistoryLimit: optional(6, int32, { pointer: true, minimum: 0 }),
  updateStrategy: optional(3, DaemonSetUpdateStrategy, { always: true }),
}));
export type DaemonSetSpec = {
  selector: LabelSelector;
  template: PodTemplateSpec;
  minReadySeconds?: number;
  revisionHistoryLimit?: number;
  updateStrategy?: DaemonSetUpdateStrategy;
};

export const DaemonSetStatus = struct('io.k8s.api.apps.v1.DaemonSetStatus', () => ({
  currentNumberScheduled: required(1, int32, { minimum: 0 }),
  desiredNumberScheduled: required(3, int32, { minimum: 0 }),
  numberMisscheduled: required(2, int32, { minimum: 0 }),
  numberReady: required(4, int32, { minimum: 0 }),
  collisionCount: optional(9, int32, { pointer: true, minimum: 0 }),
  conditions: optional(10, list(DaemonSetCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  numberAvailable: optional(7, int32, { minimum: 0 }),
  numberUnavailable: optional(8, int32, { minimum: 0 }),
  observedGeneration: optional(5, int64, { minimum: 0 }),
  updatedNumberScheduled: optional(6, int32, { minimum: 0 }),
}));
export type DaemonSetStatus = {
  currentNumberScheduled: number;
  desiredNumberScheduled: number;
  numberMisscheduled: number;
  numberReady: number;
  collisionCount?: number;
  conditions?: DaemonSetCondition[];
  numberAvailable?: number;
  numberUnavailable?: number;
  observedGeneration?: number;
  updatedNumberScheduled?: number;
};

export const DaemonSetUpdateStrategy = struct('io.k8s.api.apps.v1.DaemonSetUpdateStrategy', () => ({
  rollingUpdate: optional(2, RollingUpdateDaemonSet),
  type: optional(1, oneOf('OnDelete', 'RollingUpdate'), { goType: 'v1.DaemonSetUpdateStrategyType' }),
}));
export type DaemonSetUpdateStrategy = {
  rollingUpdate?: RollingUpdateDaemonSet;
  type?: 'OnDelete' | 'RollingUpdate';
};

export const Deployment = struct('io.k8s.api.apps.v1.Deployment', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, DeploymentSpec, { always: true }),
  status: optional(3, DeploymentStatus, { always: true }),
}));
export type Deployment = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: DeploymentSpec;
  status?: DeploymentStatus;
};

export const DeploymentCondition = struct('io.k8s.api.apps.v1.DeploymentCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.DeploymentConditionType' }),
  lastTransitionTime: optional(7, time, { always: true }),
  lastUpdateTime: optional(6, time, { always: true }),
  message: optional(5, string),
  reason: optional(4, string),
}));
export type DeploymentCondition = {
  status: string;
  type: string;
  lastTransitionTime?: string | null;
  lastUpdateTime?: string | null;
  message?: string;
  reason?: string;
};

export const DeploymentSpec = struct('io.k8s.api.apps.v1.DeploymentSpec', () => ({
  selector: required(2, LabelSelector, { immutable: true, nullable: true }),
  template: required(3, PodTemplateSpec),
  minReadySeconds: optional(5, int32, { minimum: 0 }),
  paused: optional(7, boolean),
  progressDeadlineSeconds: optional(9, int32, { pointer: true, minimum: 0 }),
  replicas: optional(1, int32, { pointer: true, minimum: 0 }),
  revisionHistoryLimit: optional(6, int32, { pointer: true, minimum: 0 }),
  strategy: optional(4, DeploymentStrategy, { always: true, patchStrategy: 'retainKeys' }),
}));
export type DeploymentSpec = {
  selector: LabelSelector;
  template: PodTemplateSpec;
  minReadySeconds?: number;
  paused?: boolean;
  progressDeadlineSeconds?: number;
  replicas?: number;
  revisionHistoryLimit?: number;
  strategy?: DeploymentStrategy;
};

export const DeploymentStatus = struct('io.k8s.api.apps.v1.DeploymentStatus', () => ({
  availableReplicas: optional(4, int32, { minimum: 0 }),
  collisionCount: optional(8, int32, { pointer: true, minimum: 0 }),
  conditions: optional(6, list(DeploymentCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  observedGeneration: optional(1, int64, { minimum: 0 }),
  readyReplicas: optional(7, int32, { minimum: 0 }),
  replicas: optional(2, int32, { minimum: 0 }),
  terminatingReplicas: optional(9, int32, { pointer: true }),
  unavailableReplicas: optional(5, int32, { minimum: 0 }),
  updatedReplicas: optional(3, int32, { minimum: 0 }),
}));
export type DeploymentStatus = {
  availableReplicas?: number;
  collisionCount?: number;
  conditions?: DeploymentCondition[];
  observedGeneration?: number;
  readyReplicas?: number;
  replicas?: number;
  terminatingReplicas?: number;
  unavailableReplicas?: number;
  updatedReplicas?: number;
};

export const DeploymentStrategy = struct('io.k8s.api.apps.v1.DeploymentStrategy', () => ({
  rollingUpdate: optional(2, RollingUpdateDeployment),
  type: optional(1, oneOf('Recreate', 'RollingUpdate'), { supported: ['Recreate', 'RollingUpdate'], goType: 'v1.DeploymentStrategyType' }),
}));
export type DeploymentStrategy = {
  rollingUpdate?: RollingUpdateDeployment;
  type?: 'Recreate' | 'RollingUpdate';
};

export const ReplicaSet = struct('io.k8s.api.apps.v1.ReplicaSet', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, ReplicaSetSpec, { always: true }),
  status: optional(3, ReplicaSetStatus, { always: true }),
}));
export type ReplicaSet = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: ReplicaSetSpec;
  status?: ReplicaSetStatus;
};

export const ReplicaSetCondition = struct('io.k8s.api.apps.v1.ReplicaSetCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.ReplicaSetConditionType' }),
  lastTransitionTime: optional(3, time, { always: true }),
  message: optional(5, string),
  reason: optional(4, string),
}));
export type ReplicaSetCondition = {
  status: string;
  type: string;
  lastTransitionTime?: string | null;
  message?: string;
  reason?: string;
};

export const ReplicaSetSpec = struct('io.k8s.api.apps.v1.ReplicaSetSpec', () => ({
  selector: required(2, LabelSelector, { immutable: true, nullable: true }),
  minReadySeconds: optional(4, int32, { minimum: 0 }),
  replicas: optional(1, int32, { pointer: true, minimum: 0 }),
  template: optional(3, PodTemplateSpec, { always: true }),
}));
export type ReplicaSetSpec = {
  selector: LabelSelector;
  minReadySeconds?: number;
  replicas?: number;
  template?: PodTemplateSpec;
};

export const ReplicaSetStatus = struct('io.k8s.api.apps.v1.ReplicaSetStatus', () => ({
  replicas: required(1, int32, { minimum: 0 }),
  availableReplicas: optional(5, int32, { minimum: 0 }),
  conditions: optional(6, list(ReplicaSetCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  fullyLabeledReplicas: optional(2, int32, { minimum: 0 }),
  observedGeneration: optional(3, int64),
  readyReplicas: optional(4, int32, { minimum: 0 }),
  terminatingReplicas: optional(7, int32, { pointer: true }),
}));
export type ReplicaSetStatus = {
  replicas: number;
  availableReplicas?: number;
  conditions?: ReplicaSetCondition[];
  fullyLabeledReplicas?: number;
  observedGeneration?: number;
  readyReplicas?: number;
  terminatingReplicas?: number;
};

export const RollingUpdateDaemonSet = struct('io.k8s.api.apps.v1.RollingUpdateDaemonSet', () => ({
  maxSurge: optional(2, intOrString),
  maxUnavailable: optional(1, intOrString),
}));
export type RollingUpdateDaemonSet = {
  maxSurge?: number | string;
  maxUnavailable?: number | string;
};

export const RollingUpdateDeployment = struct('io.k8s.api.apps.v1.RollingUpdateDeployment', () => ({
  maxSurge: optional(2, intOrString),
  maxUnavailable: optional(1, intOrString),
}));
export type RollingUpdateDeployment = {
  maxSurge?: number | string;
  maxUnavailable?: number | string;
};

export const RollingUpdateStatefulSetStrategy = struct('io.k8s.api.apps.v1.RollingUpdateStatefulSetStrategy', () => ({
  maxUnavailable: optional(2, intOrString),
  partition: optional(1, int32, { pointer: true, minimum: 0 }),
}));
export type RollingUpdateStatefulSetStrategy = {
  maxUnavailable?: number | string;
  partition?: number;
};

export const StatefulSet = struct('io.k8s.api.apps.v1.StatefulSet', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, StatefulSetSpec, { always: true }),
  status: optional(3, StatefulSetStatus, { always: true }),
}));
export type StatefulSet = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: StatefulSetSpec;
  status?: StatefulSetStatus;
};

export const StatefulSetCondition = struct('io.k8s.api.apps.v1.StatefulSetCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.StatefulSetConditionType' }),
  lastTransitionTime: optional(3, time, { always: true }),
  message: optional(5, string),
  reason: optional(4, string),
}));
export type StatefulSetCondition = {
  status: string;
  type: string;
  lastTransitionTime?: string | null;
  message?: string;
  reason?: string;
};

export const StatefulSetOrdinals = struct('io.k8s.api.apps.v1.StatefulSetOrdinals', () => ({
  start: optional(1, int32, { always: true, minimum: 0 }),
}));
export type StatefulSetOrdinals = {
  start?: number;
};

export const StatefulSetPersistentVolumeClaimRetentionPolicy = struct('io.k8s.api.apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy', () => ({
  whenDeleted: optional(1, string, { supported: ['Retain', 'Delete'], goType: 'v1.PersistentVolumeClaimRetentionPolicyType' }),
  whenScaled: optional(2, string, { supported: ['Retain', 'Delete'], goType: 'v1.PersistentVolumeClaimRetentionPolicyType' }),
}));
export type StatefulSetPersistentVolumeClaimRetentionPolicy = {
  whenDeleted?: string;
  whenScaled?: string;
};

export const StatefulSetSpec = struct('io.k8s.api.apps.v1.StatefulSetSpec', () => ({
  selector: required(2, LabelSelector, { nullable: true }),
  template: required(3, PodTemplateSpec),
  minReadySeconds: optional(9, int32, { minimum: 0 }),
  ordinals: optional(11, StatefulSetOrdinals),
  persistentVolumeClaimRetentionPolicy: optional(10, StatefulSetPersistentVolumeClaimRetentionPolicy),
  podManagementPolicy: optional(6, oneOf('OrderedReady', 'Parallel'), { goType: 'v1.PodManagementPolicyType' }),
  replicas: optional(1, int32, { pointer: true, minimum: 0 }),
  revisionHistoryLimit: optional(8, int32, { pointer: true }),
  serviceName: optional(5, string, { always: true }),
  updateStrategy: optional(7, StatefulSetUpdateStrategy, { always: true }),
  volumeClaimTemplates: optional(4, list(PersistentVolumeClaim), { listType: 'atomic' }),
}));
export type StatefulSetSpec = {
  selector: LabelSelector;
  template: PodTemplateSpec;
  minReadySeconds?: number;
  ordinals?: StatefulSetOrdinals;
  persistentVolumeClaimRetentionPolicy?: StatefulSetPersistentVolumeClaimRetentionPolicy;
  podManagementPolicy?: 'OrderedReady' | 'Parallel';
  replicas?: number;
  revisionHistoryLimit?: number;
  serviceName?: string;
  updateStrategy?: StatefulSetUpdateStrategy;
  volumeClaimTemplates?: PersistentVolumeClaim[];
};

export const StatefulSetStatus = struct('io.k8s.api.apps.v1.StatefulSetStatus', () => ({
  replicas: required(2, int32, { minimum: 0 }),
  availableReplicas: optional(11, int32, { always: true, minimum: 0 }),
  collisionCount: optional(9, int32, { pointer: true, minimum: 0 }),
  conditions: optional(10, list(StatefulSetCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  currentReplicas: optional(4, int32, { minimum: 0 }),
  currentRevision: optional(6, string),
  observedGeneration: optional(1, int64, { minimum: 0 }),
  readyReplicas: optional(3, int32, { minimum: 0 }),
  updateRevision: optional(7, string),
  updatedReplicas: optional(5, int32, { minimum: 0 }),
}));
export type StatefulSetStatus = {
  replicas: number;
  availableReplicas?: number;
  collisionCount?: number;
  conditions?: StatefulSetCondition[];
  currentReplicas?: number;
  currentRevision?: string;
  observedGeneration?: number;
  readyReplicas?: number;
  updateRevision?: string;
  updatedReplicas?: number;
};

export const StatefulSetUpdateStrategy = struct('io.k8s.api.apps.v1.StatefulSetUpdateStrategy', () => ({
  rollingUpdate: optional(2, RollingUpdateStatefulSetStrategy),
  type: optional(1, oneOf('OnDelete', 'RollingUpdate'), { goType: 'v1.StatefulSetUpdateStrategyType' }),
}));
export type StatefulSetUpdateStrategy = {
  rollingUpdate?: RollingUpdateStatefulSetStrategy;
  type?: 'OnDelete' | 'RollingUpdate';
};
