/** The directories of an export that agents remove: what is due, and nothing besides. */
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { hasCode } from '../../../agent/host/files.ts';
import { askNfsDirectory } from '../../../agent/host/nfs-directory.ts';
import { NfsDirectories } from '../../../agent/volumes/nfs/nfs-directories.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { PersistentVolume } from '../../../api/types/core/v1.gen.ts';
import type { KubeList, ListCallOptions, WatchOptions } from '../../../client/api-calls.ts';
import { ApiClient } from '../../../client/api-client.ts';
import type { Resource } from '../../../client/resource.ts';
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

/** Watches see nothing, as of an agent that the server has forgotten. */
class CutOffClient extends ApiClient {
  /** How often the agent has looked at one volume. */
  looks = 0;

  override async watch(_: unknown, { signal }: WatchOptions): Promise<void> {
    await once(signal ?? new AbortController().signal, 'abort');
  }

  override list<T extends KubeObject>(resource: Resource<T>, options: ListCallOptions = {}): Promise<KubeList<T>> {
    if (options.fieldSelector) this.looks++;
    return super.list(resource, options);
  }
}

class World {
  readonly root: string;
  readonly client: CutOffClient;
  readonly failures: string[] = [];

  private constructor(root: string, client: CutOffClient) {
    this.root = root;
    this.client = client;
  }

  get share(): string {
    return join(this.root, 'exports/share');
  }

  /** With a mount.nfs that binds directories below `exports`. `isCutOff`: the agent sees nothing but what `prepare` does. */
  static async start(
    t: Test,
    { isCutOff = false, prepare }: { isCutOff?: boolean; prepare?: (world: World) => Promise<void> } = {},
  ): Promise<World> {
    const server = await TestServer.start();
    const options = { server: server.url(''), ca: server.ca, token: 'admin/system:masters' };
    const client = new CutOffClient(options);
    const connected = new ApiClient(options);
    const world = new World(await mkdtemp(join(tmpdir(), 'kedge-nfs-directories-')), client);
    const { root } = world;
    await mkdir(join(root, 'bin'));
    await mkdir(world.share, { recursive: true });
    await world.addProgram('mount.nfs', `exec mount --bind "${root}/exports\${1##*:}" "$2"`);
    const path = process.env['PATH'];
    process.env['PATH'] = `${join(root, 'bin')}:${path}`;
    const failed = (fields: { err?: Error }): void => void world.failures.push(fields.err?.message ?? '');
    const logger = { debug() {}, info() {}, warn: failed, error: failed };
    const mountPoint = join(root, 'nfs');
    await prepare?.(world);
    const agents = isCutOff ? client : connected;
    const directories = new NfsDirectories({ client: agents, nodeName: 'n1', mountPoint, helper: HELPER, logger });
    const stopping = new AbortController();
    const running = directories.run(stopping.signal);
    t.teardown(async () => {
      process.env['PATH'] = path;
      stopping.abort();
      await running;
      for (const each of [client, connected]) await each[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    });
    return world;
  }

  /** Where the agent and its helpers look first. */
  async addProgram(name: string, commands: string): Promise<void> {
    await writeFile(join(this.root, 'bin', name), `#!/bin/sh\n${commands}\n`, { mode: 0o755 });
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

t.test('what is made in the place of a directory while it is removed is not taken along', async (t) => {
  const world = await World.start(t);
  const { root, share } = world;
  await world.fill('team/data');
  await world.addProgram('rm', `mkdir -p "${share}/team/data/new"\nPATH=/usr/bin:/bin exec rm "$@"`);
  await world.delete('v', 'team/data', 'delete');
  await world.gone();
  t.same(await readdir(join(share, 'team')), ['data']);
  t.same(await readdir(join(share, 'team/data')), ['new']);
  t.same(world.failures, []);
  await rm(join(root, 'bin/rm'));
});

t.test('a removal that was interrupted goes on, with nothing but what it has begun with', async (t) => {
  const world = await World.start(t);
  for (const directory of ['.kedge-removed-v', 'team/.kedge-removed-w', 'team/w']) await world.fill(directory);
  await world.delete('v', 'v', 'delete');
  await world.delete('w', 'team/w', 'delete');
  await world.gone();
  t.same(await readdir(world.share), ['team']);
  t.same(await readdir(join(world.share, 'team')), ['w']);
  t.same(world.failures, []);
});

t.test('an agent that is cut off removes nothing that it is not asked to remove any more', async (t) => {
  const world = await World.start(t, {
    isCutOff: true,
    async prepare(world) {
      // It fails at first.
      await symlink('/nowhere', join(world.share, 'team'));
      await world.delete('v', 'team/data', 'delete');
    },
  });
  await eventually('a failure', () => world.failures.length > 0);
  // Another agent has removed it, and a new volume has the directory.
  await world.client.patch(persistentVolumes, '', 'v', { metadata: { finalizers: null } });
  await rm(join(world.share, 'team'));
  await world.fill('team/data');
  const { looks } = world.client;
  const left = async (): Promise<string[]> => readdir(join(world.share, 'team'));
  await eventually('it to try again', async () => world.client.looks > looks || (await left()).length === 0);
  t.same(await left(), ['data']);
});

t.test('a removal ends with the helper that does it', async (t) => {
  const world = await World.start(t);
  await world.fill('v');
  const pidFile = join(world.root, 'pid');
  await world.addProgram('rm', `echo $$ > "${pidFile}.new"; mv "${pidFile}.new" "${pidFile}"; exec sleep 600`);
  const stop = new AbortController();
  const mountPoint = join(world.root, 'mounted');
  await mkdir(mountPoint);
  const request = {
    do: 'remove',
    share: 'nas:/share',
    options: 'fg',
    mountPoint,
    directory: 'v',
    mode: 0,
    suffix: 'v',
  };
  const asked = askNfsDirectory(request as Parameters<typeof askNfsDirectory>[0], HELPER, {
    ...{ timeoutMs: 60_000, signal: stop.signal },
  });
  const pid = await eventually('rm to run', async () => Number(await readFile(pidFile, 'utf8').catch(() => '')));
  const isRunning = (): boolean => {
    try {
      return process.kill(pid, 0);
    } catch (error) {
      if (hasCode(error, 'ESRCH')) return false;
      throw error;
    }
  };
  t.teardown(() => isRunning() && process.kill(pid, 'SIGKILL'));
  stop.abort(new Error('enough'));
  await t.rejects(asked, { message: 'enough' });
  await eventually('it to end', () => !isRunning());
  await rm(join(world.root, 'bin/rm'));
});
