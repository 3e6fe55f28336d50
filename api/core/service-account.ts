import { defineKind } from '../machinery/define-kind.ts';
import { always, atomic, boolean, merged, pointer, string, struct, type Static } from '../machinery/schema.ts';
import { LocalObjectReference, ObjectReference } from './references.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { ageColumn, nameColumn } from '../machinery/columns.ts';

export const ServiceAccount = struct(
  'io.k8s.api.core.v1.ServiceAccount',
  {},
  {
    apiVersion: string(),
    automountServiceAccountToken: pointer(boolean()),
    imagePullSecrets: atomic(LocalObjectReference),
    kind: string(),
    metadata: always(ObjectMeta),
    secrets: merged(ObjectReference, 'name'),
  },
);
export type ServiceAccount = Static<typeof ServiceAccount>;

export const serviceAccounts = defineKind<ServiceAccount>({
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  shortNames: ['sa'],
  namespaced: true,
  schema: ServiceAccount,
  subresources: [
    { name: 'token', verbs: ['create'], group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
  ],
  columns: [nameColumn(), ageColumn()],
});
