// Generated from api/types/facts.txt by `npm run generate`.
import { int32, int64, optional, required, string, struct, time } from '../../machinery/schema.ts';
import { ObjectMeta } from '../meta/v1.gen.ts';

export const CrossVersionObjectReference = struct('io.k8s.api.autoscaling.v1.CrossVersionObjectReference', () => ({
  kind: required(1, string),
  name: required(2, string),
  apiVersion: optional(3, string),
}), { mapType: 'atomic' });
export type CrossVersionObjectReference = {
  kind: string;
  name: string;
  apiVersion?: string;
};

export const HorizontalPodAutoscaler = struct('io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler', () => ({
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

export const HorizontalPodAutoscalerSpec = struct('io.k8s.api.autoscaling.v1.HorizontalPodAutoscalerSpec', () => ({
  maxReplicas: required(3, int32),
  scaleTargetRef: required(1, CrossVersionObjectReference),
  minReplicas: optional(2, int32, { pointer: true }),
  targetCPUUtilizationPercentage: optional(4, int32, { pointer: true }),
}));
export type HorizontalPodAutoscalerSpec = {
  maxReplicas: number;
  scaleTargetRef: CrossVersionObjectReference;
  minReplicas?: number;
  targetCPUUtilizationPercentage?: number;
};

export const HorizontalPodAutoscalerStatus = struct('io.k8s.api.autoscaling.v1.HorizontalPodAutoscalerStatus', () => ({
  currentReplicas: required(3, int32, { minimum: 0 }),
  desiredReplicas: required(4, int32, { minimum: 0 }),
  currentCPUUtilizationPercentage: optional(5, int32, { pointer: true }),
  lastScaleTime: optional(2, time),
  observedGeneration: optional(1, int64, { pointer: true }),
}));
export type HorizontalPodAutoscalerStatus = {
  currentReplicas: number;
  desiredReplicas: number;
  currentCPUUtilizationPercentage?: number;
  lastScaleTime?: string;
  observedGeneration?: number;
};

export const Scale = struct('io.k8s.api.autoscaling.v1.Scale', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, ScaleSpec, { always: true }),
  status: optional(3, ScaleStatus, { always: true }),
}));
export type Scale = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: ScaleSpec;
  status?: ScaleStatus;
};

export const ScaleSpec = struct('io.k8s.api.autoscaling.v1.ScaleSpec', () => ({
  replicas: optional(1, int32, { minimum: 0 }),
}));
export type ScaleSpec = {
  replicas?: number;
};

export const ScaleStatus = struct('io.k8s.api.autoscaling.v1.ScaleStatus', () => ({
  replicas: required(1, int32),
  selector: optional(2, string),
}));
export type ScaleStatus = {
  replicas: number;
  selector?: string;
};
