/** The controllers of bootstrap tokens and of legacy tokens against a real api-server. */
import { test } from 'tap';
import { configMaps, secrets, serviceAccounts } from '../../../client/resources.gen.ts';
import { bootstrapSigner } from '../../../control-plane/controllers/accounts/bootstrap-signer.ts';
import { signatureOf } from '../../../control-plane/controllers/accounts/bootstrap-signer-plan.ts';
import { tokenCleaner } from '../../../control-plane/controllers/accounts/token-cleaner.ts';
import { tokenSecretCleaner } from '../../../control-plane/controllers/accounts/token-secret-cleaner.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import { eventually } from '../../support/wait.ts';
import { NAMESPACE, RunningControllers } from './running-controllers.ts';
import type { ApiClient } from '../../../client/api-client.ts';

const DAY_MS = 24 * 3600 * 1000;

const TOKEN = { id: 'abcdef', secret: '0123456789abcdef' };

const bootstrapToken = (more: Record<string, string> = {}) => ({
  metadata: { namespace: 'kube-system', name: `bootstrap-token-${TOKEN.id}` },
  type: 'bootstrap.kubernetes.io/token',
  stringData: { 'token-id': TOKEN.id, 'token-secret': TOKEN.secret, 'usage-bootstrap-signing': 'true', ...more },
});

/** Makes the ConfigMap unless it is there, and gives it this data. */
async function setData(client: ApiClient, namespace: string, name: string, data: Record<string, string>) {
  await client.create(configMaps, { metadata: { namespace, name }, data }).catch(async () => {
    await client.patch(configMaps, namespace, name, { data });
  });
}

test('cluster-info is signed with each token for as long as it is valid', async (t) => {
  await using running = await RunningControllers.start(bootstrapSigner, tokenCleaner);
  const { client } = running;
  const kubeconfig = 'apiVersion: v1\n';
  await setData(client, 'kube-public', 'cluster-info', { kubeconfig });
  const dataOf = async () => (await client.get(configMaps, 'kube-public', 'cluster-info')).data ?? {};
  const key = `jws-kubeconfig-${TOKEN.id}`;

  await client.create(secrets, bootstrapToken());
  await eventually('a signature', async () => (await dataOf())[key] === signatureOf(kubeconfig, TOKEN));
  await setData(client, 'kube-public', 'cluster-info', { kubeconfig: 'moved' });
  await eventually('another one', async () => (await dataOf())[key] === signatureOf('moved', TOKEN));
  await client.delete(secrets, 'kube-system', `bootstrap-token-${TOKEN.id}`);
  await eventually('none', async () => !(key in (await dataOf())));

  await client.create(secrets, bootstrapToken({ expiration: timeOf(Date.now() + 2_000) }));
  await eventually('a signature again', async () => key in (await dataOf()));
  await eventually('the end of the token', async () => !(key in (await dataOf())));
  t.equal((await dataOf())['kubeconfig'], 'moved');
});

test('a legacy token that nobody has used for a year is made invalid, and deleted a year later', async (t) => {
  let now = Date.now() + 400 * DAY_MS;
  await using running = await RunningControllers.start(tokenSecretCleaner(() => now));
  const { client } = running;
  const token = (name: string) => ({
    metadata: { namespace: NAMESPACE, name, annotations: { 'kubernetes.io/service-account.name': 'builder' } },
    type: 'kubernetes.io/service-account-token',
  });
  await client.create(serviceAccounts, {
    metadata: { namespace: NAMESPACE, name: 'builder' },
    secrets: [{ name: 'made-by-the-control-plane' }],
  });
  await client.create(secrets, token('made-by-the-control-plane'));
  await client.create(secrets, token('made-by-a-user'));
  await setData(client, 'kube-system', 'kube-apiserver-legacy-service-account-token-tracking', { since: '2026-01-01' });
  const labelOf = async (name: string) =>
    (await client.get(secrets, NAMESPACE, name)).metadata?.labels?.['kubernetes.io/legacy-token-invalid-since'];

  await running.restart();
  const day = new Date(now).toISOString().slice(0, 10);
  await eventually('it to be invalid', async () => (await labelOf('made-by-the-control-plane')) === day);
  now += 200 * DAY_MS;
  await running.restart();
  now += 200 * DAY_MS;
  await running.restart();
  await eventually('it to be gone', async () => {
    const left = await client.listAll(secrets, { namespace: NAMESPACE });
    return !left.some(({ metadata }) => metadata?.name === 'made-by-the-control-plane');
  });
  t.equal(await labelOf('made-by-a-user'), undefined);
});
