// Generated from api/types/facts.txt by `npm run generate`.
import { int32, int64, intOrString, list, mapOf, oneOf, optional, string, struct, time } from '../../machinery/schema.ts';
import { Condition, DeleteOptions, LabelSelector, ObjectMeta } from '../meta/v1.gen.ts';

export const Eviction = struct('io.k8s.api.policy.v1.Eviction', () => ({
  apiVersion: optional(undefined, string),
  deleteOptions: optional(2, DeleteOptions),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type Eviction = {
  apiVersion?: string;
  deleteOptions?: DeleteOptions;
  kind?: string;
  metadata?: ObjectMeta;
};

export const PodDisruptionBudget = struct('io.k8s.api.policy.v1.PodDisruptionBudget', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, PodDisruptionBudgetSpec, { always: true }),
  status: optional(3, PodDisruptionBudgetStatus, { always: true }),
}));
export type PodDisruptionBudget = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: PodDisruptionBudgetSpec;
  status?: PodDisruptionBudgetStatus;
};

export const PodDisruptionBudgetSpec = struct('io.k8s.api.policy.v1.PodDisruptionBudgetSpec', () => ({
  maxUnavailable: optional(3, intOrString),
  minAvailable: optional(1, intOrString),
  selector: optional(2, LabelSelector, { patchStrategy: 'replace' }),
  unhealthyPodEvictionPolicy: optional(4, oneOf('AlwaysAllow', 'IfHealthyBudget'), { pointer: true, supported: ['AlwaysAllow', 'IfHealthyBudget'], goType: 'v1.UnhealthyPodEvictionPolicyType' }),
}));
export type PodDisruptionBudgetSpec = {
  maxUnavailable?: number | string;
  minAvailable?: number | string;
  selector?: LabelSelector;
  unhealthyPodEvictionPolicy?: 'AlwaysAllow' | 'IfHealthyBudget';
};

export const PodDisruptionBudgetStatus = struct('io.k8s.api.policy.v1.PodDisruptionBudgetStatus', () => ({
  conditions: optional(7, list(Condition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  currentHealthy: optional(4, int32, { always: true, minimum: 0 }),
  desiredHealthy: optional(5, int32, { always: true, minimum: 0 }),
  disruptedPods: optional(2, mapOf(time)),
  disruptionsAllowed: optional(3, int32, { always: true, minimum: 0 }),
  expectedPods: optional(6, int32, { always: true, minimum: 0 }),
  observedGeneration: optional(1, int64),
}));
export type PodDisruptionBudgetStatus = {
  conditions?: Condition[];
  currentHealthy?: number;
  desiredHealthy?: number;
  disruptedPods?: Record<string, string>;
  disruptionsAllowed?: number;
  expectedPods?: number;
  observedGeneration?: number;
};
