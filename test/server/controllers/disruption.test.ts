import t from 'tap';
import {
  configMaps,
  customResourceDefinitions,
  deployments,
  podDisruptionBudgets,
  pods,
} from '../../../client/resources.gen.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { StatusError } from '../../../api/machinery/status-error.ts';
import type { PodDisruptionBudgetSpec } from '../../../api/types/policy/v1.gen.ts';
import { eventually } from '../../support/wait.ts';
import { ControlPlane, PretendedNode } from './control-plane.ts';

const plane = await ControlPlane.start();
t.teardown(() => plane[Symbol.asyncDispose]());
const { client } = plane;

const namespace = 'default';
const createBudget = (name: string, app: string, spec: PodDisruptionBudgetSpec) =>
  client.create(podDisruptionBudgets, {
    metadata: { namespace, name },
    spec: { selector: { matchLabels: { app } }, ...spec },
  });
const statusOf = async (name: string) => (await client.get(podDisruptionBudgets, namespace, name)).status;
const evict = (name: string) =>
  client.createSubresource(pods, namespace, name, 'eviction', {
    ...{ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { namespace, name } },
  });

t.test('a budget lets go as many pods of a Deployment as it says, and no more', async (t) => {
  await using node = await PretendedNode.join(client, 'n1');
  const labels = { app: 'web' };
  await client.create(deployments, {
    metadata: { namespace, name: 'web' },
    spec: {
      replicas: 4,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { nodeName: node.name, containers: [{ name: 'c', image: 'i' }] } },
    },
  });
  await createBudget('web', 'web', { maxUnavailable: '25%' });
  await eventually('one disruption to be allowed', async () => (await statusOf('web'))?.disruptionsAllowed === 1);
  t.match(await statusOf('web'), {
    ...{ currentHealthy: 4, desiredHealthy: 3, expectedPods: 4, observedGeneration: 1 },
    conditions: [{ type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods' }],
  });
  // Nobody ends the evicted pod now, nor runs another one.
  await node[Symbol.asyncDispose]();
  const all = (await client.list(pods, { namespace, labelSelector: 'app=web' })).items;
  const outcomes = await Promise.allSettled(all.map(({ metadata }) => evict(metadata?.name ?? '')));
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1, 'one of four evictions is granted');
  const refused = outcomes.find((outcome) => outcome.status === 'rejected');
  t.equal((refused?.reason as StatusError | undefined)?.code, 429);
  await eventually('the controller to see it', async () => (await statusOf('web'))?.disruptedPods === undefined);
  t.match(await statusOf('web'), {
    ...{ currentHealthy: 3, desiredHealthy: 3, expectedPods: 4, disruptionsAllowed: 0 },
    conditions: [{ type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods' }],
  });
});

t.test('a budget in percent of pods that nothing scales allows nothing, and says why', async (t) => {
  const owner = await client.create(configMaps, { metadata: { namespace, name: 'x' } });
  const { uid = '' } = owner.metadata ?? {};
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid, controller: true }];
  const metadata = { namespace, name: 'odd', labels: { app: 'odd' }, ownerReferences };
  await createBudget('odd', 'odd', { minAvailable: '50%' });
  await client.create(pods, { metadata, spec: { containers: [{ name: 'c', image: 'i' }] } });
  await eventually('the failure', async () => {
    const condition = (await statusOf('odd'))?.conditions?.[0];
    return (
      condition?.reason === 'SyncFailed' && condition.message === 'configmaps does not implement the scale subresource'
    );
  });
  t.equal((await statusOf('odd'))?.disruptionsAllowed, 0);
});

t.test('percentages count the scale of custom resources', async (t) => {
  const names = { kind: 'Herd', plural: 'herds', singular: 'herd' };
  const integer = { type: 'object', properties: { replicas: { type: 'integer' } } };
  const openAPIV3Schema = { type: 'object', properties: { spec: integer, status: integer } };
  const scale = { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' };
  await client.create(customResourceDefinitions, {
    metadata: { name: 'herds.example.com' },
    spec: {
      ...{ group: 'example.com', scope: 'Namespaced', names },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema }, subresources: { scale, status: {} } },
      ],
    },
  });
  const herds = { group: 'example.com', version: 'v1', kind: 'Herd', plural: 'herds', namespaced: true };
  const herd = {
    apiVersion: 'example.com/v1',
    kind: 'Herd',
    metadata: { namespace, name: 'sheep' },
    spec: { replicas: 10 },
  };
  const created = await eventually('the kind to be served', () => client.create<KubeObject>(herds, herd));
  const { uid = '' } = created.metadata ?? {};
  const ownerReferences = [{ apiVersion: 'example.com/v1', kind: 'Herd', name: 'sheep', uid, controller: true }];
  const metadata = { namespace, name: 'sheep', labels: { app: 'sheep' }, ownerReferences };
  await client.create(pods, { metadata, spec: { containers: [{ name: 'c', image: 'i' }] } });
  await createBudget('sheep', 'sheep', { minAvailable: '30%' });
  await eventually('the scale', async () => (await statusOf('sheep'))?.expectedPods === 10);
  t.equal((await statusOf('sheep'))?.desiredHealthy, 3);
});
