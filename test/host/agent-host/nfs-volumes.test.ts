/**
 * Volumes of NFS exports, by way of a mount.nfs that binds a directory of this host: the kernel of a test host need not have NFS. What
 * needs a server that is cut off is proved in the lab (docs/storage.md).
 */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { readMounts } from '../../../agent/host/mounts.ts';
import { volumeHelper } from '../../../agent/host/volume-helper/client.ts';
import { Attachments } from '../../../agent/volumes/csi/attachments.ts';
import type { HostPodVolumes } from '../../../agent/volumes/host-pod-volumes.ts';
import { createVolumes } from '../../../agent/volumes/main.ts';
import type { PersistentVolume, Pod, Volume } from '../../../api/types/core/v1.gen.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { startSmallApi, type SmallApi } from './small-api.ts';

const HELPER = [process.execPath, join(import.meta.dirname, 'volume-helper-process.ts')];
const NFS_HELPER = [process.execPath, join(import.meta.dirname, 'nfs-directory-process.ts')];
const CLAIMS = '/api/v1/namespaces/default/persistentvolumeclaims';
const PERSISTENT_VOLUMES = '/api/v1/persistentvolumes';
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const { signal } = new AbortController();

interface World {
  readonly root: string;
  readonly api: SmallApi;
  readonly volumes: HostPodVolumes;
  /** The arguments of each mount.nfs so far. */
  calls(): Promise<string[][]>;
  /** An agent that has just been started over the same directory. */
  restarted(): Promise<HostPodVolumes>;
}

/** A mount.nfs for exports below `root`/exports, which are mounted with `ro` when that is the last option. */
async function fakeMountNfs(t: Test, root: string): Promise<void> {
  const directory = join(root, 'bin');
  await mkdir(directory);
  const script = [
    '#!/bin/sh',
    `printf '%s\\037%s\\037%s\\037%s\\n' "$@" >>'${root}/calls'`,
    'case $1 in dead:*) exec sleep 600 ;; refused:*) echo "mount.nfs: access denied" >&2; exit 32 ;; liar:*) exit 0 ;; esac',
    `mount --bind "${root}/exports\${1##*:}" "$2"`,
    'case $4 in *,ro) mount -o remount,bind,ro "$2" ;; esac',
  ];
  await writeFile(join(directory, 'mount.nfs'), script.join('\n'));
  await chmod(join(directory, 'mount.nfs'), 0o755);
  const before = process.env['PATH'];
  process.env['PATH'] = `${directory}:${before}`;
  t.teardown(() => (process.env['PATH'] = before));
}

async function makeWorld(t: Test): Promise<World> {
  const root = await mkdtemp(join(tmpdir(), 'agent-host-nfs-'));
  await mkdir(join(root, 'exports/data'), { recursive: true });
  await fakeMountNfs(t, root);
  const api = await startSmallApi();
  const client = new ApiClient({ server: api.server });
  const closers: Disposable[] = [];
  const restarted = async (): Promise<HostPodVolumes> => {
    const made = await createVolumes({
      ...{ client, nodeName: 'n1', dataDir: root, kubeletDir: join(root, 'kubelet'), logger },
      attachments: new Attachments({ client, nodeName: 'n1' }),
      helper: volumeHelper(HELPER),
      nfsHelper: NFS_HELPER,
      allocatable: () => ({ cpu: '2', memory: '1Gi' }),
      onStale: () => undefined,
    });
    closers.push(made);
    return made.volumes;
  };
  const volumes = await restarted();
  t.teardown(async () => {
    for (const uid of await volumes.podsOnDisk()) await volumes.tearDown(uid, signal);
    for (const closer of closers) closer[Symbol.dispose]();
    await client[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
    await rm(root, { recursive: true });
  });
  const calls = async (): Promise<string[][]> => {
    const lines = (await readFile(join(root, 'calls'), 'utf8').catch(() => '')).split('\n').filter(Boolean);
    return lines.map((line) => line.split('\x1f'));
  };
  return { root, api, volumes, calls, restarted };
}

const podOf = (uid: string, ...volumes: Volume[]): Pod => ({
  metadata: { name: 'web', namespace: 'default', uid },
  spec: { securityContext: { fsGroup: 1234 }, containers: [{ name: 'main' }], volumes },
});

const exported = (server: string, path = '/data', readOnly = false): Volume => ({
  name: 'files',
  nfs: { server, path, readOnly },
});

function putClaim(api: SmallApi, name: string, volume: PersistentVolume): Volume {
  const metadata = { name, namespace: 'default', uid: `claim-${name}` };
  api.put(CLAIMS, { metadata, spec: { volumeName: name }, status: { phase: 'Bound' } } as object);
  const spec = { ...volume.spec, claimRef: { namespace: 'default', name, uid: metadata.uid } };
  api.put(PERSISTENT_VOLUMES, { metadata: { name, ...volume.metadata }, spec } as object);
  return { name, persistentVolumeClaim: { claimName: name } };
}

/** As the provisioner makes it: a directory of the share `/data`. */
const provisioned = (directory: string, more: Record<string, string> = {}): PersistentVolume => ({
  metadata: {
    annotations: {
      'pv.kubernetes.io/provisioned-by': 'kedge.io/nfs',
      'kedge.io/nfs-directory': directory,
      'kedge.io/nfs-mode': '0770',
      ...more,
    },
  },
  spec: { nfs: { server: 'nas', path: `/data/${directory}` }, mountOptions: ['hard'] },
});

const mountsBelow = async (directory: string): Promise<string[]> =>
  (await readMounts()).map(({ mountPoint }) => mountPoint).filter((point) => point.startsWith(directory));

test('an export is mounted for each pod that names it, and unmounted with the pod', async (t) => {
  const world = await makeWorld(t);
  const { root, volumes } = world;
  const pod = podOf('uid-a', exported('files.example.com'));
  await volumes.setUp(pod, signal);
  await volumes.setUp(podOf('uid-b', exported('fd00::1', '/data', true)), signal);
  const [a, b] = ['uid-a', 'uid-b'].map((uid) => join(root, 'pods', uid, 'volumes/kubernetes.io~nfs/files'));
  t.same(await world.calls(), [
    ['files.example.com:/data', a, '-o', 'fg'],
    ['[fd00::1]:/data', b, '-o', 'fg,ro'],
  ]);
  const mounted = await volumes.mountsOf(
    pod,
    { name: 'main', volumeMounts: [{ name: 'files', mountPath: '/f' }] },
    signal,
  );
  t.match(mounted, [{ hostPath: a, readonly: false }]);
  await writeFile(join(a!, 'text'), 'shared');
  t.equal(await readFile(join(b!, 'text'), 'utf8'), 'shared');
  await t.rejects(writeFile(join(b!, 'text'), ''), { code: 'EROFS' });
  const usage = await volumes.usage(pod, ['files'], signal);
  t.ok((usage.get('files')?.capacityBytes ?? 0) > 0, 'what the server has');

  const next = await world.restarted();
  await next.setUp(pod, signal);
  t.equal((await world.calls()).length, 2, 'an agent that was restarted mounts nothing again');
  await next.tearDown('uid-a', signal);
  await next.tearDown('uid-b', signal);
  t.same(await mountsBelow(root), []);
  t.equal(await readFile(join(root, 'exports/data/text'), 'utf8'), 'shared', 'what is on the server stays');
});

test('a claim is mounted with the options of its volume, and its group is left alone', async (t) => {
  const world = await makeWorld(t);
  const { api, root, volumes } = world;
  const nfs = { server: 'nas', path: '/data' };
  const options = putClaim(api, 'options', { spec: { nfs, mountOptions: ['nfsvers=4.1', 'hard'] } });
  const annotation = { annotations: { 'volume.beta.kubernetes.io/mount-options': 'nolock,soft' } };
  const old = putClaim(api, 'old', { metadata: annotation, spec: { nfs } });
  const readOnly = putClaim(api, 'read-only', { spec: { nfs: { ...nfs, readOnly: true } } });
  await volumes.setUp(podOf('uid-claims', options, old, readOnly), signal);
  const at = (name: string): string => join(root, 'pods/uid-claims/volumes/kedge.io~claim', name);
  t.same((await world.calls()).sort(), [
    ['nas:/data', at('old'), '-o', 'nolock,soft,fg'],
    ['nas:/data', at('options'), '-o', 'nfsvers=4.1,hard,fg'],
    ['nas:/data', at('read-only'), '-o', 'fg,ro'],
  ]);
  t.equal((await stat(join(root, 'exports/data'))).gid, 0, 'other pods and hosts use the export, too');
});

test('a pod is told why its export is not mounted', async (t) => {
  const world = await makeWorld(t);
  const { volumes } = world;
  for (const [server, message] of [
    ['refused', /^MountVolume\.SetUp failed for volume "files" : mount\.nfs .*access denied/],
    ['liar', /is not mounted although mount\.nfs says so/],
    ['-o', /is not the name or address of an NFS server/],
  ] as const)
    await t.rejects(volumes.setUp(podOf(`uid-${server}`, exported(server)), signal), { message }, server);
  const path = process.env['PATH'];
  process.env['PATH'] = '/usr/bin:/bin';
  t.teardown(() => (process.env['PATH'] = path));
  const missing = /mount\.nfs not found: install the package nfs-common on the node/;
  await t.rejects(volumes.setUp(podOf('uid-none', exported('files')), signal), { message: missing });
});

test('a server that does not respond keeps no other pod waiting, and not the end of its own', async (t) => {
  const { root, volumes } = await makeWorld(t);
  const given = new AbortController();
  const hanging = volumes.setUp(podOf('uid-dead', exported('dead')), given.signal);
  const rejected = t.rejects(hanging, { message: 'terminating' });
  await volumes.setUp(podOf('uid-alive', exported('files')), signal);
  given.abort(new Error('terminating'));
  await rejected;
  await volumes.tearDown('uid-dead', signal);
  t.same(await mountsBelow(join(root, 'pods/uid-dead')), []);
});

test('the directory of a provisioned volume is made below its share, and by no way that leads out of it', async (t) => {
  const world = await makeWorld(t);
  const { api, root, volumes } = world;
  const share = join(root, 'exports/data');
  await volumes.setUp(podOf('uid-made', putClaim(api, 'made', provisioned('team/made'))), signal);
  const [made] = await Promise.all([stat(join(share, 'team/made')), stat(join(share, 'team'))]);
  t.equal(made.mode & 0o7777, 0o770);
  const path = join(root, 'pods/uid-made/volumes/kedge.io~claim/made');
  t.same(await world.calls(), [
    ['nas:/data', join(root, 'nfs'), '-o', 'hard,fg'],
    ['nas:/data/team/made', path, '-o', 'hard,fg'],
  ]);
  t.same(await mountsBelow(join(root, 'nfs')), [], 'the share itself is mounted in a namespace of its own');
  await volumes.tearDown('uid-made', signal);

  await mkdir(join(root, 'outside'));
  await symlink(join(root, 'outside'), join(share, 'link'));
  await symlink('../..', join(share, 'up'));
  for (const directory of ['link/x', 'up/x', 'link']) {
    const name = directory.replace('/', '-');
    const claim = putClaim(api, name, provisioned(directory));
    await t.rejects(volumes.setUp(podOf(`uid-${name}`, claim), signal), { message: /is not a directory/ }, directory);
  }
  t.same(await readdir(join(root, 'outside')), []);
  t.notOk((await readdir(root)).includes('x'));
});
