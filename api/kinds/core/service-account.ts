import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, nameColumn } from '../../machinery/columns.ts';
import { own } from '../../machinery/own.ts';
import { actionSubresource } from '../../machinery/subresources.ts';
import { tokenRequests } from '../authentication/token-request.ts';
import { ServiceAccount } from '../../types/core/v1.gen.ts';

const MOUNTABLE_SECRETS = 'kubernetes.io/enforce-mountable-secrets';

/** Secrets are referred to by their name alone. */
function keepSecretNames(account: ServiceAccount): void {
  if (account.secrets) account.secrets = account.secrets.map(({ name }) => ({ name }));
}

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
  prepareForCreate: keepSecretNames,
  prepareForUpdate: keepSecretNames,
  warnings: ({ metadata }, old) => {
    const isGiven = (object: ServiceAccount['metadata']) => own(object?.annotations, MOUNTABLE_SECRETS) !== undefined;
    if (!isGiven(metadata) || isGiven(old?.metadata)) return [];
    const why = 'deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets';
    return [`metadata.annotations[${MOUNTABLE_SECRETS}]: ${why}`];
  },
});
