// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, int32, oneOf, optional, string, struct } from '../../machinery/schema.ts';
import { ObjectMeta } from '../meta/v1.gen.ts';

export const PriorityClass = struct('io.k8s.api.scheduling.v1.PriorityClass', () => ({
  apiVersion: optional(undefined, string),
  description: optional(4, string),
  globalDefault: optional(3, boolean),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  preemptionPolicy: optional(5, oneOf('Never', 'PreemptLowerPriority'), { pointer: true, nonEmpty: true, supported: ['PreemptLowerPriority', 'Never'], immutable: true }),
  value: optional(2, int32, { always: true }),
}));
export type PriorityClass = {
  apiVersion?: string;
  description?: string;
  globalDefault?: boolean;
  kind?: string;
  metadata?: ObjectMeta;
  preemptionPolicy?: 'Never' | 'PreemptLowerPriority';
  value?: number;
};
