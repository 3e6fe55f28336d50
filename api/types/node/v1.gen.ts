// Generated from api/types/facts.txt by `npm run generate`.
import { list, mapOf, optional, quantity, required, shortName, string, struct } from '../../machinery/schema.ts';
import { ObjectMeta } from '../meta/v1.gen.ts';
import { Toleration } from '../core/v1.gen.ts';

export const Overhead = struct('io.k8s.api.node.v1.Overhead', () => ({
  podFixed: optional(1, mapOf(quantity)),
}));
export type Overhead = {
  podFixed?: Record<string, string>;
};

export const RuntimeClass = struct('io.k8s.api.node.v1.RuntimeClass', () => ({
  handler: required(2, shortName, { nonEmpty: true, immutable: true }),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  overhead: optional(3, Overhead),
  scheduling: optional(4, Scheduling),
}));
export type RuntimeClass = {
  handler: string;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  overhead?: Overhead;
  scheduling?: Scheduling;
};

export const Scheduling = struct('io.k8s.api.node.v1.Scheduling', () => ({
  nodeSelector: optional(1, mapOf(string), { mapType: 'atomic' }),
  tolerations: optional(2, list(Toleration), { listType: 'atomic' }),
}));
export type Scheduling = {
  nodeSelector?: Record<string, string>;
  tolerations?: Toleration[];
};
