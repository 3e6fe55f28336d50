import t from 'tap';
import { pods } from '../../../api/kinds/core/pod.ts';
import { replicationControllers } from '../../../api/kinds/core/replication-controller.ts';
import type { ReplicationController } from '../../../api/types/core/v1.gen.ts';
import { eventually } from '../../support/wait.ts';
import { ControlPlane, PretendedNode } from './control-plane.ts';

const labels = { app: 'web' };
const controllerOn = (nodeName: string): ReplicationController => ({
  metadata: { namespace: 'default', name: 'web' },
  spec: {
    replicas: 2,
    template: {
      metadata: { labels },
      // Bound by the test: no scheduler runs.
      spec: { nodeName, terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'i' }] },
    },
  },
});

t.test('a replication controller keeps as many pods as it says, adopts matching ones and is scaled', async (t) => {
  await using plane = await ControlPlane.start();
  const { client } = plane;
  await using node = await PretendedNode.join(client, 'n1');
  const controller = controllerOn(node.name);
  const spec = controller.spec?.template?.spec ?? { containers: [] };
  await client.create(pods, { metadata: { namespace: 'default', name: 'stray', labels }, spec });
  await client.create(replicationControllers, controller);

  const ownPods = async () => {
    const { items } = await client.list(pods, { namespace: 'default' });
    return items.filter(({ metadata }) => metadata?.ownerReferences?.some(({ name }) => name === 'web'));
  };
  const status = async () => (await client.get(replicationControllers, 'default', 'web')).status;
  await eventually('two available replicas', async () => (await status())?.availableReplicas === 2);
  const owned = await ownPods();
  t.equal(owned.length, 2);
  t.match(
    owned.find(({ metadata }) => metadata?.name === 'stray')?.metadata?.ownerReferences,
    [{ apiVersion: 'v1', kind: 'ReplicationController', controller: true, blockOwnerDeletion: true }],
    'the matching pod was adopted',
  );
  t.match(await status(), { replicas: 2, fullyLabeledReplicas: 2, readyReplicas: 2, observedGeneration: 1 });

  await client.patch(replicationControllers, 'default', 'web', { spec: { replicas: 3 } }, { subresource: 'scale' });
  await eventually('three available replicas', async () => (await status())?.availableReplicas === 3);
  await client.delete(replicationControllers, 'default', 'web', { propagationPolicy: 'Background' });
  await eventually('the pods to be collected', async () => (await client.list(pods, {})).items.length === 0);
});
