import { defineKind } from '../machinery/define-kind.ts';
import { int32, microTime, string, struct, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const LeaseSpec = struct(
  'io.k8s.api.coordination.v1.LeaseSpec',
  {},
  {
    acquireTime: microTime(),
    holderIdentity: string(),
    leaseDurationSeconds: int32(),
    leaseTransitions: int32(),
    preferredHolder: string(),
    renewTime: microTime(),
    strategy: string(),
  },
);
export type LeaseSpec = Static<typeof LeaseSpec>;

export const Lease = struct(
  'io.k8s.api.coordination.v1.Lease',
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: ObjectMeta,
    spec: LeaseSpec,
  },
);
export type Lease = Static<typeof Lease>;

export const leases = defineKind<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
  schema: Lease,
});
