/** Moving a cluster to etcd and back, as commands beside servers, and what clients notice of that and of a restore. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import type { ConfigMap } from '../../../api/types/core/v1.gen.ts';
import { configMaps, events, secrets } from '../../../client/resources.gen.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { Informer } from '../../../client/informer.ts';
import { loadKubeconfig } from '../../../client/kubeconfig.ts';
import { restoreBackup } from '../../../control-plane/backup/restore/restore.ts';
import { migrateStore, type Migrated } from '../../../control-plane/backup/restore/migrate.ts';
import { serverFiles } from '../../../control-plane/backup/server-files.ts';
import { sourceOf, type Home } from '../../../control-plane/backup/store-pages.ts';
import { writeBackup } from '../../../control-plane/backup/write-backup.ts';
import { defaultServerConfig, type ServerConfig } from '../../../control-plane/config.ts';
import { openPlainStore } from '../../../control-plane/open-store.ts';
import { readHomeRecord } from '../../../control-plane/store/etcd/home-record.ts';
import { WITHOUT_TAP, type Daemon } from '../../support/daemon.ts';
import { Etcd, openTestEtcd } from '../../support/etcd.ts';
import { Log } from '../../support/log.ts';
import { serverProcess } from '../../support/server-process.ts';
import { eventually } from '../../support/wait.ts';

const ROOT = '/registry/';
const OBJECTS = 1000;
const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-migrate-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));
const etcd = await Etcd.start();
t.teardown(() => etcd[Symbol.asyncDispose]());

const dataDir = path.join(folder, 'server');
const kubeconfig = path.join(folder, 'admin');
const settings = path.join(folder, 'server.yaml');
const encryption = path.join(folder, 'encryption.yaml');
await mkdir(dataDir);
await writeFile(
  settings,
  JSON.stringify({ 'data-dir': dataDir, 'admin-kubeconfig': kubeconfig, 'encryption-provider-config': encryption }),
);
await writeFile(
  encryption,
  JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [
      { resources: ['secrets'], providers: [{ aesgcm: { keys: [{ name: 'one', secret: 'A'.repeat(43) + '=' }] } }] },
    ],
  }),
);

const ETCD = [`--etcd-servers=${etcd.url}`];
let port = 0;

/** A server of the cluster; it has the same port each time, for clients that go on. */
async function start(...more: string[]): Promise<Daemon> {
  const daemon = serverProcess(
    dataDir,
    ...[`--admin-kubeconfig=${kubeconfig}`, `--port=${port}`, `--port-file=${folder}/port`],
    ...[`--encryption-provider-config=${encryption}`, '--roles=apiserver', ...more],
  );
  const before = (await daemon.output()).split('api-server ready').length;
  await eventually('the server to be ready', async () => {
    const said = await daemon.output();
    if (!daemon.alive) throw new Error(said);
    return said.split('api-server ready').length > before;
  });
  port ||= Number(new URL((await loadKubeconfig(kubeconfig)).server).port);
  return daemon;
}

function command(...args: string[]) {
  const [program, ...before] = WITHOUT_TAP;
  const main = path.join(import.meta.dirname, '../../../cli/main.ts');
  return spawn(
    program,
    [...before, process.execPath, main, ...args, ...(args.includes('--config') ? [] : ['--config', settings])],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
}

/** What a command says, on both ways. */
async function run(...args: string[]): Promise<{ code: number | null; said: string }> {
  const child = command(...args);
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, said: out + error };
}

const quiet = new Log();
const configOf = (store: Home): ServerConfig => ({
  ...defaultServerConfig,
  ...{ dataDir, store, etcdServers: [etcd.url], encryptionProviderConfig: encryption },
});

/** As the command does. */
const migrate = async (from: Home, to: Home): Promise<Migrated> =>
  migrateStore({
    ...{ from, to, config: configOf('etcd'), encryption: await readFile(encryption, 'utf8'), force: false },
    ...{ now: Date.now(), signal: AbortSignal.timeout(60_000), logger: quiet },
  });
const open = (store: Home) => openPlainStore(configOf(store), AbortSignal.timeout(60_000), quiet);

const revisionOf = async (client: ApiClient): Promise<number> =>
  Number(
    (await client.create(configMaps, { metadata: { generateName: 'probe-', namespace: 'default' } })).metadata
      ?.resourceVersion,
  );

t.test('a cluster moves to etcd and back, and is restored, while a client goes on', { timeout: 300_000 }, async (t) => {
  let server = await start();
  await using client = new ApiClient({ ...(await loadKubeconfig(kubeconfig)) });
  const name = (index: number): string => `o${index}`;
  for (let at = 0; at < OBJECTS; at += 100)
    await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        client.create(configMaps, { metadata: { name: name(at + index), namespace: 'default' }, data: { a: 'b' } }),
      ),
    );
  await client.create(secrets, { metadata: { name: 's', namespace: 'default' }, stringData: { a: 'hidden' } });
  const event = {
    metadata: { name: 'e', namespace: 'default' },
    involvedObject: { kind: 'Pod', namespace: 'default' },
  };
  await client.create(events, { ...event, lastTimestamp: new Date().toISOString() });
  const { metadata: before } = await client.get(configMaps, 'default', name(7));

  const seen = new Map<string, { uid: string; revision: number }>();
  const note = ({ metadata = {} }: ConfigMap): void => {
    const revision = Number(metadata.resourceVersion);
    const last = seen.get(metadata.name ?? '');
    if (last && revision < last.revision) t.fail(`${metadata.name} went back from ${last.revision} to ${revision}`);
    seen.set(metadata.name ?? '', { uid: metadata.uid ?? '', revision });
  };
  const stopping = new AbortController();
  const informer = new Informer({ client, resource: configMaps, namespace: 'default', logger: new Log() });
  informer.addHandlers({
    onAdd: note,
    onUpdate: (_old, now) => note(now),
    onDelete: ({ metadata }) => void seen.delete(metadata?.name ?? ''),
  });
  const following = informer.run(stopping.signal);
  t.teardown(async () => {
    stopping.abort();
    await following;
  });
  const follows = async (added: string): Promise<void> => {
    await client.create(configMaps, { metadata: { name: added, namespace: 'default' } });
    await eventually(`the informer to see ${added}`, () => seen.has(added), 60);
    t.equal(seen.get(name(7))?.uid, before?.uid, 'objects are the same ones');
  };
  await follows('first');

  await t.rejects(migrate('embedded', 'etcd'), /in use by process \d+: stop that server/);
  const saved = await run('backup', 'save', `--to=${folder}/backups`);
  t.match(saved, { code: 0, said: /NOT ENCRYPTED/ });
  const highest = await revisionOf(client);
  await server.end();

  // kill -9 while the target is being filled.
  const direct = await openTestEtcd([etcd.url]);
  t.teardown(() => direct.close());
  const killed = command('store', 'migrate', '--from=embedded', '--to=etcd', ...ETCD);
  await eventually('the copy to have begun', async () => {
    const { items } = await direct.list(`${ROOT}configmaps/`, { limit: 1 });
    if (items.length === 0 && killed.exitCode !== null) throw new Error('it is over');
    return items.length > 0;
  });
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  t.equal((await readHomeRecord(direct, ROOT))?.state, 'filling');
  await t.rejects(open('etcd'), /is the unfinished target of a move from .*: run that again to its end/);
  await (await open('embedded')).store.close();
  t.pass('the source is still the cluster');

  const { sum } = await migrate('embedded', 'etcd');
  t.ok(sum.count > OBJECTS);
  await t.rejects(migrate('embedded', 'etcd'), /were moved to etcd/);
  // Killed just before the source says so.
  await rm(path.join(dataDir, 'store/moved'));
  t.match(await migrate('embedded', 'etcd'), { wasDone: true, sum: { hash: sum.hash } });
  await t.rejects(open('embedded'), /were moved to etcd/);
  const stored = await direct.get(`${ROOT}secrets/default/s`);
  t.match(stored?.value.toString('latin1'), /^k8s:enc:aesgcm:v1:one:/, 'encrypted for its new key');
  server = await start('--store=etcd', ...ETCD);
  t.ok((await revisionOf(client)) > highest, 'revisions go on');
  t.equal((await client.get(secrets, 'default', 's')).data?.a, Buffer.from('hidden').toString('base64'));
  t.ok(await client.get(events, 'default', 'e'));
  await follows('second');
  await t.rejects(migrate('etcd', 'embedded'), /are running \(192\.0\.2\.1\): stop them/);
  const later = await revisionOf(client);
  await server.end();

  const etcdBackup = path.join(folder, 'of-etcd.backup');
  const ofEtcd = await open('etcd');
  await writeBackup(
    etcdBackup,
    { source: sourceOf(ofEtcd.plain, 'etcd', ROOT), ...(await serverFiles(configOf('etcd'), undefined, false)) },
    { secret: undefined, now: Date.now(), signal: AbortSignal.timeout(60_000) },
  );
  await ofEtcd.store.close();
  await migrate('etcd', 'embedded');
  await t.rejects(open('etcd'), /were moved to .*store/);
  server = await start();
  t.ok((await revisionOf(client)) > later);
  await follows('third');
  await client.create(configMaps, { metadata: { name: 'after-backup', namespace: 'default' } });
  await eventually('the informer to see it', () => seen.has('after-backup'), 60);
  const latest = await revisionOf(client);
  await server.end();

  const restoring = { secret: undefined, encryption: await readFile(encryption, 'utf8'), force: true, now: Date.now() };
  const { manifest } = await restoreBackup({
    ...{ ...restoring, file: etcdBackup, config: { ...configOf('embedded'), dataDir: path.join(folder, 'other') } },
    ...{ signal: AbortSignal.timeout(60_000), logger: quiet },
  });
  t.equal(manifest.home, 'etcd', 'of one home, into the other');

  const [file = ''] = await readdir(path.join(folder, 'backups'));
  const restored = await run('backup', 'restore', path.join(folder, 'backups', file), '--force');
  t.match(restored, { code: 0, said: /revisions continue at \d+: clients list again/ });
  server = await start();
  t.ok((await revisionOf(client)) > latest);
  await eventually('the informer to forget what is not there any more', () => !seen.has('after-backup'), 60);
  await follows('restored');
  t.equal((await client.get(secrets, 'default', 's')).data?.a, Buffer.from('hidden').toString('base64'));
  await server.end();
});
