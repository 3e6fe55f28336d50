import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, nameColumn } from '../../machinery/columns.ts';
import { actionSubresource } from '../../machinery/subresources.ts';
import { tokenRequests } from '../authentication/token-request.ts';
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
  subresources: [actionSubresource('serviceaccounts/token', tokenRequests)],
  columns: [nameColumn(), ageColumn()],
});
