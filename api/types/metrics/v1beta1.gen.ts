// Generated from api/types/facts.txt by `npm run generate`.
import { duration, list, mapOf, optional, quantity, required, string, struct, time } from '../../machinery/schema.ts';
import { ObjectMeta } from '../meta/v1.gen.ts';

export const ContainerMetrics = struct('io.k8s.metrics.pkg.apis.metrics.v1beta1.ContainerMetrics', () => ({
  name: required(1, string),
  usage: required(2, mapOf(quantity)),
}));
export type ContainerMetrics = {
  name: string;
  usage: Record<string, string>;
};

export const NodeMetrics = struct('io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetrics', () => ({
  timestamp: required(2, time),
  usage: required(4, mapOf(quantity)),
  window: required(3, duration),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type NodeMetrics = {
  timestamp: string | null;
  usage: Record<string, string>;
  window: string;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
};

export const PodMetrics = struct('io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics', () => ({
  containers: required(4, list(ContainerMetrics), { listType: 'atomic' }),
  timestamp: required(2, time),
  window: required(3, duration),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type PodMetrics = {
  containers: ContainerMetrics[];
  timestamp: string | null;
  window: string;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
};
