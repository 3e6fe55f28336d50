import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, nameColumn } from '../../machinery/columns.ts';
import { ServiceAccount } from '../../types/core/v1.gen.ts';

export const serviceAccounts = defineKind<ServiceAccount>({
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  shortNames: ['sa'],
  namespaced: true,
  schema: ServiceAccount,
  returnDeletedObject: true,
  subresources: [
    { name: 'token', verbs: ['create'], group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
  ],
  columns: [nameColumn(), ageColumn()],
});
