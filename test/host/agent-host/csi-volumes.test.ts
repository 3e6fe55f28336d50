/** Volumes of CSI drivers on a node, with a driver that mounts for real. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import { csiNodes, nodes, persistentVolumeClaims, persistentVolumes, secrets } from '../../../client/resources.gen.ts';
import { eventually } from '../../support/wait.ts';
import { CsiWorld, DRIVER, NODE, podOf } from './csi-world.ts';

t.setTimeout(300_000);
const { signal } = new AbortController();
const STAGED = /^plugins\/kubernetes\.io\/csi\/disks\.example\.com\/[0-9a-f]{64}\/globalmount$/;
const driversOf = async (world: CsiWorld) => (await world.client.get(csiNodes, '', NODE)).spec.drivers ?? [];

t.test('a driver is registered with its topology and limit, again after a restart, and unregistered', async (t) => {
  const world = await CsiWorld.start(t, {
    topology: { 'topology.disks/rack': 'r1' },
    maxVolumes: 7,
    nodeId: 'disk-host-1',
  });
  await world.registered();
  t.strictSame(world.driver.registrations, [{ pluginRegistered: true, error: '' }]);
  const entry = {
    name: DRIVER,
    nodeID: 'disk-host-1',
    topologyKeys: ['topology.disks/rack'],
    allocatable: { count: 7 },
  };
  t.strictSame(await driversOf(world), [entry]);
  const node = await world.client.get(nodes, '', NODE);
  t.equal(node.metadata?.labels?.['topology.disks/rack'], 'r1');
  t.equal(node.metadata?.annotations?.['csi.volume.kubernetes.io/nodeid'], `{"${DRIVER}":"disk-host-1"}`);
  t.equal((await world.client.get(csiNodes, '', NODE)).metadata?.ownerReferences?.[0]?.uid, node.metadata?.uid);

  await world.driver.stop('killed');
  await world.driver.serve();
  await world.registered(2);
  t.strictSame(await driversOf(world), [entry], 'one that was killed and came back');

  await world.driver.stop();
  await eventually('the driver to be unregistered', async () => (await driversOf(world)).length === 0);
  const after = await eventually('its id to be gone', async () => {
    const seen = await world.client.get(nodes, '', NODE);
    return seen.metadata?.annotations?.['csi.volume.kubernetes.io/nodeid'] === undefined && seen;
  });
  t.equal(after.metadata?.labels?.['topology.disks/rack'], 'r1', 'volumes refer to the topology');
});

t.test('a volume is staged once for all pods, published for each, and all is undone after the last', async (t) => {
  const world = await CsiWorld.start(t);
  await world.install();
  await world.registered();
  await world.claim('data');
  const { volumes } = world.agent;
  const [one, two] = [podOf('uid-1', ['data']), podOf('uid-2', ['data'])];
  await Promise.all([volumes.setUp(one, signal), volumes.setUp(two, signal)]);
  const mounted = await world.mounts();
  t.equal(mounted.filter((place) => STAGED.test(place)).length, 1);
  const published = ['uid-1', 'uid-2'].map((uid) => `pods/${uid}/volumes/kubernetes.io~csi/data/mount`);
  t.strictSame(mounted.filter((place) => !STAGED.test(place)).sort(), published);

  const [mount] = await volumes.mountsOf(one, one.spec!.containers[0]!, signal);
  t.equal(mount?.hostPath, join(world.root, 'kubelet', published[0]!));
  await writeFile(join(mount!.hostPath, 'note'), 'kept');
  t.equal(await readFile(join(world.driver.directoryOf('handle-of-data'), 'note'), 'utf8'), 'kept');

  await volumes.tearDown('uid-1', signal);
  t.equal(world.driver.callsOf('NodeUnstageVolume').length, 0, 'another pod has it');
  await volumes.tearDown('uid-2', signal);
  t.strictSame(await world.mounts(), []);
  t.equal(world.driver.callsOf('NodeUnstageVolume').length, 1);
  t.strictSame(await readdir(join(world.root, 'kubelet/pods')), [], 'nothing of the pods is left');
  t.strictSame(await readdir(join(world.root, 'agent/staging')), []);
});

t.test('secrets, options, modes, the group and what the driver wants to know of the pod reach it', async (t) => {
  const world = await CsiWorld.start(t, { capabilities: ['STAGE_UNSTAGE_VOLUME', 'SINGLE_NODE_MULTI_WRITER'] });
  await world.install({ podInfoOnMount: true });
  await world.registered();
  const secretNamed = (name: string) => ({ name, namespace: 'apps' });
  for (const name of ['stage', 'publish'])
    await world.client.create(secrets, {
      metadata: secretNamed(name),
      data: { key: Buffer.from(`${name} secret`).toString('base64') },
    });
  await world.claim('data', {
    mountOptions: ['noatime'],
    csi: {
      ...{ driver: DRIVER, volumeHandle: 'h', fsType: 'xfs', volumeAttributes: { tier: 'fast' } },
      ...{ nodeStageSecretRef: secretNamed('stage'), nodePublishSecretRef: secretNamed('publish') },
    },
  });
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data', readOnly: true } }];
  const pod = podOf('uid-1', ['data'], { volumes, serviceAccountName: 'runner' });
  await world.agent.volumes.setUp(pod, signal);
  const [stage] = world.driver.callsOf('NodeStageVolume');
  const [publish] = world.driver.callsOf('NodePublishVolume');
  t.match(stage, { volumeId: 'h', secrets: { key: 'stage secret' }, volumeContext: { tier: 'fast' } });
  t.match(stage?.volumeCapability, {
    mount: { fsType: 'xfs', mountFlags: ['noatime'] },
    accessMode: { mode: 'SINGLE_NODE_MULTI_WRITER' },
  });
  t.match(publish, { readonly: true, secrets: { key: 'publish secret' } });
  t.strictSame(publish?.volumeContext, {
    tier: 'fast',
    'csi.storage.k8s.io/pod.name': 'uid-1',
    'csi.storage.k8s.io/pod.namespace': 'apps',
    'csi.storage.k8s.io/pod.uid': 'uid-1',
    'csi.storage.k8s.io/serviceAccount.name': 'runner',
    'csi.storage.k8s.io/ephemeral': 'false',
  });
  const [mount] = await world.agent.volumes.mountsOf(pod, pod.spec!.containers[0]!, signal);
  t.equal(mount?.readonly, true, 'also for the container');
  await world.agent.volumes.tearDown('uid-1', signal);

  await world.claim('grouped');
  const grouped = podOf('uid-2', ['grouped'], { securityContext: { fsGroup: 4321 } });
  await world.agent.volumes.setUp(grouped, signal);
  t.equal((await stat(world.driver.directoryOf('handle-of-grouped'))).gid, 4321);
  await world.agent.volumes.tearDown('uid-2', signal);
});

t.test('a volume is used once it is attached, and is in use until it is unstaged', async (t) => {
  const world = await CsiWorld.start(t);
  await world.install({ attachRequired: true });
  await world.registered();
  await world.claim('data');
  const setUp = world.agent.volumes.setUp(podOf('uid-1', ['data']), signal);
  const inUse = async () => (await world.client.get(nodes, '', NODE)).status?.volumesInUse ?? [];
  await eventually('the volume to be in use', async () => (await inUse()).length === 1);
  t.strictSame(await inUse(), [`kubernetes.io/csi/${DRIVER}^handle-of-data`]);
  t.equal(world.driver.callsOf('NodeStageVolume').length, 0);
  await world.attach('data', { devicePath: '/dev/somewhere' });
  await setUp;
  t.strictSame(world.driver.callsOf('NodeStageVolume')[0]?.publishContext, { devicePath: '/dev/somewhere' });

  await world.restartAgent();
  t.strictSame(
    world.agent.attachments.report(),
    [`kubernetes.io/csi/${DRIVER}^handle-of-data`],
    'the next agent knows',
  );
  await world.registered(2);
  await world.agent.volumes.tearDown('uid-1', signal);
  await eventually('the volume to be free', async () => (await inUse()).length === 0);
});

t.test('an agent that was killed between stage and publish goes on, or undoes what was done', async (t) => {
  const world = await CsiWorld.start(t);
  await world.install();
  await world.registered();
  await world.claim('data');
  const pod = podOf('uid-1', ['data']);
  const interrupted = async (): Promise<void> => {
    const before = world.driver.callsOf('NodePublishVolume').length;
    world.driver.hanging.add('NodePublishVolume');
    const stop = new AbortController();
    const setUp = world.agent.volumes.setUp(pod, stop.signal);
    await eventually('the publishing', () => world.driver.callsOf('NodePublishVolume').length > before);
    stop.abort(new Error('killed'));
    await t.rejects(setUp);
    const times = world.driver.registrations.length;
    await world.restartAgent();
    world.driver.hanging.clear();
    await world.registered(times + 1);
  };
  await interrupted();
  await world.agent.volumes.setUp(pod, signal);
  t.equal((await world.mounts()).length, 2, 'the next agent goes on');
  await world.agent.volumes.tearDown('uid-1', signal);
  t.strictSame(await world.mounts(), []);

  await interrupted();
  t.equal((await world.mounts()).length, 1, 'only staged');
  await world.agent.volumes.tearDown('uid-1', signal);
  t.strictSame(await world.mounts(), [], 'the next agent undoes it, without the pod');
});

t.test('a driver that hangs or is away keeps no other pod waiting, and no agent from starting', async (t) => {
  const world = await CsiWorld.start(t);
  await world.install();
  await world.registered();
  await world.claim('data');
  await world.claim('other');
  const held = podOf('uid-1', ['data']);
  await world.agent.volumes.setUp(held, signal);

  world.driver.hanging.add('NodeStageVolume').add('NodeGetInfo').add('NodePublishVolume');
  const stop = new AbortController();
  const stuck = world.agent.volumes.setUp(podOf('uid-2', ['other']), stop.signal);
  await eventually('the staging', () => world.driver.callsOf('NodeStageVolume').length === 2);
  const plain = podOf('uid-3', [], { volumes: [{ name: 'scratch', emptyDir: {} }] });
  await world.agent.volumes.setUp(plain, signal);
  stop.abort(new Error('the pod is deleted'));
  await t.rejects(stuck);

  await world.restartAgent();
  await world.agent.volumes.setUp(held, signal);
  t.pass('a volume that is mounted needs no driver');
  await world.driver.stop('killed');
  await t.rejects(world.agent.volumes.tearDown('uid-1', signal), { message: /driver name .* not found in the list/ });
  t.equal((await world.mounts()).length >= 2, true, 'nothing is torn away from the driver');
  world.driver.hanging.clear();
  await world.driver.serve();
  await world.registered(2);
  for (const uid of ['uid-1', 'uid-2', 'uid-3']) await world.agent.volumes.tearDown(uid, signal);
  t.strictSame(await world.mounts(), []);
});

t.test('a pod whose driver is not on the node can be deleted', async (t) => {
  const world = await CsiWorld.start(t);
  await world.install();
  await world.registered();
  await world.driver.stop();
  await eventually('the driver to be gone', async () => (await driversOf(world)).length === 0);
  await world.claim('data');
  await t.rejects(world.agent.volumes.setUp(podOf('uid-1', ['data']), signal), {
    message: /MountVolume.MountDevice failed for volume "data" : driver name disks.example.com not found/,
  });
  await world.agent.volumes.tearDown('uid-1', signal);
  t.strictSame(await readdir(join(world.root, 'agent/pods')), []);
  t.strictSame(await readdir(join(world.root, 'agent/staging')), []);
});

t.test('a volume grows while it is in use, and when it is mounted the next time', async (t) => {
  const world = await CsiWorld.start(t);
  await world.install();
  await world.registered();
  await world.claim('data');
  const pod = podOf('uid-1', ['data']);
  const grow = async (storage: string): Promise<void> => {
    const spec = { capacity: { storage } };
    await world.client.patch(persistentVolumes, '', 'data', { spec }, { type: 'merge' });
    const pending = { type: 'FileSystemResizePending', status: 'True' };
    const status = { conditions: [pending], allocatedResourceStatuses: { storage: 'NodeResizePending' } };
    await world.client.patch(
      persistentVolumeClaims,
      'apps',
      'data',
      { status },
      { type: 'merge', subresource: 'status' },
    );
  };
  const claimNow = (): Promise<PersistentVolumeClaim> => world.client.get(persistentVolumeClaims, 'apps', 'data');
  await world.agent.volumes.setUp(pod, signal);
  t.equal(world.driver.callsOf('NodeExpandVolume').length, 0);
  await grow('2Gi');
  await world.agent.volumes.refresh(pod, signal);
  await world.agent.volumes.refresh(pod, signal);
  t.equal(await world.driver.sizeOf('handle-of-data'), 2 * 2 ** 30);
  t.equal(world.driver.callsOf('NodeExpandVolume').length, 1);
  const grown = await claimNow();
  t.equal(grown.status?.capacity?.['storage'], '2Gi');
  t.notOk(grown.status?.conditions?.length);
  t.notOk(grown.status?.allocatedResourceStatuses?.['storage']);

  await world.agent.volumes.tearDown('uid-1', signal);
  await grow('3Gi');
  await world.agent.volumes.setUp(podOf('uid-2', ['data']), signal);
  t.equal(await world.driver.sizeOf('handle-of-data'), 3 * 2 ** 30, 'before the container starts');

  world.driver.refuse('NodeExpandVolume', 'OUT_OF_RANGE', 'the disk is full');
  await grow('4Gi');
  await world.agent.volumes.refresh(podOf('uid-2', ['data']), signal);
  const refused = await claimNow();
  t.equal(refused.status?.allocatedResourceStatuses?.['storage'], 'NodeResizeInfeasible');
  t.match(refused.status?.conditions?.at(-1), {
    type: 'NodeResizeError',
    message: /OutOfRange desc = the disk is full/,
  });
  const { length } = world.driver.callsOf('NodeExpandVolume');
  await world.agent.volumes.refresh(podOf('uid-2', ['data']), signal);
  t.equal(world.driver.callsOf('NodeExpandVolume').length, length, 'it is not asked again');
  await world.agent.volumes.tearDown('uid-2', signal);
});

t.test('a block volume is a device of the container', async (t) => {
  const world = await CsiWorld.start(t);
  await world.install();
  await world.registered();
  await world.claim('disk', { volumeMode: 'Block' });
  const container = { name: 'main', volumeDevices: [{ name: 'disk', devicePath: '/dev/xvda' }] };
  const pod = podOf('uid-1', ['disk'], { containers: [container] });
  await world.agent.volumes.setUp(pod, signal);
  const [device] = world.agent.volumes.devicesOf(pod, container);
  t.match(device, { containerPath: '/dev/xvda', permissions: 'mrw' });
  t.ok((await stat(device!.hostPath)).isBlockDevice());
  t.equal(device!.hostPath, join(world.root, 'kubelet/plugins/kubernetes.io/csi/volumeDevices/publish/disk/uid-1'));
  await world.agent.volumes.tearDown('uid-1', signal);
  t.strictSame(await world.mounts(), []);

  await t.rejects(world.agent.volumes.setUp(podOf('uid-2', ['disk']), signal), {
    message: /volume disk has volumeMode Block, but is specified in volumeMounts/,
  });
  await world.agent.volumes.tearDown('uid-2', signal);
});

t.test('a volume that is defined in its pod lives as long, and its usage is measured', async (t) => {
  const world = await CsiWorld.start(t);
  await world.install({ volumeLifecycleModes: ['Ephemeral'], podInfoOnMount: true });
  await world.registered();
  const volumes = [{ name: 'inline', csi: { driver: DRIVER, volumeAttributes: { size: '1Gi' } } }];
  const containers = [{ name: 'main', volumeMounts: [{ name: 'inline', mountPath: '/inline' }] }];
  const pod = podOf('uid-1', [], { volumes, containers });
  await world.agent.volumes.setUp(pod, signal);
  const [mount] = await world.agent.volumes.mountsOf(pod, containers[0]!, signal);
  const context = JSON.parse(await readFile(join(mount!.hostPath, 'context.json'), 'utf8')) as Record<string, string>;
  t.match(context, { size: '1Gi', 'csi.storage.k8s.io/ephemeral': 'true', 'csi.storage.k8s.io/pod.uid': 'uid-1' });
  t.match(world.driver.callsOf('NodePublishVolume')[0]?.volumeId, /^csi-[0-9a-f]{64}$/);
  t.equal(world.driver.callsOf('NodeStageVolume').length, 0);
  const usage = await world.agent.volumes.usage(pod, ['inline'], signal);
  t.match(usage.get('inline'), { bytes: 1000, availableBytes: 9000, capacityBytes: 10_000, inodes: 3 });
  await world.agent.volumes.tearDown('uid-1', signal);
  t.strictSame(await world.mounts(), []);

  await world.claim('data');
  await t.rejects(world.agent.volumes.setUp(podOf('uid-2', ['data']), signal), {
    message: /volume mode "Persistent" not supported by driver/,
  });
  await world.agent.volumes.tearDown('uid-2', signal);
});
