import { defineKind } from '../machinery/define-kind.ts';
import { always, int32, microTime, pointer, string, struct, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { ageColumn, nameColumn, text } from '../machinery/columns.ts';
import { type FieldError, invalid } from '../machinery/field-error.ts';

export const LeaseSpec = struct(
  'io.k8s.api.coordination.v1.LeaseSpec',
  {},
  {
    acquireTime: microTime(),
    holderIdentity: pointer(string()),
    leaseDurationSeconds: pointer(int32()),
    leaseTransitions: pointer(int32()),
    preferredHolder: pointer(string()),
    renewTime: microTime(),
    strategy: pointer(string()),
  },
);
export type LeaseSpec = Static<typeof LeaseSpec>;

export const Lease = struct(
  'io.k8s.api.coordination.v1.Lease',
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    spec: always(LeaseSpec),
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
  createOnUpdate: true,
  columns: [nameColumn(), text('Holder', ({ spec }) => spec?.holderIdentity ?? ''), ageColumn()],
  validate: ({ spec = {} }) => {
    const errors: FieldError[] = [];
    const { leaseDurationSeconds: duration, leaseTransitions: transitions } = spec;
    if (duration !== undefined && duration <= 0) {
      errors.push(invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0'));
    }
    if (transitions !== undefined && transitions < 0) {
      errors.push(invalid('spec.leaseTransitions', transitions, 'must be greater than or equal to 0'));
    }
    return errors;
  },
});
