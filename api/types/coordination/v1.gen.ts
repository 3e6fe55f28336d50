// Generated from api/types/facts.txt by `npm run generate`.
import { int32, microTime, optional, string, struct } from '../../machinery/schema.ts';
import { ObjectMeta } from '../meta/v1.gen.ts';

export const Lease = struct('io.k8s.api.coordination.v1.Lease', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, LeaseSpec, { always: true }),
}));
export type Lease = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: LeaseSpec;
};

export const LeaseSpec = struct('io.k8s.api.coordination.v1.LeaseSpec', () => ({
  acquireTime: optional(3, microTime),
  holderIdentity: optional(1, string, { pointer: true }),
  leaseDurationSeconds: optional(2, int32, { pointer: true, minimum: 0, exclusiveMinimum: true }),
  leaseTransitions: optional(5, int32, { pointer: true, minimum: 0 }),
  preferredHolder: optional(7, string, { pointer: true }),
  renewTime: optional(4, microTime),
  strategy: optional(6, string, { pointer: true, goType: 'v1.CoordinatedLeaseStrategy' }),
}));
export type LeaseSpec = {
  acquireTime?: string;
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  leaseTransitions?: number;
  preferredHolder?: string;
  renewTime?: string;
  strategy?: string;
};
