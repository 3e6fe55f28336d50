// Generated from api/types/facts.txt by `npm run generate`.
import { int32, int64, list, optional, quantity, required, string, struct, time } from '../../machinery/schema.ts';
import { LabelSelector, ObjectMeta } from '../meta/v1.gen.ts';

export const ContainerResourceMetricSource = struct('io.k8s.api.autoscaling.v2.ContainerResourceMetricSource', () => ({
  container: required(3, string),
  name: required(1, string, { goType: 'v1.ResourceName' }),
  target: required(2, MetricTarget),
}));
export type ContainerResourceMetricSource = {
  container: string;
  name: string;
  target: MetricTarget;
};

export const ContainerResourceMetricStatus = struct('io.k8s.api.autoscaling.v2.ContainerResourceMetricStatus', () => ({
  container: required(3, string),
  current: required(2, MetricValueStatus),
  name: required(1, string, { goType: 'v1.ResourceName' }),
}));
export type ContainerResourceMetricStatus = {
  container: string;
  current: MetricValueStatus;
  name: string;
};

export const CrossVersionObjectReference = struct('io.k8s.api.autoscaling.v2.CrossVersionObjectReference', () => ({
  kind: required(1, string),
  name: required(2, string),
  apiVersion: optional(3, string),
}));
export type CrossVersionObjectReference = {
  kind: string;
  name: string;
  apiVersion?: string;
};

export const ExternalMetricSource = struct('io.k8s.api.autoscaling.v2.ExternalMetricSource', () => ({
  metric: required(1, MetricIdentifier),
  target: required(2, MetricTarget),
}));
export type ExternalMetricSource = {
  metric: MetricIdentifier;
  target: MetricTarget;
};

export const ExternalMetricStatus = struct('io.k8s.api.autoscaling.v2.ExternalMetricStatus', () => ({
  current: required(2, MetricValueStatus),
  metric: required(1, MetricIdentifier),
}));
export type ExternalMetricStatus = {
  current: MetricValueStatus;
  metric: MetricIdentifier;
};

export const HPAScalingPolicy = struct('io.k8s.api.autoscaling.v2.HPAScalingPolicy', () => ({
  periodSeconds: required(3, int32),
  type: required(1, string, { goType: 'v2.HPAScalingPolicyType' }),
  value: required(2, int32),
}));
export type HPAScalingPolicy = {
  periodSeconds: number;
  type: string;
  value: number;
};

export const HPAScalingRules = struct('io.k8s.api.autoscaling.v2.HPAScalingRules', () => ({
  policies: optional(2, list(HPAScalingPolicy), { listType: 'atomic' }),
  selectPolicy: optional(1, string, { pointer: true, goType: 'v2.ScalingPolicySelect' }),
  stabilizationWindowSeconds: optional(3, int32, { pointer: true }),
  tolerance: optional(4, quantity),
}));
export type HPAScalingRules = {
  policies?: HPAScalingPolicy[];
  selectPolicy?: string;
  stabilizationWindowSeconds?: number;
  tolerance?: string;
};

export const HorizontalPodAutoscaler = struct('io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler', () => ({
  spec: required(2, HorizontalPodAutoscalerSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  status: optional(3, HorizontalPodAutoscalerStatus, { always: true }),
}));
export type HorizontalPodAutoscaler = {
  spec: HorizontalPodAutoscalerSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  status?: HorizontalPodAutoscalerStatus;
};

export const HorizontalPodAutoscalerBehavior = struct('io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerBehavior', () => ({
  scaleDown: optional(2, HPAScalingRules),
  scaleUp: optional(1, HPAScalingRules),
}));
export type HorizontalPodAutoscalerBehavior = {
  scaleDown?: HPAScalingRules;
  scaleUp?: HPAScalingRules;
};

export const HorizontalPodAutoscalerCondition = struct('io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v2.HorizontalPodAutoscalerConditionType' }),
  lastTransitionTime: optional(3, time, { always: true }),
  message: optional(5, string),
  reason: optional(4, string),
}));
export type HorizontalPodAutoscalerCondition = {
  status: string;
  type: string;
  lastTransitionTime?: string | null;
  message?: string;
  reason?: string;
};

export const HorizontalPodAutoscalerSpec = struct('io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec', () => ({
  maxReplicas: required(3, int32),
  scaleTargetRef: required(1, CrossVersionObjectReference),
  behavior: optional(5, HorizontalPodAutoscalerBehavior),
  metrics: optional(4, list(MetricSpec), { listType: 'atomic' }),
  minReplicas: optional(2, int32, { pointer: true }),
}));
export type HorizontalPodAutoscalerSpec = {
  maxReplicas: number;
  scaleTargetRef: CrossVersionObjectReference;
  behavior?: HorizontalPodAutoscalerBehavior;
  metrics?: MetricSpec[];
  minReplicas?: number;
};

export const HorizontalPodAutoscalerStatus = struct('io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus', () => ({
  desiredReplicas: required(4, int32, { minimum: 0 }),
  conditions: optional(6, list(HorizontalPodAutoscalerCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  currentMetrics: optional(5, list(MetricStatus), { always: true, listType: 'atomic' }),
  currentReplicas: optional(3, int32, { minimum: 0 }),
  lastScaleTime: optional(2, time),
  observedGeneration: optional(1, int64, { pointer: true }),
}));
export type HorizontalPodAutoscalerStatus = {
  desiredReplicas: number;
  conditions?: HorizontalPodAutoscalerCondition[];
  currentMetrics?: MetricStatus[] | null;
  currentReplicas?: number;
  lastScaleTime?: string;
  observedGeneration?: number;
};

export const MetricIdentifier = struct('io.k8s.api.autoscaling.v2.MetricIdentifier', () => ({
  name: required(1, string),
  selector: optional(2, LabelSelector),
}));
export type MetricIdentifier = {
  name: string;
  selector?: LabelSelector;
};

export const MetricSpec = struct('io.k8s.api.autoscaling.v2.MetricSpec', () => ({
  type: required(1, string, { goType: 'v2.MetricSourceType' }),
  containerResource: optional(7, ContainerResourceMetricSource),
  external: optional(5, ExternalMetricSource),
  object: optional(2, ObjectMetricSource),
  pods: optional(3, PodsMetricSource),
  resource: optional(4, ResourceMetricSource),
}));
export type MetricSpec = {
  type: string;
  containerResource?: ContainerResourceMetricSource;
  external?: ExternalMetricSource;
  object?: ObjectMetricSource;
  pods?: PodsMetricSource;
  resource?: ResourceMetricSource;
};

export const MetricStatus = struct('io.k8s.api.autoscaling.v2.MetricStatus', () => ({
  type: required(1, string, { goType: 'v2.MetricSourceType' }),
  containerResource: optional(7, ContainerResourceMetricStatus),
  external: optional(5, ExternalMetricStatus),
  object: optional(2, ObjectMetricStatus),
  pods: optional(3, PodsMetricStatus),
  resource: optional(4, ResourceMetricStatus),
}));
export type MetricStatus = {
  type: string;
  containerResource?: ContainerResourceMetricStatus;
  external?: ExternalMetricStatus;
  object?: ObjectMetricStatus;
  pods?: PodsMetricStatus;
  resource?: ResourceMetricStatus;
};

export const MetricTarget = struct('io.k8s.api.autoscaling.v2.MetricTarget', () => ({
  type: required(1, string, { goType: 'v2.MetricTargetType' }),
  averageUtilization: optional(4, int32, { pointer: true }),
  averageValue: optional(3, quantity),
  value: optional(2, quantity),
}));
export type MetricTarget = {
  type: string;
  averageUtilization?: number;
  averageValue?: string;
  value?: string;
};

export const MetricValueStatus = struct('io.k8s.api.autoscaling.v2.MetricValueStatus', () => ({
  averageUtilization: optional(3, int32, { pointer: true }),
  averageValue: optional(2, quantity),
  value: optional(1, quantity),
}));
export type MetricValueStatus = {
  averageUtilization?: number;
  averageValue?: string;
  value?: string;
};

export const ObjectMetricSource = struct('io.k8s.api.autoscaling.v2.ObjectMetricSource', () => ({
  describedObject: required(1, CrossVersionObjectReference),
  metric: required(3, MetricIdentifier),
  target: required(2, MetricTarget),
}));
export type ObjectMetricSource = {
  describedObject: CrossVersionObjectReference;
  metric: MetricIdentifier;
  target: MetricTarget;
};

export const ObjectMetricStatus = struct('io.k8s.api.autoscaling.v2.ObjectMetricStatus', () => ({
  current: required(2, MetricValueStatus),
  describedObject: required(3, CrossVersionObjectReference),
  metric: required(1, MetricIdentifier),
}));
export type ObjectMetricStatus = {
  current: MetricValueStatus;
  describedObject: CrossVersionObjectReference;
  metric: MetricIdentifier;
};

export const PodsMetricSource = struct('io.k8s.api.autoscaling.v2.PodsMetricSource', () => ({
  metric: required(1, MetricIdentifier),
  target: required(2, MetricTarget),
}));
export type PodsMetricSource = {
  metric: MetricIdentifier;
  target: MetricTarget;
};

export const PodsMetricStatus = struct('io.k8s.api.autoscaling.v2.PodsMetricStatus', () => ({
  current: required(2, MetricValueStatus),
  metric: required(1, MetricIdentifier),
}));
export type PodsMetricStatus = {
  current: MetricValueStatus;
  metric: MetricIdentifier;
};

export const ResourceMetricSource = struct('io.k8s.api.autoscaling.v2.ResourceMetricSource', () => ({
  name: required(1, string, { goType: 'v1.ResourceName' }),
  target: required(2, MetricTarget),
}));
export type ResourceMetricSource = {
  name: string;
  target: MetricTarget;
};

export const ResourceMetricStatus = struct('io.k8s.api.autoscaling.v2.ResourceMetricStatus', () => ({
  current: required(2, MetricValueStatus),
  name: required(1, string, { goType: 'v1.ResourceName' }),
}));
export type ResourceMetricStatus = {
  current: MetricValueStatus;
  name: string;
};
