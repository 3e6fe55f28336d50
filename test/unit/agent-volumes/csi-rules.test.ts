import { test } from 'tap';
import { nodeIdsWith } from '../../../agent/volumes/csi/csi-node-object.ts';
import { accessModeOf, groupIsSetByAgent, usageOf } from '../../../agent/volumes/csi/csi-rules.ts';
import {
  CsiPaths,
  csiAttributes,
  csiVolumeOf,
  inlineCsiVolume,
  type CsiVolume,
} from '../../../agent/volumes/csi/csi-volume.ts';

const volume: CsiVolume = {
  ...{
    driver: 'disks',
    handle: 'h',
    name: 'pv',
    isInline: false,
    isBlock: false,
    isReadOnly: false,
    isAttached: false,
  },
  ...{ fsType: 'ext4', accessModes: ['ReadWriteOnce'], mountOptions: [], context: {}, secrets: {} },
};

test('access modes are those of CSI, of which some drivers know fewer', (t) => {
  for (const [mode, plain, able] of [
    ['ReadWriteOnce', 'SINGLE_NODE_WRITER', 'SINGLE_NODE_MULTI_WRITER'],
    ['ReadWriteOncePod', 'SINGLE_NODE_WRITER', 'SINGLE_NODE_SINGLE_WRITER'],
    ['ReadOnlyMany', 'MULTI_NODE_READER_ONLY', 'MULTI_NODE_READER_ONLY'],
    ['ReadWriteMany', 'MULTI_NODE_MULTI_WRITER', 'MULTI_NODE_MULTI_WRITER'],
    ['Other', 'UNKNOWN', 'UNKNOWN'],
  ] as const) {
    t.equal(accessModeOf(mode, false), plain, mode);
    t.equal(accessModeOf(mode, true), able, mode);
  }
  t.end();
});

test('the group of a volume is set by the policy of its driver', (t) => {
  for (const [policy, more, isSet] of [
    ['None', {}, false],
    ['File', { fsType: '', accessModes: ['ReadWriteMany'] }, true],
    ['File', { isReadOnly: true }, false],
    ['File', { isBlock: true }, false],
    [undefined, {}, true],
    [undefined, { fsType: '' }, false],
    ['ReadWriteOnceWithFSType', { accessModes: ['ReadWriteMany'] }, false],
    ['ReadWriteOnceWithFSType', { accessModes: ['ReadWriteMany'], isInline: true }, true],
  ] as const)
    t.equal(groupIsSetByAgent({ ...volume, ...more }, policy), isSet, `${policy} ${JSON.stringify(more)}`);
  t.end();
});

test('paths are those of the kubelet, and lead nowhere else', (t) => {
  const paths = new CsiPaths('/var/lib/kubelet');
  const sha = 'aaa9402664f1a41f40ebbc52c9993eb66aeb366602958fdfaa283b71e64db123';
  t.equal(paths.staging(volume), `/var/lib/kubelet/plugins/kubernetes.io/csi/disks/${sha}/globalmount`);
  t.equal(paths.target(volume, 'u1'), '/var/lib/kubelet/pods/u1/volumes/kubernetes.io~csi/pv/mount');
  const block = { ...volume, isBlock: true };
  t.equal(paths.staging(block), '/var/lib/kubelet/plugins/kubernetes.io/csi/volumeDevices/staging/pv');
  t.equal(paths.target(block, 'u1'), '/var/lib/kubelet/plugins/kubernetes.io/csi/volumeDevices/publish/pv/u1');
  t.equal(paths.mark(block, 'u1'), '/var/lib/kubelet/pods/u1/volumeDevices/kubernetes.io~csi/pv');
  for (const evil of ['..', '../x', 'a/b', '', '.hidden', 'a\0b']) {
    t.throws(() => paths.target({ ...volume, name: evil }, 'u1'), { message: /cannot be a part of a path/ }, evil);
    t.throws(() => paths.target(volume, evil), { message: /cannot be a part of a path/ }, evil);
    t.throws(() => paths.staging({ ...volume, driver: evil }), { message: /cannot be a part of a path/ }, evil);
  }
  t.end();
});

test('a volume is read back from its record, and an inline one has a handle of its own', (t) => {
  t.strictSame(csiVolumeOf({ attributes: csiAttributes(volume) }), volume);
  t.throws(() => csiVolumeOf({ attributes: {} }), { message: /does not name its CSI driver/ });
  const pod = { metadata: { uid: 'u1', namespace: 'apps' } };
  const inline = inlineCsiVolume({ name: 'v', csi: { driver: 'disks', nodePublishSecretRef: { name: 's' } } }, pod);
  t.match(inline, { isInline: true, secrets: { publish: { namespace: 'apps', name: 's' } } });
  const other = inlineCsiVolume({ name: 'v', csi: { driver: 'disks' } }, { metadata: { uid: 'u2' } });
  t.not(inline?.handle, other?.handle);
  t.end();
});

test('what others have written into the annotation of node ids is kept, when it is one', (t) => {
  t.equal(nodeIdsWith(undefined, 'b', '1'), '{"b":"1"}');
  t.equal(nodeIdsWith('{"c":"2"}', 'b', '1'), '{"b":"1","c":"2"}');
  t.equal(nodeIdsWith('{"b":"1","c":"2"}', 'b', undefined), '{"c":"2"}');
  t.equal(nodeIdsWith('{"b":"1"}', 'b', undefined), undefined);
  t.equal(nodeIdsWith('no JSON', 'b', '1'), '{"b":"1"}');
  t.equal(nodeIdsWith('{"__proto__":"2"}', 'b', '1'), '{"__proto__":"2","b":"1"}');
  t.end();
});

test('a driver that has measured no bytes has measured nothing', (t) => {
  t.equal(usageOf([]), undefined);
  t.equal(usageOf([{ unit: 'INODES', used: 1, available: 1, total: 2 }]), undefined);
  t.match(usageOf([{ unit: 'BYTES', used: 1, available: 2, total: 3 }]), { bytes: 1, capacityBytes: 3, inodes: 0 });
  t.end();
});
