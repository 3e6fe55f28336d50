import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { mountPointsBelow, readMounts } from '../../../agent/host/mounts.ts';
import { volumeHelper } from '../../../agent/host/volume-helper/client.ts';
import type { HostPodVolumes } from '../../../agent/volumes/host-pod-volumes.ts';
import { Attachments } from '../../../agent/volumes/csi/attachments.ts';
import { createVolumes } from '../../../agent/volumes/main.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { eventually } from '../../support/wait.ts';
import { startSmallApi, type SmallApi } from './small-api.ts';
import type { Container, PersistentVolume, PersistentVolumeClaim, Pod } from '../../../api/types/core/v1.gen.ts';

const HELPER = [process.execPath, join(import.meta.dirname, 'volume-helper-process.ts')];
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const SECRETS = '/api/v1/namespaces/default/secrets';
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const { signal } = new AbortController();

interface World {
  readonly root: string;
  readonly api: SmallApi;
  readonly volumes: HostPodVolumes;
  readonly stale: string[];
  /** An agent that has just been started over the same directory. */
  restarted(): Promise<HostPodVolumes>;
}

async function makeWorld(t: Test): Promise<World> {
  const root = await mkdtemp(join(tmpdir(), 'agent-host-volumes-'));
  const api = await startSmallApi();
  const client = new ApiClient({ server: api.server });
  const stale: string[] = [];
  const closers: Disposable[] = [];
  const start = async (): Promise<HostPodVolumes> => {
    const made = await createVolumes({
      client,
      nodeName: 'n1',
      dataDir: root,
      kubeletDir: join(root, 'kubelet'),
      attachments: new Attachments({ client, nodeName: 'n1' }),
      helper: volumeHelper(HELPER),
      allocatable: () => ({ cpu: '2', memory: '1Gi' }),
      onStale: (uid) => stale.push(uid),
      logger,
    });
    closers.push(made);
    return made.volumes;
  };
  const volumes = await start();
  t.teardown(async () => {
    for (const uid of await volumes.podsOnDisk()) await volumes.tearDown(uid, signal);
    for (const closer of closers) closer[Symbol.dispose]();
    await client[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
    await rm(root, { recursive: true });
  });
  return { root, api, volumes, stale, restarted: start };
}

const podOf = (uid: string, spec: Partial<Pod['spec']>, metadata: Pod['metadata'] = {}): Pod => ({
  metadata: { name: 'web', namespace: 'default', uid, ...metadata },
  spec: { containers: [{ name: 'main' }], serviceAccountName: 'default', ...spec },
});

/** Waits until the volumes of a pod are reported as outdated. */
const outdated = (stale: readonly string[], uid: string): Promise<boolean> =>
  eventually(`the volumes of ${uid} to be stale`, () => stale.includes(uid));

/** A process of its own that works against the agent. */
const execLoop = (script: string): ChildProcess =>
  spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });

const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o7777).toString(8);

test('every supported volume type is created, populated and mounted as by the kubelet', async (t) => {
  const { root, api, volumes } = await makeWorld(t);
  api.put(CONFIG_MAPS, { metadata: { name: 'settings' }, data: { a: '1', b: '2' } } as object);
  api.put(SECRETS, { metadata: { name: 'keys' }, data: { key: Buffer.from('hush').toString('base64') } } as object);
  const pod = podOf(
    'uid-1',
    {
      securityContext: { fsGroup: 1234 },
      volumes: [
        { name: 'scratch', emptyDir: {} },
        { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
        { name: 'settings', configMap: { name: 'settings', items: [{ key: 'a', path: 'deep/a.txt', mode: 0o400 }] } },
        { name: 'keys', secret: { secretName: 'keys', defaultMode: 0o440 } },
        { name: 'host', hostPath: { path: join(root, 'made'), type: 'DirectoryOrCreate' } },
        {
          name: 'all',
          projected: {
            sources: [
              { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
              { configMap: { name: 'settings', items: [{ key: 'b', path: 'b' }] } },
              { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
            ],
          },
        },
        {
          name: 'me',
          downwardAPI: {
            items: [
              { path: 'cpu', resourceFieldRef: { containerName: 'main', resource: 'limits.cpu', divisor: '1m' } },
            ],
          },
        },
      ],
    },
    { labels: { tier: 'front', app: 'a"b' } },
  );
  await volumes.setUp(pod, signal);
  await volumes.setUp(pod, signal);

  const directory = join(root, 'pods/uid-1/volumes');
  const mounted = new Set((await readMounts()).map(({ mountPoint }) => mountPoint));
  const scratch = join(directory, 'kubernetes.io~empty-dir/scratch');
  t.equal(await modeOf(scratch), '2777', 'the emptyDir is everybody’s, and new files go to the group');
  t.equal((await stat(scratch)).gid, 1234);
  for (const [name, mode] of [
    ['kubernetes.io~configmap/settings', '2777'],
    ['kubernetes.io~secret/keys', '3777'],
  ] as const) {
    t.equal(await modeOf(join(directory, name)), mode, `${name} is the group’s as a whole`);
    t.equal((await stat(join(directory, name))).gid, 1234);
  }
  t.equal(await readFile(join(directory, 'kubernetes.io~configmap/settings/deep/a.txt'), 'utf8'), '1');
  t.equal(
    await modeOf(join(directory, 'kubernetes.io~configmap/settings/deep/a.txt')),
    '440',
    'readable for the group',
  );
  t.equal(await readFile(join(directory, 'kubernetes.io~secret/keys/key'), 'utf8'), 'hush');
  t.ok(mounted.has(join(directory, 'kubernetes.io~secret/keys')), 'secrets are on a tmpfs');
  t.ok(mounted.has(join(directory, 'kubernetes.io~empty-dir/memory')));
  t.match(
    execFileSync('df', ['--output=size', '-k', join(directory, 'kubernetes.io~empty-dir/memory')], {
      encoding: 'utf8',
    }),
    /\b1024\b/,
  );
  const all = join(directory, 'kubernetes.io~projected/all');
  t.same((await readdir(all)).filter((name) => !name.startsWith('..')).sort(), ['b', 'labels', 'token']);
  t.equal(await readlink(join(all, 'token')), '..data/token');
  t.equal(await readFile(join(all, 'labels'), 'utf8'), 'app="a\\"b"\ntier="front"');
  t.equal(
    await readFile(join(directory, 'kubernetes.io~downward-api/me/cpu'), 'utf8'),
    '2000',
    'a limit that is not set is the node’s',
  );
  t.ok((await stat(join(root, 'made'))).isDirectory());

  const mounts = await volumes.mountsOf(
    pod,
    {
      name: 'main',
      volumeMounts: [
        { name: 'keys', mountPath: '/keys' },
        { name: 'host', mountPath: '/host', mountPropagation: 'HostToContainer' },
      ],
    },
    signal,
  );
  t.same(mounts, [
    {
      containerPath: '/keys',
      hostPath: join(directory, 'kubernetes.io~secret/keys'),
      readonly: true,
      propagation: 'private',
    },
    { containerPath: '/host', hostPath: join(root, 'made'), readonly: false, propagation: 'host-to-container' },
  ]);
});

test('a volume that cannot be mounted is reported in one sentence', async (t) => {
  const { root, api, volumes } = await makeWorld(t);
  api.put(CONFIG_MAPS, { metadata: { name: 'there' } });
  await writeFile(join(root, 'file'), '');
  const failing = async (volume: object, sentence: RegExp | string): Promise<void> => {
    const pod = podOf('uid-e', { volumes: [{ name: 'x', ...volume }] });
    await t.rejects(volumes.setUp(pod, signal), { name: 'VolumeError', message: sentence });
    await volumes.tearDown('uid-e', signal);
  };
  await failing(
    { iscsi: { targetPortal: 's', iqn: 'i', lun: 0 } },
    'volume "x": iscsi volumes are not supported yet by this version',
  );
  await failing(
    { configMap: { name: 'none' } },
    'MountVolume.SetUp failed for volume "x" : configmap "none" not found',
  );
  await failing(
    { secret: { secretName: 'none' } },
    'MountVolume.SetUp failed for volume "x" : secret "none" not found',
  );
  await failing(
    { configMap: { name: 'there', items: [{ key: 'k', path: 'p' }] } },
    /references non-existent config key: k/,
  );
  await failing(
    { hostPath: { path: join(root, 'file'), type: 'Directory' } },
    /hostPath type check failed: .* is not a directory/,
  );
  await failing({ configMap: { name: 'there', items: [{ key: 'k', path: '../../etc' }] } }, /k|must not contain/);
  const optional = podOf('uid-o', { volumes: [{ name: 'x', configMap: { name: 'none', optional: true } }] });
  await t.resolves(volumes.setUp(optional, signal));
});

test('an updated ConfigMap is swapped atomically', async (t) => {
  const { root, api, volumes, stale } = await makeWorld(t);
  const put = (n: number): void =>
    api.put(CONFIG_MAPS, { metadata: { name: 'c' }, data: { a: `${n}`, b: `${n}` } } as object);
  put(0);
  const pod = podOf('uid-2', { volumes: [{ name: 'c', configMap: { name: 'c' } }] });
  await volumes.setUp(pod, signal);
  const directory = join(root, 'pods/uid-2/volumes/kubernetes.io~configmap/c');
  let torn = 0;
  let reading = true;
  const reader = (async () => {
    while (reading) {
      // A reader that needs both files of one version resolves ..data once, as documented.
      const version = await readlink(join(directory, '..data'));
      try {
        const [a, b] = await Promise.all(['a', 'b'].map((name) => readFile(join(directory, version, name), 'utf8')));
        if (a !== b || a === '') torn++;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
  })();
  for (let n = 1; n <= 20; n++) {
    stale.length = 0;
    put(n);
    await outdated(stale, 'uid-2');
    await volumes.refresh(pod, signal);
    t.equal(await readFile(join(directory, 'a'), 'utf8'), `${n}`);
  }
  reading = false;
  await reader;
  t.equal(torn, 0);
  t.equal((await readdir(directory)).length, 4, 'the old versions are removed');
  api.remove(CONFIG_MAPS, 'c');
  await eventually('the removal to be seen', () => stale.length > 1);
  await t.rejects(volumes.refresh(pod, signal), /configmap "c" not found/);
  t.equal(await readFile(join(directory, 'a'), 'utf8'), '20', 'the last content is kept');
});

test('an optional Secret appears when it is created', async (t) => {
  const { root, api, volumes, stale } = await makeWorld(t);
  const pod = podOf('uid-late', { volumes: [{ name: 's', secret: { secretName: 'late', optional: true } }] });
  await volumes.setUp(pod, signal);
  const directory = join(root, 'pods/uid-late/volumes/kubernetes.io~secret/s');
  api.put(SECRETS, { metadata: { name: 'late' }, data: { a: Buffer.from('1').toString('base64') } } as object);
  await outdated(stale, 'uid-late');
  await volumes.refresh(pod, signal);
  t.equal(await readFile(join(directory, 'a'), 'utf8'), '1');
});

test('only referenced objects are watched, once each, and no longer than needed', async (t) => {
  const { api, volumes } = await makeWorld(t);
  api.put(CONFIG_MAPS, { metadata: { name: 'shared' }, data: { a: '1' } } as object);
  const spec = { volumes: [{ name: 'c', configMap: { name: 'shared' } }] };
  await Promise.all(['p1', 'p2', 'p3'].map((uid) => volumes.setUp(podOf(uid, spec), signal)));
  await eventually('one watch', () => api.watchers() === 1);
  t.equal(api.requests.filter((request) => request === `GET ${CONFIG_MAPS}`).length, 2, 'a list and a watch');
  await volumes.tearDown('p1', signal);
  await volumes.tearDown('p2', signal);
  t.equal(api.watchers(), 1);
  await volumes.tearDown('p3', signal);
  await eventually('no watch', () => api.watchers() === 0);
});

test("a ConfigMap older than the api-server's history is watched nevertheless", async (t) => {
  const { api, volumes, stale } = await makeWorld(t);
  api.put(CONFIG_MAPS, { metadata: { name: 'c' }, data: { a: '1' } } as object);
  api.compact();
  await volumes.setUp(podOf('p1', { volumes: [{ name: 'c', configMap: { name: 'c' } }] }), signal);
  await eventually('one watch', () => api.watchers() === 1);
  api.compact();
  // A list and a watch; after the end of that one a watch that is too old, a list, and the watch that lasts.
  const asked = (): number => api.requests.filter((request) => request === `GET ${CONFIG_MAPS}`).length;
  await eventually('a new list and a watch', () => asked() === 5 && api.watchers() === 1);
  api.put(CONFIG_MAPS, { metadata: { name: 'c' }, data: { a: '2' } } as object);
  await outdated(stale, 'p1');
});

test('a token is requested once, survives an agent restart and is renewed after 80 % of its lifetime', async (t) => {
  const { root, api, volumes, stale, ...world } = await makeWorld(t);
  const asked = (): number =>
    api.requests.filter((request) => request.endsWith('/serviceaccounts/default/token')).length;
  const pod = podOf('uid-3', {
    volumes: [{ name: 't', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }],
  });
  const path = join(root, 'pods/uid-3/volumes/kubernetes.io~projected/t/token');
  await volumes.setUp(pod, signal);
  const first = await readFile(path, 'utf8');
  const after = await world.restarted();
  await after.setUp(pod, signal);
  t.equal(asked(), 1, 'the restarted agent reuses the token on the tmpfs');
  t.equal(await readFile(path, 'utf8'), first);
  t.equal(mountPointsBelow(await readMounts(), join(root, 'pods/uid-3')).length, 1, 'nothing is mounted twice');
  await after.tearDown('uid-3', signal);

  api.tokenSeconds = 2;
  const short = podOf('uid-4', pod.spec ?? {});
  await volumes.setUp(short, signal);
  const early = await readFile(path.replace('uid-3', 'uid-4'), 'utf8');
  await outdated(stale, 'uid-4');
  await volumes.refresh(short, signal);
  t.not(await readFile(path.replace('uid-3', 'uid-4'), 'utf8'), early);
});

test('a subPath cannot leave its volume, whatever the pod has written there', async (t) => {
  const { root, api, volumes } = await makeWorld(t);
  api.put(CONFIG_MAPS, { metadata: { name: 'c' }, data: { 'nginx.conf': 'one' } } as object);
  const pod = podOf('uid-5', {
    volumes: [
      { name: 'data', emptyDir: {} },
      { name: 'conf', configMap: { name: 'c' } },
    ],
  });
  await volumes.setUp(pod, signal);
  const data = join(root, 'pods/uid-5/volumes/kubernetes.io~empty-dir/data');
  await mkdir(join(data, 'real/inner'), { recursive: true });
  await writeFile(join(data, 'real/inner/file'), 'inside');
  await writeFile(join(root, 'outside'), 'outside');
  await symlink('real/inner', join(data, 'good'));
  await symlink('../../../../../../outside', join(data, 'up'));
  await symlink(join(root, 'outside'), join(data, 'absolute'));
  await symlink('/proc/self/root', join(data, 'magic'));
  await symlink('loop', join(data, 'loop'));

  const mountOf = async (
    subPath: string,
    more: Partial<Container> = {},
    env?: Record<string, string>,
  ): Promise<string> => {
    const volumeMounts = [{ name: 'data', mountPath: '/data', subPath }];
    const [mount] = await volumes.mountsOf(pod, { name: 'main', volumeMounts, ...more }, signal, env);
    return mount?.hostPath ?? '';
  };
  t.equal(
    await readFile(join(await mountOf('good'), 'file'), 'utf8'),
    'inside',
    'a link within the volume is followed',
  );
  t.equal(
    await readFile(await mountOf('good/file'), 'utf8'),
    'inside',
    'and a mount of another subPath takes its place',
  );
  for (const subPath of [
    'up',
    'absolute',
    'magic',
    'magic/etc',
    'loop',
    '../x',
    'real/../../x',
    '/etc',
    'real/inner/file/x',
  ])
    await t.rejects(mountOf(subPath), { name: 'VolumeError' }, subPath);
  const expression = { volumeMounts: [{ name: 'data', mountPath: '/d', subPathExpr: 'logs/$(POD)' }] };
  await mountOf('', expression, { POD: 'web-0' });
  t.ok((await stat(join(data, 'logs/web-0'))).isDirectory(), 'an absent subPath is created');
  t.equal(await modeOf(join(data, 'logs/web-0')), '777', 'with the mode of the volume');
  for (const env of [{}, { POD: '' }] as Record<string, string>[])
    await t.rejects(mountOf('', expression, env), /missing value for POD/);

  const conf = { name: 'main', volumeMounts: [{ name: 'conf', mountPath: '/c', subPath: 'nginx.conf' }] };
  const [file] = await volumes.mountsOf(pod, conf, signal);
  t.equal(await readFile(file?.hostPath ?? '', 'utf8'), 'one', 'one file of a configMap');
});

test('a subPath replaced by a symlink while it is being resolved cannot leave its volume', async (t) => {
  const { root, volumes } = await makeWorld(t);
  const pod = podOf('uid-6', { volumes: [{ name: 'data', emptyDir: {} }] });
  await volumes.setUp(pod, signal);
  const data = join(root, 'pods/uid-6/volumes/kubernetes.io~empty-dir/data');
  await mkdir(join(root, 'secret/sub'), { recursive: true });
  await writeFile(join(root, 'secret/sub/flag'), '');
  await mkdir(join(data, 'a/sub'), { recursive: true });
  const swapper = execLoop(
    `while mv -T '${data}/a' '${data}/b'; do ln -s '${root}/secret' '${data}/a'; rm '${data}/a'; mv -T '${data}/b' '${data}/a'; done`,
  );
  t.teardown(() => swapper.kill());
  for (let n = 0; n < 15; n++) {
    try {
      const container = { name: `c${n}`, volumeMounts: [{ name: 'data', mountPath: '/d', subPath: 'a/sub' }] };
      const [mount] = await volumes.mountsOf(pod, container, signal);
      t.notOk((await readdir(mount?.hostPath ?? '')).includes('flag'));
    } catch (error) {
      t.match(error, { name: 'VolumeError' });
    }
  }
});

test('mounts of a killed agent are found and unmounted, and nothing outside of the pod is touched', async (t) => {
  const { root, volumes, ...world } = await makeWorld(t);
  const pod = podOf('uid-7', {
    volumes: [
      { name: 'm', emptyDir: { medium: 'Memory' } },
      { name: 'd', emptyDir: {} },
      { name: 'h', hostPath: { path: join(root, 'precious') } },
    ],
  });
  await mkdir(join(root, 'precious'));
  await writeFile(join(root, 'precious/file'), 'keep');
  await volumes.setUp(pod, signal);
  const container = { name: 'main', volumeMounts: [{ name: 'h', mountPath: '/h', subPath: 'sub' }] };
  await volumes.mountsOf(pod, container, signal);
  const directory = join(root, 'pods/uid-7');
  await symlink(join(root, 'precious'), join(directory, 'volumes/kubernetes.io~empty-dir/d/link'));
  await writeFile(join(directory, 'volumes/kubernetes.io~empty-dir/d/file with space'), '');
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(directory, 'volumes/kubernetes.io~empty-dir/m')]);
  t.equal(mountPointsBelow(await readMounts(), directory).length, 3);
  t.match(JSON.parse(await readFile(join(directory, 'mounts/m.json'), 'utf8')), { type: 'emptyDir', podUID: 'uid-7' });
  await writeFile(join(directory, 'mounts/m.json'), '{"type":');

  const after = await world.restarted();
  t.same(await after.podsOnDisk(), ['uid-7']);
  await after.tearDown('uid-7', signal);
  await after.tearDown('uid-7', signal);
  t.same(await after.podsOnDisk(), []);
  t.equal(mountPointsBelow(await readMounts(), directory).length, 0);
  t.equal(await readFile(join(root, 'precious/file'), 'utf8'), 'keep');
  await t.rejects(after.tearDown('../precious', signal), /invalid pod uid/);
});

test('a busy volume is unmounted lazily', async (t) => {
  const { root, volumes } = await makeWorld(t);
  await volumes.setUp(podOf('uid-8', { volumes: [{ name: 'm', emptyDir: { medium: 'Memory' } }] }), signal);
  const busy = execLoop(`cd '${root}/pods/uid-8/volumes/kubernetes.io~empty-dir/m' && echo in && exec sleep 60`);
  t.teardown(() => busy.kill());
  await new Promise((resolve) => busy.stdout?.once('data', resolve));
  await volumes.tearDown('uid-8', signal);
  t.same(await volumes.podsOnDisk(), []);
});

test('a volume helper blocked by an unresponsive file system is abandoned', async (t) => {
  const started = performance.now();
  const helper = volumeHelper(['sleep', '60'], 200);
  await t.rejects(helper([{ do: 'file-system-usage', path: '/' }], signal), /sleep 60: .*limit 200 ms/);
  t.ok(performance.now() - started < 5_000);
});

const CLAIMS = '/api/v1/namespaces/default/persistentvolumeclaims';
const PERSISTENT_VOLUMES = '/api/v1/persistentvolumes';
const boundClaim = (name: string, phase = 'Bound'): PersistentVolumeClaim => ({
  metadata: { name, namespace: 'default', uid: `claim-${name}` },
  spec: { volumeName: `pv-${name}` },
  status: { phase: phase as 'Bound' },
});
const volumeFor = (name: string, spec: PersistentVolume['spec'], uid = `claim-${name}`): PersistentVolume => ({
  metadata: { name: `pv-${name}` },
  spec: { claimRef: { namespace: 'default', name, uid }, ...spec },
});
const claiming = (uid: string, ...claims: string[]): Pod =>
  podOf(uid, {
    securityContext: { fsGroup: 1234 },
    volumes: claims.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
  });

test('the volume of a claim is bound into the pod, and survives it', async (t) => {
  const world = await makeWorld(t);
  const { root, api, volumes } = world;
  const local = join(root, 'disk');
  await mkdir(local);
  api.put('/api/v1/nodes', { metadata: { name: 'n1', labels: { disk: 'ssd' } } });
  const onSsd = {
    nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'In' as const, values: ['ssd'] }] }],
  };
  api.put(CLAIMS, boundClaim('host'));
  api.put(PERSISTENT_VOLUMES, volumeFor('host', { hostPath: { path: join(root, 'made'), type: 'DirectoryOrCreate' } }));
  api.put(CLAIMS, boundClaim('local'));
  api.put(PERSISTENT_VOLUMES, volumeFor('local', { local: { path: local }, nodeAffinity: { required: onSsd } }));
  const pod = claiming('uid-claims', 'host', 'local');
  await volumes.setUp(pod, signal);
  const [host = '', disk = ''] = ['host', 'local'].map((name) =>
    join(root, 'pods/uid-claims/volumes/kedge.io~claim', name),
  );
  await writeFile(join(host, 'kept'), 'data');
  t.equal(await readFile(join(root, 'made/kept'), 'utf8'), 'data');
  t.equal((await stat(local)).gid, 1234, 'a local volume is given to the group');
  t.not((await stat(join(root, 'made'))).gid, 1234, 'a path of the host is not');
  await writeFile(join(disk, 'too'), 'data');

  // An agent that was killed goes on where it was, whatever has become of the objects.
  api.remove(CLAIMS, 'host');
  await (await world.restarted()).setUp(pod, signal);
  const mounts = (await readMounts()).filter(({ mountPoint }) => mountPoint === host);
  t.equal(mounts.length, 1, 'nothing is mounted twice');
  await volumes.tearDown('uid-claims', signal);
  t.equal(await readFile(join(root, 'made/kept'), 'utf8'), 'data');
  t.equal(await readFile(join(local, 'too'), 'utf8'), 'data');
});

test('what is mounted below the path of a volume stays mounted on the host', async (t) => {
  const { root, api, volumes } = await makeWorld(t);
  const disk = join(root, 'disk');
  const below = join(disk, 'below');
  await mkdir(disk);
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', disk]);
  t.teardown(() => execFileSync('umount', ['--recursive', disk]));
  // As systemd has all mounts: unmounting a copy would unmount the original.
  execFileSync('mount', ['--make-shared', disk]);
  await mkdir(below);
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', below]);
  await writeFile(join(below, 'kept'), 'data');
  api.put(CLAIMS, boundClaim('host'));
  api.put(PERSISTENT_VOLUMES, volumeFor('host', { hostPath: { path: disk } }));
  await volumes.setUp(claiming('uid-below', 'host'), signal);
  const shown = join(root, 'pods/uid-below/volumes/kedge.io~claim/host/below/kept');
  t.equal(await readFile(shown, 'utf8'), 'data');
  await volumes.tearDown('uid-below', signal);
  t.equal(await readFile(join(below, 'kept'), 'utf8'), 'data');
});

test('why a pod cannot have the volume of a claim', async (t) => {
  const { root, api, volumes } = await makeWorld(t);
  api.put('/api/v1/nodes', { metadata: { name: 'n1', labels: { disk: 'hdd' } } });
  const elsewhere = {
    required: {
      nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In' as const, values: ['n2'] }] }],
    },
  };
  const path = { hostPath: { path: join(root, 'x') } };
  api.put(CLAIMS, boundClaim('pending', 'Pending'));
  api.put(CLAIMS, boundClaim('lost'));
  api.put(CLAIMS, boundClaim('stolen'));
  api.put(PERSISTENT_VOLUMES, volumeFor('stolen', path, 'another'));
  api.put(CLAIMS, boundClaim('far'));
  api.put(PERSISTENT_VOLUMES, volumeFor('far', { local: { path: root }, nodeAffinity: elsewhere }));
  api.put(CLAIMS, boundClaim('missing'));
  api.put(PERSISTENT_VOLUMES, volumeFor('missing', { local: { path: join(root, 'gone') } }));
  api.put(CLAIMS, boundClaim('remote'));
  api.put(
    PERSISTENT_VOLUMES,
    volumeFor('remote', { iscsi: { iqn: 'iqn.2001-04.com.example:storage', lun: 0, targetPortal: '10.0.0.1' } }),
  );
  for (const [name, message] of [
    ['none', /persistentvolumeclaim "none" not found/],
    ['pending', /PVC default\/pending is not bound/],
    ['lost', /persistentvolume "pv-lost" not found/],
    ['stolen', /PV pv-stolen is not bound to PVC default\/stolen/],
    ['far', /the node affinity of volume pv-far does not match node n1/],
    ['missing', /gone is not a directory/],
    ['remote', /iscsi volumes are not supported yet/],
  ] as const) {
    await t.rejects(volumes.setUp(claiming(`uid-${name}`, name), signal), { message }, name);
  }
});
