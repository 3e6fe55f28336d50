import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { type FieldError, invalid } from '../../machinery/field-error.ts';
import { Lease } from '../../types/coordination/v1.gen.ts';

export const leases = defineKind<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
  schema: Lease,
  createOnUpdate: true,
  unconditionalUpdate: false,
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
