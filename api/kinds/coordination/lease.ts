import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { Lease } from '../../types/coordination/v1.gen.ts';

export const leases = defineKind<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
  freeFinalizers: true,
  schema: Lease,
  createOnUpdate: true,
  unconditionalUpdate: false,
  columns: [nameColumn(), text('Holder', ({ spec }) => spec?.holderIdentity ?? ''), ageColumn()],
});
