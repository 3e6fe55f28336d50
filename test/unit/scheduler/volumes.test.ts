/** Where pods with claims may go, and in which words the others are refused. */
import t from 'tap';
import type { PersistentVolumeClaim, PodSpec } from '../../../api/types/core/v1.gen.ts';
import type { CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment } from '../../../api/types/storage/v1.gen.ts';
import { SchedulingCache } from '../../../control-plane/scheduler/cache.ts';
import { decide } from '../../../control-plane/scheduler/decide.ts';
import { NodeSampling } from '../../../control-plane/scheduler/framework/node-sampling.ts';
import type { PendingPod } from '../../../control-plane/scheduler/framework/pod-info.ts';
import { podVolumes, volumesOn } from '../../../control-plane/scheduler/framework/pod-volumes.ts';
import { profileOf } from '../../../control-plane/scheduler/framework/profile.ts';
import { defaultPlugins } from '../../../control-plane/scheduler/plugins/index.ts';
import { volumeBindingOf } from '../../../control-plane/scheduler/plugins/volume-binding.ts';
import { bound, factsOf, pending } from './objects.ts';
import { boundTo, claimNamed, classNamed, storageOf, volumeOn, type StorageObjects } from './storage.ts';

const using = (...claims: string[]): Partial<PodSpec> => ({
  volumes: claims.map((claimName, index) => ({ name: `v${index}`, persistentVolumeClaim: { claimName } })),
});
const ephemeral: Partial<PodSpec> = {
  volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate: { spec: {} } } }],
};
const zoned = (name: string, zone: string) =>
  factsOf(name, {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': zone } },
  });
const owned = (uid: string): PersistentVolumeClaim =>
  claimNamed(
    'p-scratch',
    '1Gi',
    {},
    {
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid, controller: true }],
    },
  );
const selected = (name: string, node: string): PersistentVolumeClaim =>
  claimNamed(name, '1Gi', {}, { annotations: { 'volume.kubernetes.io/selected-node': node } });
const provisioned = classNamed('disks', { provisioner: 'example.com/disks' });
const inZone = (...values: string[]) => [{ matchLabelExpressions: [{ key: 'topology.kubernetes.io/zone', values }] }];

const DRIVER = 'example.com/disks';
const saying = (spec: CSIDriver['spec'] = { storageCapacity: true }): CSIDriver => ({
  metadata: { name: DRIVER },
  spec,
});
const roomIn = (zone: string, capacity: string): CSIStorageCapacity => ({
  storageClassName: 'disks',
  nodeTopology: { matchLabels: { 'topology.kubernetes.io/zone': zone } },
  capacity,
});
const csiVolume = (name: string) =>
  volumeOn('', `v-${name}`, '1Gi', { local: undefined, csi: { driver: DRIVER, volumeHandle: name } });
const csiClaim = (name: string): PersistentVolumeClaim => boundTo(`v-${name}`, claimNamed(name));
/** Nodes that can have one volume of the driver. */
const limited = (...nodes: string[]): CSINode[] =>
  nodes.map((name) => ({
    metadata: { name },
    spec: { drivers: [{ name: DRIVER, nodeID: name, allocatable: { count: 1 } }] },
  }));
const attached = (volume: string, nodeName: string): VolumeAttachment => ({
  metadata: { name: `${volume}-${nodeName}` },
  spec: { attacher: DRIVER, nodeName, source: { persistentVolumeName: `v-${volume}` } },
});

const cases: [what: string, storage: StorageObjects, pod: Partial<PodSpec>, expected: string][] = [
  ['there is no claim', {}, using('data'), 'persistentvolumeclaim "data" not found'],
  [
    'no claim has been made yet for an ephemeral volume',
    {},
    ephemeral,
    'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-scratch"',
  ],
  [
    'the claim of an ephemeral volume is of another pod',
    { claims: [owned('stranger')] },
    ephemeral,
    'PVC default/p-scratch was not created for pod default/p (pod is not owner)',
  ],
  ['an ephemeral volume', { claims: [owned('uid-p')], volumes: [volumeOn('b', 'v')] }, ephemeral, 'b'],
  [
    'the claim is being deleted',
    { claims: [claimNamed('data', '1Gi', {}, { deletionTimestamp: '2026-01-01T00:00:00Z' })] },
    using('data'),
    'persistentvolumeclaim "data" is being deleted',
  ],
  [
    'the claim has lost its volume',
    { claims: [{ ...boundTo('gone', claimNamed('data')), status: { phase: 'Lost' } }] },
    using('data'),
    'persistentvolumeclaim "data" bound to non-existent persistentvolume "gone"',
  ],
  [
    'the class binds at once',
    { classes: [classNamed('disks', { volumeBindingMode: 'Immediate' })], claims: [claimNamed('data')] },
    using('data'),
    'pod has unbound immediate PersistentVolumeClaims',
  ],
  [
    'the claim names a volume and is not bound to it yet',
    { claims: [claimNamed('data', '1Gi', { volumeName: 'v' })], volumes: [volumeOn('b', 'v')] },
    using('data'),
    'pod has unbound immediate PersistentVolumeClaims',
  ],
  [
    'the volume is on a node',
    { claims: [boundTo('v', claimNamed('data'))], volumes: [volumeOn('b', 'v')] },
    using('data'),
    'b',
  ],
  [
    'the volume is on no node that is there',
    { claims: [boundTo('v', claimNamed('data'))], volumes: [volumeOn('elsewhere', 'v')] },
    using('data'),
    "2 node(s) didn't match PersistentVolume's node affinity",
  ],
  [
    'the volume is gone',
    { claims: [boundTo('v', claimNamed('data'))] },
    using('data'),
    'persistentvolume "v" not found',
  ],
  ['a static volume fits', { claims: [claimNamed('data')], volumes: [volumeOn('b', 'v')] }, using('data'), 'b'],
  [
    'the static volumes are too small or taken',
    {
      claims: [claimNamed('data', '2Gi')],
      volumes: [volumeOn('a', 'v'), volumeOn('b', 'w', '2Gi', { claimRef: { namespace: 'default', name: 'other' } })],
    },
    using('data'),
    "2 node(s) didn't find available persistent volumes to bind",
  ],
  [
    'two claims need two volumes on one node',
    {
      claims: [claimNamed('one'), claimNamed('two')],
      volumes: [volumeOn('a', 'v'), volumeOn('b', 'w'), volumeOn('b', 'x')],
    },
    using('one', 'two'),
    'b',
  ],
  [
    'the smaller claim leaves the large volume to the larger one',
    {
      claims: [claimNamed('large', '5Gi'), claimNamed('small', '1Gi')],
      volumes: [volumeOn('b', 'v', '5Gi'), volumeOn('b', 'w', '1Gi'), volumeOn('a', 'x', '1Gi')],
    },
    using('large', 'small'),
    'b',
  ],
  [
    'a volume that a user has reserved for the claim',
    {
      claims: [claimNamed('data')],
      volumes: [volumeOn('a', 'v'), volumeOn('b', 'w', '9Gi', { claimRef: { namespace: 'default', name: 'data' } })],
    },
    using('data'),
    'b',
  ],
  [
    'one claim is bound on a node, for the other there is a volume on the other node',
    {
      claims: [boundTo('v', claimNamed('data')), claimNamed('more')],
      volumes: [volumeOn('a', 'v', '1Gi', { claimRef: { name: 'data' } }), volumeOn('b', 'w')],
    },
    using('data', 'more'),
    "1 node(s) didn't find available persistent volumes to bind, 1 node(s) didn't match PersistentVolume's node affinity",
  ],
  ['a provisioner makes the volume', { classes: [provisioned], claims: [claimNamed('data')] }, using('data'), 'a'],
  [
    'the provisioner has been asked for another node before',
    { classes: [provisioned], claims: [selected('data', 'b')], volumes: [volumeOn('a', 'v')] },
    using('data'),
    'b',
  ],
  [
    'the provisioner makes volumes in one zone',
    {
      classes: [classNamed('disks', { ...provisioned, allowedTopologies: inZone('west') })],
      claims: [claimNamed('data')],
    },
    using('data'),
    'b',
  ],
  [
    'the provisioner makes volumes in a zone without nodes',
    {
      classes: [classNamed('disks', { ...provisioned, allowedTopologies: inZone('north') })],
      claims: [claimNamed('data')],
    },
    using('data'),
    "2 node(s) didn't find available persistent volumes to bind",
  ],
  [
    'the volume is labelled with its zone',
    {
      claims: [boundTo('v', claimNamed('data'))],
      volumes: [volumeOn('', 'v', '1Gi', {}, { labels: { 'topology.kubernetes.io/zone': 'west__south' } })],
    },
    using('data'),
    'b',
  ],
  [
    'the volume is in another zone, by its old label',
    {
      claims: [boundTo('v', claimNamed('data'))],
      volumes: [volumeOn('', 'v', '1Gi', {}, { labels: { 'failure-domain.beta.kubernetes.io/zone': 'north' } })],
    },
    using('data'),
    '2 node(s) had no available volume zone',
  ],
  [
    'the driver has room where the node is',
    {
      claims: [claimNamed('data', '5Gi')],
      classes: [provisioned],
      drivers: [saying()],
      capacities: [roomIn('west', '9Gi')],
    },
    using('data'),
    'b',
  ],
  [
    'the driver has too little room',
    {
      claims: [claimNamed('data', '5Gi')],
      classes: [provisioned],
      drivers: [saying()],
      capacities: [roomIn('west', '4Gi')],
    },
    using('data'),
    '2 node(s) did not have enough free storage',
  ],
  [
    'the driver makes no volume as large, whatever room it has',
    {
      ...{ claims: [claimNamed('data', '5Gi')], classes: [provisioned], drivers: [saying()] },
      capacities: [{ ...roomIn('west', '90Gi'), maximumVolumeSize: '4Gi' }],
    },
    using('data'),
    '2 node(s) did not have enough free storage',
  ],
  [
    'the driver does not say what room it has',
    { claims: [claimNamed('data', '5Gi')], classes: [provisioned], drivers: [saying({ storageCapacity: false })] },
    using('data'),
    'a',
  ],
  [
    'there is a volume already where the driver has no room',
    { claims: [claimNamed('data')], classes: [provisioned], drivers: [saying()], volumes: [volumeOn('a', 'v')] },
    using('data'),
    'a',
  ],
  [
    'a node has as many volumes as its driver can attach',
    {
      claims: [csiClaim('one'), csiClaim('data')],
      volumes: [csiVolume('one'), csiVolume('data')],
      csiNodes: limited('a', 'b'),
    },
    using('data'),
    'b',
  ],
  [
    'volumes that are attached without a pod count, too',
    {
      ...{ claims: [csiClaim('data')], volumes: [csiVolume('x'), csiVolume('data')], csiNodes: limited('a', 'b') },
      attachments: [attached('x', 'a'), attached('x', 'b')],
    },
    using('data'),
    '2 node(s) exceed max volume count',
  ],
  [
    'a volume that the node has already is no further one',
    {
      claims: [csiClaim('one')],
      volumes: [csiVolume('one')],
      csiNodes: limited('a', 'b'),
      attachments: [attached('one', 'a')],
    },
    { ...using('one'), nodeSelector: { 'kubernetes.io/hostname': 'a' } },
    'a',
  ],
  [
    'a volume that is still to be made is one more',
    {
      ...{ claims: [csiClaim('one'), claimNamed('new')], volumes: [csiVolume('one')], classes: [provisioned] },
      csiNodes: limited('a', 'b'),
    },
    using('new'),
    'b',
  ],
  [
    'the driver has to be on the node, and is not',
    {
      ...{ claims: [csiClaim('data')], volumes: [csiVolume('data')], csiNodes: limited('b') },
      drivers: [saying({ preventPodSchedulingIfMissing: true })],
    },
    using('data'),
    'b',
  ],
];

for (const [what, objects, pod, expected] of cases) {
  t.test(what, async (t) => {
    const cache = new SchedulingCache(storageOf(objects));
    cache.setNode(zoned('a', 'east'));
    cache.setNode(zoned('b', 'west'));
    if (objects.claims?.some(({ metadata }) => metadata?.name === 'one'))
      cache.setPod(bound('user', 'a', using('one')));
    const decision = decide(pending(pod), cache, profileOf(defaultPlugins), new NodeSampling(), () => 0);
    if (decision.node === undefined) {
      const why = expected.includes('max volume count')
        ? 'No preemption victims found for incoming pod'
        : 'Preemption is not helpful for scheduling';
      const help = `preemption: 0/2 nodes are available: 2 ${why}.`;
      t.equal(decision.message, `0/2 nodes are available: ${expected}. ${help}`);
    } else t.equal(decision.node, expected);
  });
}

t.test('nodes are scored by how full storage gets there, when a profile says so', async (t) => {
  const objects = {
    classes: [provisioned],
    drivers: [saying()],
    capacities: [roomIn('east', '9Gi'), roomIn('west', '90Gi')],
  };
  const chosen = (storage: StorageObjects, ...scores: number[]) => {
    const cache = new SchedulingCache(storageOf({ claims: [claimNamed('data', '5Gi')], ...storage }));
    cache.setNode(zoned('a', 'east'));
    cache.setNode(zoned('b', 'west'));
    const shape = scores.map((score, index) => ({ utilization: index * 100, score }));
    const plugin = volumeBindingOf({ bindTimeoutSeconds: 1, shape: scores.length > 0 ? shape : undefined });
    return decide(pending(using('data')), cache, profileOf([plugin]), new NodeSampling(), () => 0).node;
  };
  t.equal(chosen(objects), 'a', 'nodes are alike without a shape');
  t.equal(chosen(objects, 10, 0), 'b', 'the emptier one');
  t.equal(chosen(objects, 0, 10), 'a', 'the fuller one');
  const volumes = [volumeOn('a', 'v9', '9Gi'), volumeOn('b', 'v5', '5Gi')];
  t.equal(chosen({ volumes }, 0, 10), 'b', 'the volume that fits best');
});

t.test('which volume is written for which claim', async (t) => {
  const storage = storageOf({
    claims: [claimNamed('large', '5Gi'), claimNamed('small'), claimNamed('made', '1Gi', { storageClassName: 'made' })],
    classes: [classNamed('disks'), classNamed('made', { provisioner: 'example.com/disks' })],
    volumes: [volumeOn('a', 'v5', '5Gi'), volumeOn('a', 'v1'), volumeOn('', 'v9', '9Gi')],
  });
  const volumes = podVolumes(pending(using('large', 'small', 'made')), storage);
  if (typeof volumes === 'string') throw new Error(volumes);
  t.match(volumesOn(factsOf('a'), volumes), {
    volumes: [
      { metadata: { name: 'v1' }, spec: { claimRef: { uid: 'uid-small', name: 'small', namespace: 'default' } } },
      {
        metadata: { name: 'v5', annotations: { 'pv.kubernetes.io/bound-by-controller': 'yes' } },
        spec: { claimRef: { kind: 'PersistentVolumeClaim', uid: 'uid-large' } },
      },
    ],
    claims: [{ metadata: { name: 'made', annotations: { 'volume.kubernetes.io/selected-node': 'a' } } }],
  });
});

t.test('a claim with ReadWriteOncePod has one pod, which one of higher priority replaces', async (t) => {
  const claim = boundTo('v', claimNamed('data', '1Gi', { accessModes: ['ReadWriteOncePod'] }));
  const cache = new SchedulingCache(storageOf({ claims: [claim], volumes: [volumeOn('', 'v')] }));
  cache.setNode(factsOf('a'));
  cache.setNode(factsOf('b'));
  const decideFor = (pod: PendingPod) => decide(pod, cache, profileOf(defaultPlugins), new NodeSampling(), () => 0);
  t.match(decideFor(pending(using('data'))), { node: String });
  cache.setPod(bound('owner', 'a', { ...using('data'), priority: 1 }));
  const refused = decideFor(pending(using('data')));
  const inUse =
    '2 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod';
  t.match(refused, {
    message: `0/2 nodes are available: ${inUse}. preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.`,
    rejectedBy: new Set(['VolumeRestrictions']),
  });
  t.match(decideFor(pending({ ...using('data'), priority: 2 })), {
    nominatedNodeName: 'a',
    victims: [{ name: 'owner' }],
  });
  t.equal(cache.pods.claimUsers('default', 'data'), 1);
  cache.removePod(bound('owner', 'a', using('data')));
  t.equal(cache.pods.claimUsers('default', 'data'), 0);
  t.match(decideFor(pending(using('data'))), { node: String });
});
