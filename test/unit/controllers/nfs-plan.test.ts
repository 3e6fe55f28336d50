/** What the nfs provisioner does about claims and volumes. */
import t from 'tap';
import { nfsDirectoryOf } from '../../../api/domain/nfs-volumes.ts';
import {
  claimStep,
  volumeInTheWay,
  volumeStep,
  type Candidate,
} from '../../../control-plane/controllers/storage/nfs/plan.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import type { StorageClass } from '../../../api/types/storage/v1.gen.ts';

const UID = '594073ee-dfcd-4819-a4f8-c92297ea9342';
const NAME = `pvc-${UID}`;
const classOf = (parameters: Record<string, string>, more: Partial<StorageClass> = {}): StorageClass => ({
  ...{ metadata: { name: 'nfs' }, provisioner: 'kedge.io/nfs' },
  parameters: { server: 'nas', share: '/srv/share', ...parameters },
  ...more,
});
const claimOf = (spec: PersistentVolumeClaim['spec'] = {}, provisioner = 'kedge.io/nfs'): PersistentVolumeClaim => ({
  metadata: {
    ...{ namespace: 'apps', name: 'data', uid: UID },
    annotations: { 'volume.kubernetes.io/storage-provisioner': provisioner },
  },
  spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Gi' } }, ...spec },
});

t.test('the volume of a claim is a directory of the share of its class', async (t) => {
  const storageClass = classOf({}, { reclaimPolicy: 'Retain', mountOptions: ['nfsvers=4.1'] });
  t.match(claimStep(claimOf(), storageClass), {
    do: 'provision',
    volume: {
      metadata: {
        name: NAME,
        annotations: {
          'pv.kubernetes.io/provisioned-by': 'kedge.io/nfs',
          'kedge.io/nfs-directory': NAME,
          'kedge.io/nfs-on-delete': 'delete',
        },
        finalizers: ['kedge.io/nfs'],
      },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteMany'],
        persistentVolumeReclaimPolicy: 'Retain',
        storageClassName: 'nfs',
        mountOptions: ['nfsvers=4.1'],
        claimRef: { kind: 'PersistentVolumeClaim', namespace: 'apps', name: 'data', uid: UID },
        nfs: { server: 'nas', path: `/srv/share/${NAME}` },
      },
    },
  });
});

t.test('the directory is named by a pattern, and what the agent reads is what the class says', async (t) => {
  const rows: [parameters: Record<string, string>, share: string, directory: string, mode?: number][] = [
    [{}, 'nas:/srv/share', NAME],
    [{ share: '/' }, 'nas:/', NAME],
    [{ share: '//srv//', server: 'fd00::1' }, '[fd00::1]:/srv', NAME],
    [{ subDir: '${pvc.metadata.namespace}/${pvc.metadata.name}' }, 'nas:/srv/share', 'apps/data'],
    [{ subDir: '/x/${pv.metadata.name}/' }, 'nas:/srv/share', `x/${NAME}`],
    [{ mountPermissions: '0750' }, 'nas:/srv/share', NAME, 0o750],
  ];
  for (const [parameters, share, directory, mode = 0o777] of rows) {
    const step = claimStep(claimOf(), classOf(parameters));
    const made = step?.do === 'provision' ? nfsDirectoryOf(step.volume) : undefined;
    t.same(made, { share, directory, mode, onDelete: 'delete' }, JSON.stringify(parameters));
  }
});

t.test('claims and classes that cannot be served are refused with the reason', async (t) => {
  const rows: [claim: PersistentVolumeClaim, parameters: Record<string, string>, why: RegExp][] = [
    [claimOf({ selector: {} }), {}, /Selector is not supported/],
    [claimOf({ volumeMode: 'Block' }), {}, /volumeMode Block is not supported/],
    [claimOf({ dataSource: { kind: 'PersistentVolumeClaim', name: 'x' } }), {}, /data sources are not supported/],
    [claimOf(), { server: '' }, /parameter server is missing/],
    [claimOf(), { server: '-o' }, /not the name or address/],
    [claimOf(), { share: 'srv' }, /not absolute/],
    [claimOf(), { share: '/srv/..' }, /must not contain/],
    [claimOf(), { subDir: '../${pv.metadata.name}' }, /not a directory below the share/],
    [claimOf(), { subDir: 'archived-${pvc.metadata.name}' }, /"archived-data" could be what is left of another volume/],
    [claimOf(), { subDir: 'x/.kedge-removed-y/z' }, /could be what is left/],
    [claimOf(), { subDir: '/' }, /not a directory below the share/],
    [claimOf(), { subDir: 'a//b' }, /not a directory below the share/],
    [claimOf(), { subDir: '${pvc.metadata.annotations}' }, /names "pvc\.metadata\.annotations", which is none of/],
    [claimOf(), { subDir: '${__proto__}' }, /names "__proto__"/],
    [claimOf(), { subDir: 'a/'.repeat(3000) }, /has more than 4096 bytes/],
    [claimOf(), { onDelete: 'burn' }, /must be one of delete, archive, retain/],
    [claimOf(), { mountPermissions: 'rwx' }, /a mode in octal digits/],
    [claimOf(), { path: '/x' }, /invalid parameter "path"/],
  ];
  for (const [claim, parameters, why] of rows)
    t.match(claimStep(claim, classOf(parameters)), { do: 'refuse', why }, String(why));
  t.equal(claimStep(claimOf({}, 'example.com/other'), classOf({})), undefined, "another provisioner's");
  t.equal(claimStep(claimOf({ volumeName: 'pv' }), classOf({})), undefined, 'one that has a volume');
});

const volumeOf = (
  metadata: PersistentVolume['metadata'] = {},
  { policy = 'Delete', phase = 'Released', path = '/srv/share/a' } = {},
): PersistentVolume => ({
  metadata: {
    ...{ name: 'v', uid: 'u', finalizers: ['kedge.io/nfs'] },
    annotations: { 'pv.kubernetes.io/provisioned-by': 'kedge.io/nfs', 'kedge.io/nfs-directory': 'a' },
    ...metadata,
  },
  spec: { persistentVolumeReclaimPolicy: policy as 'Delete', nfs: { server: 'nas', path } },
  status: { phase: phase as 'Released' },
});
const DELETED = { deletionTimestamp: '2026-11-01T00:00:00Z' };
const asked = (node: string) => ({ ...DELETED, labels: { 'kedge.io/nfs-node': node } });
const node = (name: string, isReady = true, hasClient = true): Candidate => ({ name, isReady, hasClient });

t.test('a released volume is deleted, and one agent after the other is asked to remove its directory', async (t) => {
  const rows: [what: string, volume: PersistentVolume, nodes: Candidate[], isOverdue: boolean, expected: unknown][] = [
    ['released', volumeOf(), [], false, { do: 'delete' }],
    ['bound', volumeOf({}, { phase: 'Bound' }), [], false, undefined],
    ['kept', volumeOf({}, { policy: 'Retain' }), [], false, undefined],
    ['kept and deleted', volumeOf(DELETED, { policy: 'Retain' }), [], false, { do: 'release' }],
    ['deleted while it is bound', volumeOf(DELETED, { phase: 'Bound' }), [node('n1')], false, undefined],
    ['removed', volumeOf({ ...DELETED, finalizers: [] }), [node('n1')], false, undefined],
    ['nobody is there', volumeOf(DELETED), [node('n1', false)], false, { do: 'wait' }],
    ['one can mount', volumeOf(DELETED), [node('n1', true, false), node('n2')], false, { do: 'ask', node: 'n2' }],
    ['none says that it can', volumeOf(DELETED), [node('n1', true, false)], false, { do: 'ask', node: 'n1' }],
    ['asked', volumeOf(asked('n1')), [node('n1'), node('n2')], false, { do: 'wait' }],
    ['overdue', volumeOf(asked('n1')), [node('n1'), node('n2')], true, { do: 'ask', node: 'n2' }],
    ['overdue at the last', volumeOf(asked('n2')), [node('n1'), node('n2')], true, { do: 'ask', node: 'n1' }],
    ['overdue and alone', volumeOf(asked('n1')), [node('n1')], true, { do: 'wait' }],
    ['not ready any more', volumeOf(asked('n1')), [node('n1', false), node('n2')], false, { do: 'ask', node: 'n2' }],
    ['gone', volumeOf(asked('gone')), [node('n1')], false, { do: 'ask', node: 'n1' }],
  ];
  for (const [what, volume, nodes, isOverdue, expected] of rows)
    t.same(
      volumeStep(volume, () => ({ volumes: [volume], nodes, isOverdue })),
      expected,
      what,
    );
  const foreign = volumeOf({ annotations: { 'pv.kubernetes.io/provisioned-by': 'example.com/nfs' } });
  t.equal(
    volumeStep(foreign, () => t.fail('not asked') as never),
    undefined,
    "another provisioner's",
  );
});

t.test('a directory that is the volume of another object, or holds one, stays until that goes, too', async (t) => {
  const archived = { ...volumeOf().metadata?.annotations, 'kedge.io/nfs-on-delete': 'archive' };
  const due = volumeOf(DELETED);
  const other = (path: string, server = 'nas'): PersistentVolume => ({
    metadata: { name: 'other', uid: 'other' },
    spec: { nfs: { server, path } },
  });
  for (const [another, expected] of [
    [other('/srv/share/a'), 'release'],
    [other('/srv/share/a/b'), 'release'],
    [other('/srv/share/ab'), 'ask'],
    [other('/srv/share'), 'ask'],
    [other('/srv/share/a', 'elsewhere'), 'ask'],
    [other('//srv//share/a/', 'NAS.'), 'release'],
    [{ ...due, metadata: { ...due.metadata, name: 'too', uid: 'too' } }, 'ask'],
    [volumeOf({ ...DELETED, uid: 'kept' }, { policy: 'Retain' }), 'release'],
    [volumeOf({ ...DELETED, uid: 'in' }, { path: '/srv/share/a/b' }), 'release'],
    [volumeOf({ ...DELETED, uid: 'archived', annotations: archived }), 'release'],
  ] as const) {
    const view = { volumes: [due, another], nodes: [node('n1')], isOverdue: false };
    t.match(
      volumeStep(due, () => view),
      { do: expected },
      JSON.stringify(another.spec?.nfs),
    );
  }
});

t.test('no directory is made where one is still to be removed', async (t) => {
  const made = volumeOf({ uid: 'made' }, { phase: 'Pending', path: '/srv/share/a/b' });
  const rows: [what: string, other: PersistentVolume, isInTheWay: boolean][] = [
    ['being removed', volumeOf(DELETED), true],
    ['by some agent', volumeOf(asked('n1')), true],
    ['next', volumeOf(), true],
    ['the same directory', volumeOf(DELETED, { path: '/srv/share/a/b' }), true],
    ['one in it', volumeOf(DELETED, { path: '/srv/share/a/b/c' }), false],
    ['one beside it', volumeOf(DELETED, { path: '/srv/share/a/bc' }), false],
    ['in use', volumeOf({}, { phase: 'Bound' }), false],
    ['in use until its claim is gone', volumeOf(DELETED, { phase: 'Bound' }), false],
    ['kept', volumeOf({}, { policy: 'Retain' }), false],
    ['removed', volumeOf({ ...DELETED, finalizers: [] }), false],
    ["another provisioner's", volumeOf({ ...DELETED, annotations: {} }), false],
  ];
  for (const [what, other, isInTheWay] of rows)
    t.equal(volumeInTheWay(made, [other]), isInTheWay ? other : undefined, what);
});

t.test('an agent uses no directory that does not fit the path of its volume', async (t) => {
  const rows: [directory: string, path: string, why: RegExp][] = [
    ['b', '/srv/share/a', /does not end in b/],
    ['..', '/srv/share/..', /not a directory below the share/],
    ['', '/srv/share/', /not a directory below the share/],
    ['a/../..', '/srv/a/../..', /not a directory below the share/],
  ];
  for (const [directory, path, why] of rows) {
    const annotations = { 'pv.kubernetes.io/provisioned-by': 'kedge.io/nfs', 'kedge.io/nfs-directory': directory };
    t.throws(() => nfsDirectoryOf(volumeOf({ annotations }, { path })), why, directory);
  }
  t.equal(nfsDirectoryOf({ spec: { nfs: { server: 'nas', path: '/x' } } }), undefined);
});
