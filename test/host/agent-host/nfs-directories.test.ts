/** The directories of an export that agents remove: what is due, and nothing besides. */
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { NfsDirectories } from '../../../agent/volumes/nfs/nfs-directories.ts';
import type { PersistentVolume } from '../../../api/types/core/v1.gen.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { persistentVolumes } from '../../../client/resources.gen.ts';
import { TestServer } from '../../server/apiserver/server.ts';
import { eventually } from '../../support/wait.ts';

t.setTimeout(120_000);

const HELPER = [process.execPath, join(import.meta.dirname, 'nfs-directory-process.ts')];

const volumeOf = (name: string, directory: string, onDelete: string): PersistentVolume => ({
  metadata: {
    name,
    labels: { 'kedge.io/nfs-node': 'n1' },
    annotations: {
      'pv.kubernetes.io/provisioned-by': 'kedge.io/nfs',
      'kedge.io/nfs-directory': directory,
      'kedge.io/nfs-on-delete': onDelete,
    },
    finalizers: ['kedge.io/nfs'],
  },
  spec: {
    capacity: { storage: '1Gi' },
    accessModes: ['ReadWriteMany'],
    persistentVolumeReclaimPolicy: 'Delete',
    nfs: { server: 'nas', path: `/share/${directory}` },
  },
});

class World {
  readonly root: string;
  readonly client: ApiClient;
  readonly failures: string[] = [];

  private constructor(root: string, client: ApiClient) {
    this.root = root;
    this.client = client;
  }

  get share(): string {
    return join(this.root, 'exports/share');
  }

  /** With a mount.nfs that binds directories below `exports`. */
  static async start(t: Test): Promise<World> {
    const server = await TestServer.start();
    const client = new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
    const world = new World(await mkdtemp(join(tmpdir(), 'kedge-nfs-directories-')), client);
    const { root } = world;
    await mkdir(join(root, 'bin'));
    await mkdir(world.share, { recursive: true });
    await writeFile(join(root, 'bin/mount.nfs'), `#!/bin/sh\nexec mount --bind "${root}/exports\${1##*:}" "$2"\n`);
    await chmod(join(root, 'bin/mount.nfs'), 0o755);
    const path = process.env['PATH'];
    process.env['PATH'] = `${join(root, 'bin')}:${path}`;
    const failed = (fields: { err?: Error }): void => void world.failures.push(fields.err?.message ?? '');
    const logger = { debug() {}, info() {}, warn: failed, error: failed };
    const mountPoint = join(root, 'nfs');
    const directories = new NfsDirectories({ client, nodeName: 'n1', mountPoint, helper: HELPER, logger });
    const stopping = new AbortController();
    const running = directories.run(stopping.signal);
    t.teardown(async () => {
      process.env['PATH'] = path;
      stopping.abort();
      await running;
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    });
    return world;
  }

  /** The object and the directory of a volume, and that it is deleted. */
  async delete(name: string, directory: string, onDelete: string): Promise<void> {
    await this.client.create(persistentVolumes, volumeOf(name, directory, onDelete));
    await this.client.delete(persistentVolumes, '', name);
  }

  async fill(directory: string): Promise<void> {
    await mkdir(join(this.share, directory), { recursive: true });
    await writeFile(join(this.share, directory, 'data'), 'data');
  }

  gone(): Promise<boolean> {
    return eventually(
      'the objects to be gone',
      async () => (await this.client.listAll(persistentVolumes)).length === 0,
    );
  }
}

t.test('a directory is removed, renamed or kept as its volume says, and the volume is released', async (t) => {
  const world = await World.start(t);
  const { share, root } = world;
  await mkdir(join(root, 'outside'));
  await writeFile(join(root, 'outside/precious'), '');
  for (const directory of ['team/removed', 'team/stays', 'archived', 'archived-twice', 'twice', 'kept'])
    await world.fill(directory);
  await symlink(join(root, 'outside'), join(share, 'team/removed/link'));
  await world.delete('removed', 'team/removed', 'delete');
  await world.delete('archived', 'archived', 'archive');
  await world.delete('twice', 'twice', 'archive');
  await world.delete('kept', 'kept', 'retain');
  await world.delete('never-made', 'nowhere/made', 'delete');
  await world.gone();
  t.same((await readdir(share)).sort(), [
    'archived-archived',
    'archived-twice',
    'archived-twice-twice',
    'kept',
    'team',
  ]);
  t.same(await readdir(join(share, 'team')), ['stays']);
  t.same(await readdir(join(root, 'outside')), ['precious']);
  t.same(world.failures, []);
});

t.test('no link on the way to a directory leads a removal elsewhere', async (t) => {
  const world = await World.start(t);
  const { share, root } = world;
  await mkdir(join(root, 'outside/precious'), { recursive: true });
  await symlink(join(root, 'outside'), join(share, 'team'));
  await world.delete('attacked', 'team/precious', 'delete');
  await eventually('the failure', async () =>
    world.failures.some((message) => /team is not a directory/.test(message)),
  );
  t.same(await readdir(join(root, 'outside')), ['precious']);

  await rm(join(share, 'team'));
  await symlink(join(root, 'outside'), join(share, 'linked'));
  await world.delete('linked', 'linked', 'delete');
  await world.gone();
  t.same(await readdir(join(root, 'outside')), ['precious'], 'the link is removed instead of what it names');
  t.same(await readdir(share), []);
});
