/** A whole control plane limits a Deployment by a quota, and scales it up when the quota is raised. */
import t from 'tap';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { resourceQuotas } from '../../../api/kinds/core/resource-quota.ts';
import { eventually } from '../../support/wait.ts';
import { ControlPlane } from './control-plane.ts';

t.test('a Deployment has as many pods as the quota of its namespace allows', async (t) => {
  await using plane = await ControlPlane.start();
  const { client } = plane;
  await client.create(namespaces, { metadata: { name: 'apps' } });
  await client.create(resourceQuotas, { metadata: { namespace: 'apps', name: 'few' }, spec: { hard: { pods: '3' } } });
  await eventually('the quota to be calculated', async () => {
    const { status } = await client.get(resourceQuotas, 'apps', 'few');
    return status?.used?.['pods'] === '0';
  });
  const labels = { app: 'web' };
  await client.create(deployments, {
    metadata: { namespace: 'apps', name: 'web' },
    spec: {
      replicas: 5,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  });
  const isRefused = async (): Promise<boolean> => {
    const { status } = await client.get(deployments, 'apps', 'web');
    const failure = status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
    return failure?.message?.includes('exceeded quota: few, requested: pods=1, used: pods=3, limited: pods=3') ?? false;
  };
  await eventually('the Deployment to report why it has no more pods', isRefused);
  t.equal((await client.listAll(pods, { namespace: 'apps' })).length, 3);
  await client.patch(resourceQuotas, 'apps', 'few', { spec: { hard: { pods: '4' } } });
  await eventually('one more pod', async () => (await client.listAll(pods, { namespace: 'apps' })).length === 4);
  t.strictSame((await client.get(resourceQuotas, 'apps', 'few')).status, { hard: { pods: '4' }, used: { pods: '4' } });
  await client.delete(namespaces, '', 'apps');
  await eventually('the namespace to be deleted', async () => {
    const left = await client.listAll(namespaces);
    return left.every(({ metadata }) => metadata?.name !== 'apps');
  });
});
