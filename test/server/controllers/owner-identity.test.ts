/** The garbage collector beside a real api-server. */
import t from 'tap';
import type { OwnerReference } from '../../../api/types/meta/v1.gen.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { clusterRoles, configMaps, events, namespaces } from '../../../client/resources.gen.ts';
import { runDescriptors } from '../../../control-plane/controllers/framework/runner.ts';
import { garbageCollector } from '../../../control-plane/controllers/garbage/garbage-collector.ts';
import { eventually } from '../../support/wait.ts';
import { silent, TestServer } from '../apiserver/server.ts';

t.setTimeout(60_000);

async function startCluster() {
  const server = await TestServer.start();
  const client = new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
  const stop = new AbortController();
  const running = runDescriptors([garbageCollector], { client, logger: silent, signal: stop.signal });
  return {
    client,
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort(new Error('the test is over'));
      await running;
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** https://github.com/kubernetes/kubernetes/issues/65200 */
t.test('an object is an owner only of those that name it by its kind, its name and its namespace', async (t) => {
  await using cluster = await startCluster();
  const { client } = cluster;
  for (const name of ['here', 'there']) await client.create(namespaces, { metadata: { name } });
  const owner = await client.create(configMaps, { metadata: { namespace: 'here', name: 'owner' } });
  const reference: OwnerReference = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: 'owner',
    uid: owner.metadata?.uid ?? '',
  };
  const create = (namespace: string, name: string, change: Partial<OwnerReference> = {}) =>
    client.create(configMaps, { metadata: { namespace, name, ownerReferences: [{ ...reference, ...change }] } });
  const names = async () => (await client.listAll(configMaps)).map(({ metadata }) => metadata?.name).sort();

  await client.create(clusterRoles, { metadata: { name: 'everywhere', ownerReferences: [reference] } });
  await create('there', 'elsewhere');
  await create('here', 'of-a-secret', { kind: 'Secret' });
  await create('here', 'of-another-name', { name: 'other' });
  const both = [reference, { ...reference, kind: 'Secret' }];
  await client.create(configMaps, { metadata: { namespace: 'here', name: 'of-both', ownerReferences: both } });
  await create('here', 'dependent');
  await eventually('those that mean another object to go', async () => (await names()).length === 3);
  t.strictSame(await names(), ['dependent', 'of-both', 'owner']);
  await eventually('the references of one uid to be dropped', async () => {
    const { metadata } = await client.get(configMaps, 'here', 'of-both');
    return !metadata?.ownerReferences?.length;
  });
  const reported = await eventually('the events', async () => {
    const invalid = (await client.listAll(events)).filter(({ reason }) => reason === 'OwnerRefInvalidNamespace');
    return new Set(invalid.map(({ involvedObject }) => involvedObject.name)).size === 2 && invalid;
  });
  t.match(
    reported.find(({ involvedObject }) => involvedObject.name === 'elsewhere'),
    {
      type: 'Warning',
      source: { component: 'garbage-collector-controller' },
      message: /not exist in namespace "there"$/,
    },
  );

  await client.delete(configMaps, 'here', 'owner');
  await eventually('its dependent to go', async () => !(await names()).includes('dependent'));
  t.strictSame(await names(), ['of-both'], 'nobody owns it any more');
  t.equal(
    (await client.get(clusterRoles, '', 'everywhere')).metadata?.name,
    'everywhere',
    'a cluster-scoped object cannot have an owner in a namespace: nothing is known of it',
  );
});
