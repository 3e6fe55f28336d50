/** Devices of a DRA driver: claimed, allocated, prepared, used and given back; what the driver does on the node is the test's. */
import t from 'tap';
import { run } from '../../agent/host/run.ts';
import type { Event, Pod } from '../../api/types/core/v1.gen.ts';
import type { ResourceClaim } from '../../api/types/resource/v1.gen.ts';
import { Cluster } from '../support/cluster.ts';
import { describeCdiDevices, DraTestDriver } from '../support/dra-driver.ts';
import { HELLO_IMAGE } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';

t.setTimeout(10 * 60_000);
const DRIVER = 'gpu.example.com';
const cluster = await Cluster.start({ name: 'e2e-dra' });
const node = cluster.host;
const cdi = await describeCdiDevices(node.cdiDirectory, 'example.com/gpu', { one: 'GPU=one', all: 'GPUS=all' });

const items = async <T>(...args: string[]): Promise<T[]> => (await cluster.get<{ items: T[] }>(...args)).items;
const claims = (): Promise<ResourceClaim[]> => items<ResourceClaim>('resourceclaims');
const claimNamed = async (name: string): Promise<ResourceClaim | undefined> =>
  (await claims()).find(({ metadata }) => metadata?.name === name);
const podNamed = async (name: string): Promise<Pod | undefined> =>
  (await items<Pod>('pods')).find(({ metadata }) => metadata?.name === name);
const isRunning = async (name: string): Promise<boolean> => (await podNamed(name))?.status?.phase === 'Running';
const eventOf = async (pod: string, reason: string): Promise<Event | undefined> =>
  (await items<Event>('events', '--field-selector', `involvedObject.name=${pod}`)).find((one) => one.reason === reason);

/** What a driver publishes, and publishes again when the agent has removed it. */
const publish = () =>
  cluster.apply({
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: { name: `${node.name}-gpus` },
    spec: {
      ...{ driver: DRIVER, nodeName: node.name, pool: { name: node.name, generation: 1, resourceSliceCount: 1 } },
      devices: [{ name: 'gpu-0' }, { name: 'gpu-1' }],
    },
  });
/** Waits while the driver keeps its devices published. */
const meanwhile = <T>(what: string, look: () => Promise<T>) =>
  eventually(
    what,
    async () => {
      await publish();
      return look();
    },
    120,
  );

const request = { name: 'gpu', exactly: { deviceClassName: 'gpu' } };
const claimOf = (name: string): object => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaim',
  metadata: { name },
  spec: { devices: { requests: [request] } },
});
const podWith = (name: string, claim: object, more: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: {
    terminationGracePeriodSeconds: 1,
    resourceClaims: [{ name: 'device', ...claim }],
    containers: [
      {
        ...{ name: 'main', image: HELLO_IMAGE, resources: { claims: [{ name: 'device', request: 'gpu' }] } },
        command: ['sh', '-c', 'trap exit TERM; echo "GPU $GPU"; until [ -e /tmp/end ]; do sleep 0.1; done'],
      },
    ],
    ...more,
  },
});

const driver = await DraTestDriver.start({
  name: DRIVER,
  kubeletDirectory: node.kubeletDirectory,
  health: [
    {
      ...{ device: { poolName: node.name, deviceName: 'gpu-0' }, health: 'UNHEALTHY', message: 'on fire' },
      healthCheckTimeoutSeconds: 3600,
    },
  ],
  // Those of claims without a CDI device are used otherwise, as interfaces of a network are.
  devicesOf: ({ name }) => [
    {
      ...{ requestNames: ['gpu'], poolName: node.name, deviceName: 'gpu-0' },
      cdiDeviceIds: name.startsWith('plain') ? [] : [cdi.idOf('one')],
    },
    { requestNames: ['other'], poolName: node.name, deviceName: 'gpu-1', cdiDeviceIds: [cdi.idOf('all')] },
  ],
});
t.teardown(() => driver[Symbol.asyncDispose]());
cluster.endWith(t);

await cluster.apply({
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'DeviceClass',
      metadata: { name: 'gpu' },
      spec: { selectors: [{ cel: { expression: `device.driver == '${DRIVER}'` } }] },
    },
    {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaimTemplate',
      metadata: { name: 'gpu' },
      spec: { spec: { devices: { requests: [request] } } },
    },
  ],
});
await eventually('the driver to be registered', () => driver.registrations.length > 0);
const [, major = '0', minor = '0'] = / v?(\d+)\.(\d+)\./.exec((await run('containerd', ['--version'])).stdout) ?? [];
const injects = Number(major) > 1 || Number(minor) >= 7;

await t.test('a container gets the device of its claim, or does not run', async (t) => {
  t.strictSame(driver.registrations, [{ pluginRegistered: true, error: '' }]);
  await cluster.apply(podWith('templated', { resourceClaimTemplateName: 'gpu' }));
  if (injects) {
    await meanwhile('the pod to run', () => isRunning('templated'));
    const logs = await eventually('the log', async () => (await cluster.kubectl('logs', 'templated')).stdout);
    t.equal(logs, 'GPU one\n');
    const resources = [{ resourceID: cdi.idOf('one'), health: 'Unhealthy', message: 'on fire' }];
    const [status] = (await podNamed('templated'))?.status?.containerStatuses ?? [];
    t.strictSame(status?.allocatedResourcesStatus, [{ name: 'claim:device/gpu', resources }]);
  } else {
    const waiting = await meanwhile('the refusal', async () => {
      const [status] = (await podNamed('templated'))?.status?.containerStatuses ?? [];
      return status?.state?.waiting?.reason === 'CreateContainerConfigError' && status.state.waiting;
    });
    t.match(waiting.message, /does not inject CDI devices/);
  }
  const [claim] = await claims();
  t.equal(claim?.status?.allocation?.devices?.results?.[0]?.pool, node.name);
  t.strictSame(driver.callsOf('NodePrepareResources')[0]?.claims, [
    { namespace: 'default', name: claim?.metadata?.name, uid: claim?.metadata?.uid },
  ]);
  await cluster.kubectl('delete', 'pod', 'templated', '--wait=true');
  t.strictSame([...driver.prepared], [], 'the driver has undone it before the pod is gone');
  await eventually('the claim to be gone', async () => (await claims()).length === 0);
});

await t.test(
  'two pods share a claim, which is given back after the last one, by the agent that is there then',
  async (t) => {
    await cluster.apply(claimOf('plain-shared'));
    for (const pod of ['first', 'second']) await cluster.apply(podWith(pod, { resourceClaimName: 'plain-shared' }));
    for (const pod of ['first', 'second']) await meanwhile(`the ${pod} pod to run`, () => isRunning(pod));
    await node.stopAgent('SIGKILL');
    await cluster.kubectl('delete', 'pod', 'first', '--wait=false');
    await node.startAgent();
    await eventually('the first pod to be gone', async () => !(await podNamed('first')), 60);
    t.equal(driver.prepared.size, 1);
    await cluster.kubectl('delete', 'pod', 'second', '--wait=true');
    t.equal(driver.prepared.size, 0);
    await eventually('the claim to be free', async () => !(await claimNamed('plain-shared'))?.status?.allocation);
  },
);

await t.test('a pod that has ended counts as running until its devices are given back', async (t) => {
  await cluster.apply(claimOf('plain-stuck'));
  driver.claimErrors.set('plain-stuck', 'the device is on fire');
  await cluster.apply(podWith('stuck', { resourceClaimName: 'plain-stuck' }, { restartPolicy: 'Never' }));
  const { message } = await meanwhile('the event', () => eventOf('stuck', 'FailedPrepareDynamicResources'));
  t.equal(
    message,
    'Failed to prepare dynamic resources: prepare dynamic resources: NodePrepareResources failed for ResourceClaim plain-stuck: the device is on fire',
  );
  driver.claimErrors.clear();
  await meanwhile('the pod to run', () => isRunning('stuck'));
  driver.claimErrors.set('plain-stuck', 'the device is on fire');
  await cluster.kubectl('exec', 'stuck', '--', 'touch', '/tmp/end');
  await eventually(
    'the driver to be asked',
    () => driver.callsOf('NodeUnprepareResources').at(-1)?.claims[0]?.name === 'plain-stuck',
  );
  await cluster.kubectl('delete', 'pod', 'stuck', '--wait=false');
  await node.stopAgent('SIGKILL');
  const asked = driver.calls.length;
  await node.startAgent();
  await eventually('the driver to be asked again', () => driver.calls.length > asked, 60);
  t.equal((await podNamed('stuck'))?.status?.phase, 'Running');
  t.ok((await claimNamed('plain-stuck'))?.status?.allocation, 'its device is not given to others');
  driver.claimErrors.clear();
  await eventually('the pod to be gone', async () => !(await podNamed('stuck')), 60);
  await eventually('the claim to be free', async () => !(await claimNamed('plain-stuck'))?.status?.allocation);
});
