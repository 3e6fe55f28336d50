/** What the local-path provisioner does about claims and volumes. */
import t from 'tap';
import {
  claimStep,
  volumeStep,
  type LocalPathNode,
} from '../../../control-plane/controllers/storage/local-path/plan.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import type { StorageClass } from '../../../api/types/storage/v1.gen.ts';

const UID = '594073ee-dfcd-4819-a4f8-c92297ea9342';
const storageClass: StorageClass = { metadata: { name: 'local-path' }, provisioner: 'kedge.io/local-path' };
const nodeOf = (changes: Partial<LocalPathNode> = {}): LocalPathNode => ({
  name: 'n1',
  labels: { 'kubernetes.io/hostname': 'host-1' },
  localPathDirectory: '/data/local-path',
  ...changes,
});
const claimOf = (
  spec: PersistentVolumeClaim['spec'] = {},
  annotations: Record<string, string> = { 'volume.kubernetes.io/selected-node': 'n1' },
  provisioner = 'kedge.io/local-path',
): PersistentVolumeClaim => ({
  metadata: {
    ...{ namespace: 'apps', name: 'data', uid: UID },
    annotations: { 'volume.kubernetes.io/storage-provisioner': provisioner, ...annotations },
  },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
});

t.test('the volume of a claim is a directory of its node, named for the claim', async (t) => {
  t.match(
    claimStep(claimOf(), { ...storageClass, reclaimPolicy: 'Retain' }, () => nodeOf()),
    {
      do: 'provision',
      volume: {
        metadata: {
          name: `pvc-${UID}`,
          labels: { 'kedge.io/local-path-node': 'n1' },
          annotations: { 'pv.kubernetes.io/provisioned-by': 'kedge.io/local-path' },
          finalizers: ['kedge.io/local-path'],
        },
        spec: {
          capacity: { storage: '1Gi' },
          accessModes: ['ReadWriteOnce'],
          persistentVolumeReclaimPolicy: 'Retain',
          storageClassName: 'local-path',
          claimRef: { kind: 'PersistentVolumeClaim', namespace: 'apps', name: 'data', uid: UID },
          local: { path: `/data/local-path/pvc-${UID}` },
          nodeAffinity: {
            required: {
              nodeSelectorTerms: [
                { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['host-1'] }] },
              ],
            },
          },
        },
      },
    },
  );
});

const claims: [what: string, claim: PersistentVolumeClaim, node: LocalPathNode | undefined, expected: unknown][] = [
  ['of another provisioner', claimOf({}, {}, 'example.com/disks'), nodeOf(), undefined],
  ['that has a volume', claimOf({ volumeName: 'v' }), nodeOf(), undefined],
  ['with a selector', claimOf({ selector: {} }), nodeOf(), { do: 'refuse', why: /Selector is not supported/ }],
  ['for a device', claimOf({ volumeMode: 'Block' }), nodeOf(), { do: 'refuse', why: /Block is not supported/ }],
  ['for several nodes', claimOf({ accessModes: ['ReadWriteMany'] }), nodeOf(), { do: 'refuse', why: /ReadWriteMany/ }],
  ['without a node', claimOf({}, {}), nodeOf(), { do: 'refuse', why: /WaitForFirstConsumer/ }],
  ['whose node is gone', claimOf(), undefined, { do: 'reschedule', why: 'node "n1" not found' }],
  ['whose node has no label', claimOf(), nodeOf({ labels: {} }), { do: 'reschedule', why: /no label/ }],
  ['whose node makes none', claimOf(), nodeOf({ localPathDirectory: '' }), { do: 'reschedule', why: /makes no/ }],
  ['whose node lies', claimOf(), nodeOf({ localPathDirectory: '/data/../etc' }), { do: 'reschedule', why: /makes no/ }],
];

for (const [what, claim, node, expected] of claims) {
  t.test(`a claim ${what}`, async (t) => {
    const step = claimStep(claim, storageClass, () => node);
    if (expected === undefined) t.equal(step, undefined);
    else t.match(step, expected);
    if (step?.do !== 'reschedule') return;
    const { annotations } = step.claim.metadata ?? {};
    t.same(annotations, { 'volume.kubernetes.io/storage-provisioner': 'kedge.io/local-path' });
  });
}

const volumeOf = (
  phase: string,
  changes: { deleting?: boolean; policy?: string; by?: string } = {},
): PersistentVolume => ({
  metadata: {
    name: `pvc-${UID}`,
    labels: { 'kedge.io/local-path-node': 'n1' },
    annotations: { 'pv.kubernetes.io/provisioned-by': changes.by ?? 'kedge.io/local-path' },
    finalizers: ['kedge.io/local-path'],
    ...(changes.deleting && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
  },
  spec: { persistentVolumeReclaimPolicy: (changes.policy ?? 'Delete') as 'Delete' },
  status: { phase: phase as 'Bound' },
});

const volumes: [what: string, volume: PersistentVolume, hasNode: boolean, expected: string | undefined][] = [
  ['that is bound', volumeOf('Bound'), true, undefined],
  ['that is released', volumeOf('Released'), true, 'delete'],
  ['that is released and kept', volumeOf('Released', { policy: 'Retain' }), true, undefined],
  ['of another provisioner', volumeOf('Released', { by: 'example.com/disks' }), true, undefined],
  ["that is being deleted: it is the agent's turn", volumeOf('Released', { deleting: true }), true, undefined],
  ['that is being deleted and kept', volumeOf('Released', { deleting: true, policy: 'Retain' }), true, 'release'],
  ['that is being deleted while it is bound', volumeOf('Bound', { deleting: true }), false, undefined],
  ['whose node was removed', volumeOf('Released', { deleting: true }), false, 'release'],
];

for (const [what, volume, hasNode, expected] of volumes) {
  t.test(`a volume ${what}`, async (t) => {
    t.equal(
      volumeStep(volume, () => hasNode),
      expected,
    );
  });
}
