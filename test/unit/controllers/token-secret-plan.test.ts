import t from 'tap';
import { filledTokenSecret, tokenSecretView } from '../../../control-plane/controllers/accounts/token-secret-plan.ts';
import type { Secret } from '../../../api/types/core/v1.gen.ts';

const CA = 'the CA';
const options = { rootCa: CA, signToken: (subject: object) => JSON.stringify(subject) };
const empty: Secret = {
  metadata: { namespace: 'apps', name: 'ci', uid: 'u1', annotations: { 'kubernetes.io/service-account.name': 'web' } },
  type: 'kubernetes.io/service-account-token',
};
const without = (secret: Secret, key: string): Secret => ({ ...secret, data: { ...secret.data, [key]: '' } });

t.test('a token Secret is complete only with all its parts', async (t) => {
  const filled = filledTokenSecret(empty, 'account-1', options);
  t.strictSame(tokenSecretView(filled, CA), {
    ...{ namespace: 'apps', name: 'ci', uid: 'u1' },
    ...{ account: 'web', accountUid: 'account-1', complete: true },
  });
  t.equal(atob(filled.data?.['ca.crt'] ?? ''), CA);
  t.strictSame(JSON.parse(atob(filled.data?.['token'] ?? '')), {
    ...{ namespace: 'apps', account: 'web', accountUid: 'account-1', secret: 'ci' },
  });
  t.match(tokenSecretView(empty, CA), { accountUid: '', complete: false });
  t.notOk(tokenSecretView({ ...filled, metadata: empty.metadata }, CA).complete, 'for another ServiceAccount');
  t.notOk(tokenSecretView(filled, 'another CA').complete, 'the CA was renewed');
  for (const key of ['token', 'namespace', 'ca.crt']) t.notOk(tokenSecretView(without(filled, key), CA).complete, key);
});

t.test('populating a Secret keeps its token and foreign data', async (t) => {
  const data = { token: btoa('given'), namespace: btoa('elsewhere'), 'ca.crt': btoa('old'), more: btoa('x') };
  const labels = { team: 'a' };
  const filled = filledTokenSecret({ ...empty, metadata: { ...empty.metadata, labels }, data }, 'account-1', options);
  t.strictSame(filled.data, { ...data, 'ca.crt': btoa(CA) });
  t.match(filled.metadata, { uid: 'u1', labels, annotations: { 'kubernetes.io/service-account.name': 'web' } });
});
