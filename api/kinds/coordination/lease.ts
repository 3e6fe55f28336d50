import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { Lease } from '../../types/coordination/v1.gen.ts';

/** Coordinated leader election is behind a gate that v1.36 has switched off: its fields are not taken, and kept where they are. */
function withoutCoordination({ spec }: Lease, old: Lease | undefined): void {
  for (const field of ['strategy', 'preferredHolder'] as const)
    if (old?.spec?.[field] === undefined) delete spec?.[field];
}

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
  prepareForCreate: (lease) => withoutCoordination(lease, undefined),
  prepareForUpdate: withoutCoordination,
  columns: [nameColumn(), text('Holder', ({ spec }) => spec?.holderIdentity ?? ''), ageColumn()],
});
