/** `kedge hollow` against an api-server with its controllers. */
import t from 'tap';
import { defaultHollowConfig } from '../../../agent/hollow/config.ts';
import { HOLLOW_LABEL } from '../../../agent/hollow/hollow-nodes.ts';
import { runHollowNodes } from '../../../agent/hollow/main.ts';
import { NODE_LEASE_NAMESPACE } from '../../../api/domain/node-identity.ts';
import { isNotFound } from '../../../api/machinery/status-error.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { loadKubeconfig } from '../../../client/kubeconfig.ts';
import { leases, nodes, pods } from '../../../client/resources.gen.ts';
import type { PodSpec } from '../../../api/types/core/v1.gen.ts';
import { silent } from '../../support/https-server.ts';
import { eventually } from '../../support/wait.ts';
import { ControlPlane } from './control-plane.ts';

const plane = await ControlPlane.start();
t.teardown(() => plane[Symbol.asyncDispose]());
const { client } = plane;
const forPods = new ApiClient(await loadKubeconfig(plane.kubeconfig));
t.teardown(() => forPods[Symbol.asyncDispose]());

const stop = new AbortController();
const config = {
  ...defaultHollowConfig,
  nodes: 3,
  prefix: 'fake',
  zones: 2,
  leaseSeconds: 60,
  completeAfterSeconds: 0,
};
const running = runHollowNodes(config, { nodes: client, pods: forPods }, stop.signal, silent);
t.teardown(async () => {
  stop.abort();
  await running;
});

const podOn = (nodeName: string, name: string, spec: Partial<PodSpec> = {}) =>
  client.create(pods, {
    metadata: { namespace: 'default', name },
    spec: { nodeName, containers: [{ name: 'c', image: 'i' }], ...spec },
  });
const phaseOf = async (name: string, phase: string) => {
  const pod = await client.get(pods, 'default', name);
  return pod.status?.phase === phase ? pod : undefined;
};

t.test('the nodes are Ready, spread over the zones, with a Lease each', async (t) => {
  const found = await eventually('the nodes', async () => {
    const { items } = await client.list(nodes, { labelSelector: `${HOLLOW_LABEL}=fake` });
    return items.length === 3 ? items : undefined;
  });
  t.match(
    found.map(({ metadata, status }) => [
      metadata?.name,
      metadata?.labels?.['topology.kubernetes.io/zone'],
      status?.addresses?.[0]?.address,
      status?.conditions?.find(({ type }) => type === 'Ready')?.status,
      status?.allocatable?.['cpu'],
    ]),
    [
      ['fake-0', 'zone-0', '198.18.0.1', 'True', '32'],
      ['fake-1', 'zone-1', '198.18.0.2', 'True', '32'],
      ['fake-2', 'zone-0', '198.18.0.3', 'True', '32'],
    ],
  );
  const lease = await eventually('a Lease', () =>
    client.get(leases, NODE_LEASE_NAMESPACE, 'fake-2').catch(() => undefined),
  );
  t.match(lease.spec, { holderIdentity: 'fake-2', leaseDurationSeconds: 60 });
});

t.test('pods run, each with an address of its node, until they are deleted', async (t) => {
  await podOn('fake-1', 'web');
  await podOn('fake-1', 'other');
  const pod = await eventually('the pod to run', () => phaseOf('web', 'Running'));
  const other = await eventually('the other to run', () => phaseOf('other', 'Running'));
  const { spec } = await client.get(nodes, '', 'fake-1');
  t.match(pod.status, {
    hostIP: '198.18.0.2',
    conditions: [{ type: 'PodReadyToStartContainers' }, {}, { type: 'Ready', status: 'True' }, {}, {}],
    containerStatuses: [{ name: 'c', ready: true, started: true, restartCount: 0, state: { running: {} } }],
  });
  t.equal(pod.status?.podIP?.split('.').slice(0, 3).join('.'), spec?.podCIDR?.split('.').slice(0, 3).join('.'));
  t.not(pod.status?.podIP, other.status?.podIP);
  await client.delete(pods, 'default', 'web');
  await eventually('the pod to be gone', () => client.get(pods, 'default', 'web').then(() => false, isNotFound));
  await podOn('fake-1', 'next');
  const next = await eventually('the next to run', () => phaseOf('next', 'Running'));
  t.equal(next.status?.podIP, pod.status?.podIP, 'the address is free again');
});

t.test('containers that are not restarted complete, with their init containers before them', async (t) => {
  await podOn('fake-0', 'task', { restartPolicy: 'Never', initContainers: [{ name: 'first', image: 'i' }] });
  const { status } = await eventually('the end', () => phaseOf('task', 'Succeeded'));
  t.match(status, {
    containerStatuses: [{ state: { terminated: { exitCode: 0, reason: 'Completed' } } }],
    initContainerStatuses: [{ state: { terminated: { exitCode: 0 } } }],
  });
});

t.test('pods of other nodes are left alone', async (t) => {
  await podOn('elsewhere', 'foreign');
  await podOn('fake-0', 'later');
  await eventually('a later pod to run', () => phaseOf('later', 'Running'));
  t.match(await client.get(pods, 'default', 'foreign'), { status: { phase: 'Pending' } });
});

t.test('a node that is deleted is registered again', async (t) => {
  const { metadata } = await client.get(nodes, '', 'fake-2');
  await client.delete(nodes, '', 'fake-2');
  const again = await eventually('the node', async () => {
    const node = await client.get(nodes, '', 'fake-2').catch(() => undefined);
    return node && node.metadata?.uid !== metadata?.uid ? node : undefined;
  });
  t.equal(again.metadata?.labels?.[HOLLOW_LABEL], 'fake');
});
