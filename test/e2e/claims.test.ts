/** Plain claims on two nodes: directories of the chosen node, made and removed by its agent, with agents and server that are killed. */
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import type { StatefulSet } from '../../api/types/apps/v1.gen.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/types/core/v1.gen.ts';
import { Cluster, type ClusterNode } from '../support/cluster.ts';
import { HELLO_IMAGE, pod } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';

t.setTimeout(15 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-claims', nodes: 2 });
cluster.endWith(t);

const out = async (...args: string[]): Promise<string> => (await cluster.kubectl(...args)).stdout.trim();
const directoryOf = (node: ClusterNode): string => path.join(node.directory, 'agent/local-path');
/** The directories of volumes on a node. */
async function directoriesOn(node: ClusterNode): Promise<string[]> {
  return readdir(directoryOf(node)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}
const allDirectories = async (): Promise<string[]> => (await Promise.all(cluster.nodes.map(directoriesOn))).flat();
const volumes = async (): Promise<PersistentVolume[]> =>
  (await cluster.get<{ items: PersistentVolume[] }>('persistentvolumes')).items;
const nodeNamed = (name = ''): ClusterNode => {
  const node = cluster.nodes.find((each) => each.name === name);
  if (!node) throw new Error(`no node ${name}`);
  return node;
};

/** A database of one line for each start, on disk. As an ordinary user. */
const START = 'echo "$HOSTNAME $VERSION" >> /data/starts && sync && exec sleep 100000';
const database = (version: string): StatefulSet => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'db' },
  spec: {
    replicas: 2,
    serviceName: 'db',
    selector: { matchLabels: { app: 'db' } },
    template: {
      metadata: { labels: { app: 'db' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        securityContext: { runAsUser: 1000, runAsGroup: 1000 },
        affinity: {
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [
              { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'db' } } },
            ],
          },
        },
        containers: [
          {
            name: 'c',
            image: HELLO_IMAGE,
            command: ['sh', '-c', START],
            env: [{ name: 'VERSION', value: version }],
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
          },
        ],
      },
    },
    volumeClaimTemplates: [
      {
        metadata: { name: 'data' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '64Mi' } } },
      },
    ],
  },
});

const nodeOf = async (name: string): Promise<string> => (await cluster.get<Pod>('pod', name)).spec?.nodeName ?? '';
/** Waits for so many starts of the pod; returns them. */
const starts = (name: string, count: number): Promise<string[]> =>
  eventually(`${count} starts of ${name}`, async () => {
    const lines = (await out('exec', name, '--', 'cat', '/data/starts')).split('\n');
    return lines.length >= count && lines;
  });
const rolledOut = () => cluster.kubectl('rollout', 'status', 'statefulset/db', '--timeout=120s');

t.test('a StatefulSet keeps its data through pod deletion, rolling update and killed agents', async (t) => {
  t.match(
    await out('get', 'storageclass'),
    /^local-path \(default\) +kedge\.io\/local-path +Delete +WaitForFirstConsumer/m,
  );
  await cluster.apply(database('one'));
  await rolledOut();
  const homes = { 'db-0': await nodeOf('db-0'), 'db-1': await nodeOf('db-1') };
  t.not(homes['db-0'], homes['db-1']);
  for (const [name, home] of Object.entries(homes)) {
    t.strictSame(await starts(name, 1), [`${name} one`]);
    t.equal((await directoriesOn(nodeNamed(home))).length, 1, 'its directory is on its node');
  }
  await cluster.kubectl('delete', 'pod', 'db-0', 'db-1', '--now');
  await rolledOut();
  for (const name of ['db-0', 'db-1']) t.strictSame(await starts(name, 2), [`${name} one`, `${name} one`]);

  await cluster.host.stopAgent('SIGKILL');
  await cluster.apply(database('two'));
  await cluster.host.startAgent();
  await rolledOut();
  for (const [name, home] of Object.entries(homes)) {
    t.strictSame(await starts(name, 3), [`${name} one`, `${name} one`, `${name} two`]);
    t.equal(await nodeOf(name), home, 'the pod stays with its data');
  }
});

t.test('deleting the claims removes the directories, and nothing else', async (t) => {
  const [before] = await directoriesOn(cluster.host);
  const home = path.join(directoryOf(cluster.host), before ?? '');
  const outside = path.join(cluster.directory, 'outside');
  await mkdir(outside);
  await writeFile(path.join(outside, 'kept'), 'data');
  await symlink(outside, path.join(home, 'link'));
  await cluster.kubectl('delete', 'statefulset', 'db');
  await cluster.kubectl('wait', '--for=delete', 'pod/db-0', 'pod/db-1', '--timeout=60s');
  t.equal((await allDirectories()).length, 2, 'claims outlive their set');
  // The agent is away while it would have to act, and so is the server after it.
  await cluster.host.stopAgent('SIGKILL');
  await cluster.kubectl('delete', 'pvc', 'data-db-0', 'data-db-1');
  await eventually('the other node to be done', async () => (await volumes()).length === 1);
  const [left] = await volumes();
  t.match(left, {
    metadata: { deletionTimestamp: String, finalizers: ['kedge.io/local-path'] },
    status: { phase: 'Released' },
  });
  await cluster.server.end('SIGKILL');
  await cluster.startServer();
  await cluster.host.startAgent();
  await eventually(
    'everything to be gone',
    async () => (await volumes()).length + (await allDirectories()).length === 0,
  );
  t.equal(await readFile(path.join(outside, 'kept'), 'utf8'), 'data', 'links are not followed');
});

t.test('a pod has an ephemeral volume for as long as it lives', async (t) => {
  const volumeClaimTemplate = {
    spec: { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage: '1Mi' } } },
  };
  await cluster.apply(
    pod(
      'scratchy',
      {
        command: ['sh', '-c', 'echo hello > /s/x && exec sleep 100000'],
        volumeMounts: [{ name: 's', mountPath: '/s' }],
      },
      { volumes: [{ name: 's', ephemeral: { volumeClaimTemplate } }] },
    ),
  );
  await cluster.kubectl('wait', '--for=condition=Ready', 'pod/scratchy', '--timeout=60s');
  await eventually('its data', async () => (await out('exec', 'scratchy', '--', 'cat', '/s/x')) === 'hello');
  t.match(await cluster.get<PersistentVolumeClaim>('pvc', 'scratchy-s'), {
    status: { phase: 'Bound' },
    metadata: { ownerReferences: [{ kind: 'Pod', name: 'scratchy' }] },
  });
  await cluster.kubectl('delete', 'pod', 'scratchy');
  await eventually(
    'everything to be gone',
    async () => (await volumes()).length + (await allDirectories()).length === 0,
  );
  t.equal(await out('get', 'pvc'), '');
});

t.test('data with reclaim policy Retain stays when its objects go', async (t) => {
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } };
  await cluster.apply({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'keep' }, spec });
  await cluster.apply(
    pod(
      'keeper',
      {
        command: ['sh', '-c', 'echo mine > /d/x && exec sleep 100000'],
        volumeMounts: [{ name: 'd', mountPath: '/d' }],
      },
      { volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'keep' } }] },
    ),
  );
  await cluster.kubectl('wait', '--for=condition=Ready', 'pod/keeper', '--timeout=60s');
  await eventually('its data', async () => (await out('exec', 'keeper', '--', 'cat', '/d/x')) === 'mine');
  const [volume] = await volumes();
  const name = volume?.metadata?.name ?? '';
  const retain = JSON.stringify({ spec: { persistentVolumeReclaimPolicy: 'Retain' } });
  await cluster.kubectl('patch', 'pv', name, '--type=merge', '-p', retain);
  await cluster.kubectl('delete', 'pod', 'keeper', '--now');
  await cluster.kubectl('delete', 'pvc', 'keep');
  await cluster.kubectl('wait', `--for=jsonpath={.status.phase}=Released`, 'pv', name, '--timeout=30s');
  await cluster.kubectl('delete', 'pv', name, '--timeout=30s');
  t.equal(await readFile(path.join(volume?.spec?.local?.path ?? '', 'x'), 'utf8'), 'mine\n');
});

t.test('a class that was deleted stays away', async (t) => {
  await cluster.kubectl('delete', 'storageclass', 'local-path');
  await cluster.server.end();
  await cluster.startServer();
  t.equal(await out('get', 'storageclass'), '');
});
