/** Devices of a device plugin: registered, counted on the node, given to containers and given back. The plugin is the test's. */
import path from 'node:path';
import t from 'tap';
import type { Node, Pod } from '../../api/types/core/v1.gen.ts';
import { own } from '../../api/machinery/own.ts';
import { Cluster } from '../support/cluster.ts';
import { fileOfDevice, TestDevicePlugin } from '../support/device-plugin.ts';
import { askPodResources, type ListedPod } from '../support/pod-resources.ts';
import { HELLO_IMAGE } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';

t.setTimeout(5 * 60_000);
const RESOURCE = 'example.com/widget';
const cluster = await Cluster.start({ name: 'e2e-plugins' });
const node = cluster.host;
const files = path.join(cluster.directory, 'widgets');
for (const id of ['w0', 'w1', 'w2']) await fileOfDevice(files, id);

const plugin = new TestDevicePlugin({
  ...{ resource: RESOURCE, kubeletDirectory: node.kubeletDirectory, devices: { w0: true, w1: true, w2: true } },
  options: { preStartRequired: true, getPreferredAllocationAvailable: true },
  nodes: { w2: 0 },
  // The last ones first.
  preferred: (available) => [...available].reverse(),
  answer: (ids) => ({
    envs: { WIDGETS: ids.join(' '), OWN: 'plugin' },
    mounts: ids.map((id) => ({ containerPath: `/widgets/${id}`, hostPath: path.join(files, id), readOnly: true })),
    devices: [{ containerPath: '/dev/widget', hostPath: '/dev/zero', permissions: 'r' }],
    annotations: { 'example.com/widgets': ids.join('_') },
  }),
});
t.teardown(() => plugin[Symbol.asyncDispose]());
cluster.endWith(t);

const podNamed = async (name: string): Promise<Pod | undefined> =>
  (await cluster.get<{ items: Pod[] }>('pods')).items.find(({ metadata }) => metadata?.name === name);
const isRunning = async (name: string): Promise<boolean> => (await podNamed(name))?.status?.phase === 'Running';
const amounts = async (): Promise<string> => {
  const { status } = await cluster.get<Node>('node', node.name);
  return `${own(status?.allocatable, RESOURCE)} of ${own(status?.capacity, RESOURCE)}`;
};
const podWith = (name: string, amount: number): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        ...{ name: 'main', image: HELLO_IMAGE, resources: { limits: { [RESOURCE]: String(amount) } } },
        env: [{ name: 'OWN', value: 'pod' }],
        command: ['sh', '-c', 'trap exit TERM; until [ -e /tmp/end ]; do sleep 0.1; done'],
      },
    ],
  },
});
const inPod = async (name: string, script: string): Promise<string> =>
  (await cluster.kubectl('exec', name, '--', 'sh', '-c', script)).stdout.trim();

t.test('what a plugin lists is on the Node', async (t) => {
  await plugin.start();
  await eventually('the amounts', async () => (await amounts()) === '3 of 3');
  plugin.change({ w0: true, w1: true, w2: false });
  await eventually('one to be unhealthy', async () => (await amounts()) === '2 of 3');
  plugin.change({ w0: true, w1: true, w2: true });
  await eventually('all again', async () => (await amounts()) === '3 of 3');
  await t.rejects(plugin.register({ version: 'v1alpha' }), /is not supported/);
  await t.rejects(plugin.register({ resourceName: 'cpu' }), /is invalid/);
  await t.rejects(plugin.register({ endpoint: '../../x.sock' }), /is not the name of a socket/);
});

t.test('a container gets the devices that its limits say, with what the plugin adds', async (t) => {
  await cluster.apply(podWith('two', 2));
  await eventually('the pod', () => isRunning('two'), 90);
  t.equal(await inPod('two', 'echo $WIDGETS $OWN; cat /widgets/*'), 'w2 w1 pod\nw1w2', 'the pod’s own variables win');
  t.equal(await inPod('two', 'head -c 4 /dev/widget | wc -c'), '4');
  t.strictSame(
    plugin.callsOf('PreStartContainer').map(({ deviceIds }) => deviceIds.join()),
    ['w2,w1'],
  );
  const [status] = (await podNamed('two'))?.status?.containerStatuses ?? [];
  t.match(status?.allocatedResourcesStatus, [
    { name: RESOURCE, resources: [{ resourceID: 'w2', health: 'Healthy' }, { resourceID: 'w1' }] },
  ]);
  plugin.change({ w0: true, w1: true, w2: false });
  await eventually('its health', async () => {
    const statuses = (await podNamed('two'))?.status?.containerStatuses ?? [];
    return statuses[0]?.allocatedResourcesStatus?.[0]?.resources?.[0]?.health === 'Unhealthy';
  });
  plugin.change({ w0: true, w1: true, w2: true });
});

t.test('monitoring is told who has which, by the pod resources API', async (t) => {
  const socket = path.join(node.kubeletDirectory, 'pod-resources/kubelet.sock');
  const { podResources } = await askPodResources<{ podResources: ListedPod[] }>(socket, 'List');
  const devices = podResources.find(({ name }) => name === 'two')?.containers[0]?.devices;
  t.match(devices, [
    { resourceName: RESOURCE, deviceIds: ['w2'], topology: { nodes: [{ ID: 0 }] } },
    { resourceName: RESOURCE, deviceIds: ['w1'], topology: null },
  ]);
});

t.test('an agent that is killed gives no device away twice, and needs no plugin for what is given', async (t) => {
  await plugin.stop('killed');
  await node.stopAgent('SIGKILL');
  await node.startAgent();
  await eventually('the amounts', async () => (await amounts()) === '0 of 0', 60);
  // The container ends; its next one gets the same.
  await inPod('two', 'touch /tmp/end');
  await eventually(
    'another container',
    async () => (await podNamed('two'))?.status?.containerStatuses?.[0]?.restartCount === 1,
    60,
  );
  await eventually('it to run', () => isRunning('two'));
  t.equal(await eventually('its devices', () => inPod('two', 'echo $WIDGETS')), 'w2 w1');
  t.equal(plugin.callsOf('Allocate').length, 1);
  await plugin.start();
  await eventually('the amounts', async () => (await amounts()) === '3 of 3');
  await cluster.apply(podWith('one', 1));
  await eventually('the pod', () => isRunning('one'), 60);
  t.equal(await inPod('one', 'echo $WIDGETS'), 'w0');
});

t.test('devices of a pod that has ended are free again', async (t) => {
  await cluster.apply(podWith('late', 2));
  await eventually('it to wait', async () => {
    const conditions = (await podNamed('late'))?.status?.conditions ?? [];
    return conditions.some(({ message }) => message?.includes(`Insufficient ${RESOURCE}`));
  });
  await cluster.kubectl('delete', 'pod', 'two', '--wait=false');
  await eventually('it to run', () => isRunning('late'), 60);
  t.equal(await inPod('late', 'echo $WIDGETS'), 'w2 w1');
});

t.test('a plugin that refuses is quoted, and asked again', async () => {
  await cluster.kubectl('delete', 'pod', '--all');
  plugin.refuse('Allocate', 'RESOURCE_EXHAUSTED', 'too hot');
  await cluster.apply(podWith('hot', 1));
  await eventually('the reason', async () => {
    const waiting = (await podNamed('hot'))?.status?.containerStatuses?.[0]?.state?.waiting;
    return waiting?.reason === 'CreateContainerConfigError' && waiting.message?.includes('too hot');
  });
  plugin.failing.clear();
  await eventually('it to run', () => isRunning('hot'), 90);
});
