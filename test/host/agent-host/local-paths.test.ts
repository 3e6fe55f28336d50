/** The directories that are volumes of a node: made, removed, and nothing besides. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LocalPaths } from '../../../agent/volumes/claims/local-paths.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { persistentVolumes } from '../../../client/resources.gen.ts';
import type { PersistentVolume } from '../../../api/types/core/v1.gen.ts';
import { TestServer } from '../../server/apiserver/server.ts';
import { eventually } from '../../support/wait.ts';

t.setTimeout(60_000);

const named = (digit: number): string => `pvc-00000000-0000-4000-8000-00000000000${digit}`;

const volumeOf = (name: string, path: string, node = 'n1'): PersistentVolume => ({
  metadata: {
    name,
    labels: { 'kedge.io/local-path-node': node },
    annotations: { 'pv.kubernetes.io/provisioned-by': 'kedge.io/local-path' },
    finalizers: ['kedge.io/local-path'],
  },
  spec: {
    capacity: { storage: '1Gi' },
    accessModes: ['ReadWriteOnce'],
    persistentVolumeReclaimPolicy: 'Delete',
    local: { path },
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] }],
      },
    },
  },
});

class World {
  readonly root: string;
  readonly client: ApiClient;
  readonly paths: LocalPaths;
  readonly failures: string[] = [];

  private constructor(root: string, client: ApiClient) {
    this.root = root;
    this.client = client;
    const failed = (fields: { err?: Error }): void => void this.failures.push(fields.err?.message ?? '');
    const logger = { debug() {}, info() {}, warn: failed, error: failed };
    this.paths = new LocalPaths({ client, nodeName: 'n1', directory: this.directory, logger });
  }

  get directory(): string {
    return join(this.root, 'local-path');
  }

  static async start(t: Test): Promise<World> {
    const server = await TestServer.start();
    const client = new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
    const world = new World(await mkdtemp(join(tmpdir(), 'kedge-local-paths-')), client);
    const stopping = new AbortController();
    const running = world.paths.run(stopping.signal);
    t.teardown(async () => {
      stopping.abort();
      await running;
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await rm(world.root, { recursive: true });
    });
    return world;
  }

  /** The object and the directory of a volume. */
  async add(name: string, path = join(this.directory, name), node = 'n1'): Promise<string> {
    await this.client.create(persistentVolumes, volumeOf(name, path, node));
    const made = join(this.directory, name);
    await mkdir(made, { recursive: true });
    await writeFile(join(made, 'data'), 'data');
    return made;
  }

  async delete(name: string): Promise<void> {
    await this.client.delete(persistentVolumes, '', name);
  }

  async objects(): Promise<string[]> {
    return (await this.client.listAll(persistentVolumes)).map(({ metadata }) => metadata?.name ?? '');
  }

  failed(what: RegExp): Promise<boolean> {
    return eventually(`a failure with ${what}`, async () => this.failures.some((message) => what.test(message)));
  }
}

t.test('a directory is made for everybody in a place for nobody', async (t) => {
  const { paths, directory } = await World.start(t);
  await paths.make(named(1));
  t.equal((await stat(directory)).mode & 0o777, 0o700);
  t.equal((await stat(join(directory, named(1)))).mode & 0o777, 0o777);
  await writeFile(join(directory, named(1), 'data'), 'data');
  await paths.make(named(1));
  t.equal(await readFile(join(directory, named(1), 'data'), 'utf8'), 'data');
  for (const name of ['..', '../etc', 'data', '', `${named(1)}/..`, `${named(1)}x`])
    await t.rejects(paths.make(name), /has a name that no local-path volume has/);
  t.same(await readdir(directory), [named(1)]);
});

t.test('what the API says of the path is compared, not used', async (t) => {
  const { paths, directory } = await World.start(t);
  const path = join(directory, named(1));
  t.equal(paths.pathOf(volumeOf(named(1), path)), path);
  t.equal(paths.pathOf({ metadata: { name: 'disk' }, spec: { local: { path: '/disk' } } }), undefined);
  t.throws(() => paths.pathOf(volumeOf(named(1), '/etc')), /where this node has its volumes/);
  t.throws(() => paths.pathOf(volumeOf('etc', '/etc')), /has a name that no local-path volume has/);
});

t.test('the directory goes before the object, and nothing outside of it goes', async (t) => {
  const world = await World.start(t);
  const outside = join(world.root, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'kept'), 'data');
  const path = await world.add(named(1), outside);
  await symlink(outside, join(path, 'link'));
  await mkdir(join(path, 'deep/er'), { recursive: true });
  execFileSync('sh', ['-c', 'touch "$1/$(printf "bytes\\377\\nin a name")"', 'sh', path]);
  await mkdir(join(world.directory, `..${named(1)}.new`));
  const neighbour = await world.add(named(2));
  await world.delete(named(1));
  await eventually('the object to go', async () => (await world.objects()).join() === named(2));
  t.same(await readdir(world.directory), [named(2)]);
  t.equal(await readFile(join(outside, 'kept'), 'utf8'), 'data');
  t.equal(await readFile(join(neighbour, 'data'), 'utf8'), 'data');
  t.same(world.failures, []);
});

t.test('what is mounted is left until it is not, and so is what somebody has mounted inside', async (t) => {
  const world = await World.start(t);
  const [shown, around] = [await world.add(named(1)), await world.add(named(2))];
  const [pod, inside] = [join(world.root, 'pod'), join(around, 'inside')];
  const precious = join(world.root, 'precious');
  for (const directory of [pod, inside, precious, join(shown, 'sub')]) await mkdir(directory);
  await writeFile(join(precious, 'kept'), 'data');
  execFileSync('mount', ['--bind', join(shown, 'sub'), pod]);
  execFileSync('mount', ['--bind', precious, inside]);
  await world.delete(named(1));
  await world.delete(named(2));
  await world.failed(new RegExp(`${named(1)} is still mounted`));
  await world.failed(new RegExp(`${named(2)} is still mounted`));
  t.equal(await readFile(join(shown, 'data'), 'utf8'), 'data');
  t.equal(await readFile(join(precious, 'kept'), 'utf8'), 'data');
  execFileSync('umount', [pod]);
  execFileSync('umount', [inside]);
  await eventually('both to go', async () => (await world.objects()).length === 0);
  t.same(await readdir(world.directory), []);
  t.equal(await readFile(join(precious, 'kept'), 'utf8'), 'data');
});

t.test('volumes that are not due, not of this node or not so named are left alone', async (t) => {
  const world = await World.start(t);
  const { client } = world;
  await world.add(named(1));
  await client.patch(persistentVolumes, '', named(1), { spec: { persistentVolumeReclaimPolicy: 'Retain' } });
  await world.add(named(2));
  await client.patch(
    persistentVolumes,
    '',
    named(2),
    { status: { phase: 'Bound' } },
    { type: 'merge', subresource: 'status' },
  );
  await world.add(named(3), undefined, 'n2');
  await world.add('precious');
  const names = ['precious', named(1), named(2), named(3)];
  for (const name of names) await world.delete(name);
  await world.failed(/"precious" has a name that no local-path volume has/);
  // One that is due, after all of them.
  await world.add(named(4));
  await world.delete(named(4));
  await eventually('that one to go', async () => !(await world.objects()).includes(named(4)));
  t.same((await readdir(world.directory)).sort(), names);
  t.same((await world.objects()).sort(), names);
});
