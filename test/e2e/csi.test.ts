/** Claims of a CSI driver on two nodes: provisioned, attached, mounted and moved; the driver's own controllers are the test's. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import type { Event, Node, PersistentVolumeClaim, Pod } from '../../api/types/core/v1.gen.ts';
import type { VolumeAttachment } from '../../api/types/storage/v1.gen.ts';
import { readMounts } from '../../agent/host/mounts.ts';
import { Cluster, type ClusterNode } from '../support/cluster.ts';
import { CsiTestDriver } from '../support/csi-driver.ts';
import { HELLO_IMAGE } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';

t.setTimeout(10 * 60_000);
const DRIVER = 'disks.example.com';
const cluster = await Cluster.start({ name: 'e2e-csi', nodes: 2 });
const [first, second] = cluster.nodes as [ClusterNode, ClusterNode];
const drivers = await Promise.all(
  cluster.nodes.map(({ name, kubeletDirectory }) =>
    CsiTestDriver.start({
      ...{ name: DRIVER, kubeletDirectory, nodeId: `id-of-${name}`, topology: { 'topology.disks/zone': 'z1' } },
      directory: path.join(cluster.directory, 'disks'),
    }),
  ),
);
const directoryOf = (volume: string): string => drivers[0]!.directoryOf(volume);

const items = async <T>(...args: string[]): Promise<T[]> => (await cluster.get<{ items: T[] }>(...args)).items;
const put = (url: string, object: object) =>
  cluster.kubectlWith({ input: JSON.stringify(object) }, 'replace', '--raw', url, '-f', '-');

/** What external-provisioner and external-attacher do, one round of it. */
async function control(): Promise<void> {
  for (const { metadata, spec } of await items<PersistentVolumeClaim>('persistentvolumeclaims')) {
    if (metadata?.annotations?.['volume.kubernetes.io/storage-provisioner'] !== DRIVER || spec?.volumeName) continue;
    const name = `pvc-${metadata.uid}`;
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name, annotations: { 'pv.kubernetes.io/provisioned-by': DRIVER } },
      spec: {
        ...{ accessModes: spec?.accessModes, capacity: spec?.resources?.requests, volumeMode: spec?.volumeMode },
        ...{ storageClassName: spec?.storageClassName, persistentVolumeReclaimPolicy: 'Delete' },
        claimRef: { kind: 'PersistentVolumeClaim', namespace: 'default', name: metadata.name, uid: metadata.uid },
        csi: { driver: DRIVER, volumeHandle: metadata.name, fsType: 'ext4' },
      },
    });
  }
  for (const attachment of await items<VolumeAttachment>('volumeattachments')) {
    const { metadata, status } = attachment;
    if (status?.attached || metadata?.deletionTimestamp) continue;
    const attached = { ...attachment, status: { attached: true, attachmentMetadata: { lun: '7' } } };
    await put(`/apis/storage.k8s.io/v1/volumeattachments/${metadata?.name}/status`, attached);
  }
}

/** Waits while the driver's controllers work. */
const meanwhile = <T>(what: string, look: () => Promise<T>) =>
  eventually(
    what,
    async () => {
      await control();
      return look();
    },
    120,
  );

const podOn = (name: string, node: ClusterNode, more: object): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: {
    ...{ terminationGracePeriodSeconds: 1, nodeSelector: { 'kubernetes.io/hostname': node.name } },
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
    containers: [
      {
        ...{ name: 'main', image: HELLO_IMAGE, volumeMounts: [{ name: 'data', mountPath: '/data' }] },
        command: ['sh', '-c', `echo ${name} >> /data/starts; exec sleep 100000`],
        ...more,
      },
    ],
  },
});
const isRunning = async (name: string): Promise<boolean> =>
  (await cluster.get<Pod>('pod', name)).status?.phase === 'Running';
const claim = (name: string, spec: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec: {
    accessModes: ['ReadWriteOnce'],
    storageClassName: 'disks',
    resources: { requests: { storage: '1Gi' } },
    ...spec,
  },
});
const mountsIn = async ({ kubeletDirectory }: ClusterNode): Promise<string[]> =>
  (await readMounts()).map(({ mountPoint }) => mountPoint).filter((point) => point.startsWith(`${kubeletDirectory}/`));

t.teardown(async () => {
  for (const driver of drivers) await driver[Symbol.asyncDispose]();
});
cluster.endWith(t);

await cluster.apply({
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIDriver',
      metadata: { name: DRIVER },
      spec: { attachRequired: true, podInfoOnMount: true, tokenRequests: [{ audience: 'vault' }] },
    },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'disks' },
      ...{ provisioner: DRIVER, volumeBindingMode: 'WaitForFirstConsumer', allowVolumeExpansion: true },
    },
  ],
});
for (const driver of drivers) await eventually('the driver to be registered', () => driver.registrations.length > 0);

await t.test('a claim is provisioned, attached and mounted, with a token of the pod for the driver', async (t) => {
  await cluster.apply(claim('data'));
  await cluster.apply(podOn('one', first, {}));
  await meanwhile('the pod to run', () => isRunning('one'));
  t.equal(await readFile(path.join(directoryOf('data'), 'starts'), 'utf8'), 'one\n');
  const [publish] = drivers[0]!.callsOf('NodePublishVolume');
  t.strictSame(publish?.publishContext, { lun: '7' });
  const tokens = JSON.parse(publish?.volumeContext['csi.storage.k8s.io/serviceAccount.tokens'] ?? '{}') as object;
  t.match(tokens, { vault: { token: /^ey/, expirationTimestamp: /Z$/ } });
  const node = await cluster.get<Node>('node', first.name);
  const name = `kubernetes.io/csi/${DRIVER}^data`;
  t.strictSame(node.status?.volumesInUse, [name]);
  t.strictSame(node.status?.volumesAttached, [{ name, devicePath: '' }]);
  t.equal(node.metadata?.labels?.['topology.disks/zone'], 'z1');
});

await t.test('a second node has to wait, and gets the volume with its data when the first has let go', async (t) => {
  await cluster.apply(podOn('two', second, {}));
  const refused = await meanwhile('the refusal', async () => {
    const events = await items<Event>('events', '--field-selector', 'involvedObject.name=two');
    return events.find(({ reason }) => reason === 'FailedAttachVolume');
  });
  t.match(refused.message, /Multi-Attach error for volume "pvc-.*" Volume is already used by pod\(s\) one/);
  await first.stopAgent('SIGKILL');
  await first.startAgent();
  await cluster.kubectl('delete', 'pod', 'one', '--wait=true');
  await meanwhile('the other pod to run', () => isRunning('two'));
  t.equal(await readFile(path.join(directoryOf('data'), 'starts'), 'utf8'), 'one\ntwo\n');
  t.strictSame(await mountsIn(first), []);
});

await t.test('a claim grows under its pod', async (t) => {
  const patch = JSON.stringify({ spec: { resources: { requests: { storage: '2Gi' } } } });
  await cluster.kubectl('patch', 'persistentvolumeclaim', 'data', '-p', patch);
  const { spec } = await cluster.get<PersistentVolumeClaim>('persistentvolumeclaim', 'data');
  // As external-resizer does once the driver's controller has grown it.
  const grown = JSON.stringify({ spec: { capacity: { storage: '2Gi' } } });
  await cluster.kubectl('patch', 'persistentvolume', spec?.volumeName ?? '', '-p', grown);
  await meanwhile('the claim to hold more', async () => {
    const { status } = await cluster.get<PersistentVolumeClaim>('persistentvolumeclaim', 'data');
    return status?.capacity?.['storage'] === '2Gi';
  });
  t.equal(await drivers[1]!.sizeOf('data'), 2 * 2 ** 30);
});

await t.test('a block volume is a device of the container', async () => {
  await cluster.apply(claim('disk', { volumeMode: 'Block' }));
  const pod = podOn('raw', second, {
    volumeMounts: [],
    volumeDevices: [{ name: 'data', devicePath: '/dev/xvda' }],
    command: ['sh', '-c', 'test -b /dev/xvda && echo raw | dd of=/dev/xvda bs=1024 conv=sync && exec sleep 100000'],
  }) as { spec: { volumes: object[] } };
  pod.spec.volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'disk' } }];
  await cluster.apply(pod);
  await meanwhile('the pod to run', () => isRunning('raw'));
  await eventually('the words on the disk', async () =>
    (await readFile(path.join(directoryOf('disk'), 'disk'))).toString('latin1').startsWith('raw\n'),
  );
});

await t.test('what is left when the pods are gone is nothing', async (t) => {
  await cluster.kubectl('delete', 'pod', 'two', 'raw', '--wait=true');
  await meanwhile('the volumes to be detached', async () => (await items('volumeattachments')).length === 0);
  t.strictSame(await mountsIn(second), []);
  const node = await cluster.get<Node>('node', second.name);
  t.notOk(node.status?.volumesInUse?.length);
});
