/** Saving, checking and restoring, on stores in this process. */
import { randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { publicKeyHash } from '../../../api/domain/public-key-hash.ts';
import { MAX_STORED_BYTES } from '../../../control-plane/apiserver/storage/encoding.ts';
import { GROUPED_KEYS } from '../../../control-plane/apiserver/catalogue/key-layout.ts';
import type { BackupSecret } from '../../../control-plane/backup/archive/envelope.ts';
import { BackupSchedule } from '../../../control-plane/backup/backup-schedule.ts';
import { parseSchedule } from '../../../api/kinds/batch/cron-schedule.ts';
import { backupName, type Destination } from '../../../control-plane/backup/destinations/destination.ts';
import { DirectoryDestination } from '../../../control-plane/backup/destinations/directory.ts';
import { openDestination } from '../../../control-plane/backup/destinations/open-destination.ts';
import { readBackup } from '../../../control-plane/backup/read-backup.ts';
import { replaceParts, stagingIn } from '../../../control-plane/backup/restore/replace-parts.ts';
import { restoreBackup, type RestoreOptions } from '../../../control-plane/backup/restore/restore.ts';
import { saveBackup } from '../../../control-plane/backup/save.ts';
import { serverFiles } from '../../../control-plane/backup/server-files.ts';
import { pagesOf, sourceOf, type RecordSource } from '../../../control-plane/backup/store-pages.ts';
import { verifyBackup } from '../../../control-plane/backup/verify.ts';
import { openPlainStore } from '../../../control-plane/open-store.ts';
import { defaultServerConfig, type ServerConfig } from '../../../control-plane/config.ts';
import { FILE_SETTINGS } from '../../../control-plane/file-settings.ts';
import { openEmbeddedStore, type EmbeddedStore } from '../../../control-plane/store/embedded/embedded-store.ts';
import { CompactedError } from '../../../control-plane/store/store.ts';
import { Log } from '../../support/log.ts';
import { openTestPki } from '../../support/test-pki.ts';
import { ACCESS_KEY, BUCKET, S3Server, SECRET_KEY } from './s3-server.ts';

t.setTimeout(240_000);
const quiet = new Log();
/** The runner limits the time. */
const SIGNAL = new AbortController().signal;
const NOW = Date.parse('2026-11-30T12:00:00Z');
const KEY: BackupSecret = { key: randomBytes(32) };

interface World {
  readonly folder: string;
  readonly config: ServerConfig;
  readonly store: EmbeddedStore;
  readonly source: RecordSource;
}

const keyOf = (name: string): string => `${GROUPED_KEYS.prefixOf(configMaps)}default/${name}`;
const object = (name: string, value: string): Buffer =>
  Buffer.from(JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { value } }));

/** A server's directory, with keys and an open store. */
async function world(t: Test, count = 10): Promise<World> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-backup-test-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const config = { ...defaultServerConfig, dataDir: path.join(folder, 'server') };
  await mkdir(path.join(config.dataDir, 'pki'), { recursive: true });
  await openTestPki(path.join(config.dataDir, 'pki'));
  const store = await openEmbeddedStore({ path: path.join(config.dataDir, 'store') });
  t.teardown(() => store.close());
  const names = Array.from({ length: count }, (_, index) => `o${String(index).padStart(5, '0')}`);
  await Promise.all(names.map((name) => store.put(keyOf(name), object(name, name))));
  return { folder, config, store, source: sourceOf(store, 'embedded', '/registry/') };
}

async function save({ folder, config, source }: World, secret?: BackupSecret): Promise<string> {
  const destination = new DirectoryDestination(path.join(folder, 'backups'));
  const contents = { source, ...(await serverFiles(config, undefined, secret !== undefined)) };
  const { name } = await saveBackup({ contents, destination, secret, now: NOW, signal: SIGNAL });
  return path.join(destination.where, name);
}

const restore = (file: string, config: ServerConfig, more: Partial<RestoreOptions> = {}) =>
  restoreBackup({
    ...{ file, config, secret: undefined, encryption: undefined, force: false },
    ...{ now: NOW, signal: SIGNAL, logger: quiet },
    ...more,
  });

/** All that a directory has, by path. */
async function picture(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    // LMDB's lock file is written by whoever opens the store.
    if (entry.isFile() && entry.name !== 'lock.mdb') found[file] = (await readFile(file)).toString('base64');
  }
  return found;
}

t.test('a backup is of one revision, while others write, and writers are not held', async (t) => {
  const one = await world(t, 3000);
  let isDone = false;
  let rounds = 0;
  // The first key of the store is written before the last one, each time; a backup finds both, whenever it begins.
  const write = async () => {
    await one.store.put(keyOf('a'), object('a', String(rounds)));
    await one.store.put(keyOf('z'), object('z', String(rounds)));
    rounds++;
  };
  await write();
  const writing = (async () => {
    while (!isDone) await write();
  })();
  const file = await save(one);
  isDone = true;
  await writing;
  t.ok(rounds > 5, `${rounds} writes meanwhile`);
  const found = new Map<string, number>();
  const manifest = await readBackup(file, undefined, {
    records: (records) => {
      for (const { key, value, revision } of records) {
        if (!/\/[az]$/.test(key)) continue;
        t.ok(revision > 3000);
        found.set(key.slice(-1), Number((JSON.parse(value.toString()) as { data: { value: string } }).data.value));
      }
    },
  });
  const [a = NaN, z = NaN] = [found.get('a'), found.get('z')];
  t.ok(a === z || a === z + 1, `${a} and ${z} are of one moment`);
  t.equal(manifest.objects, 3002);
  t.strictSame(manifest.kinds, { configmaps: 3002 });
});

t.test('a page of the largest objects, after ever so many small ones, fits into memory', async (t) => {
  let [asked, most] = [0, 0];
  const source: RecordSource = {
    ...{ home: 'embedded', root: '/registry/' },
    page: async (position) => {
      most = Math.max(most, position?.limit ?? 0);
      const records = [{ key: keyOf(String(asked).padStart(5, '0')), revision: 1, value: object('x', 'x') }];
      return { revision: 1, records, next: ++asked < 20 ? records[0]?.key : undefined };
    },
  };
  await Array.fromAsync(pagesOf(source, SIGNAL));
  t.ok(most >= 100 && most * MAX_STORED_BYTES <= 320 * 2 ** 20, `${most} objects`);
});

t.test('what is compacted under a backup is read again, and given up after a few times', async (t) => {
  const one = await world(t, 300);
  let failures = 0;
  const source = (times: number): RecordSource => ({
    ...one.source,
    page: (position, signal) => {
      if (position && failures++ < times) throw new CompactedError(position.revision);
      return one.source.page(position, signal);
    },
  });
  const file = await save({ ...one, source: source(2) });
  t.equal((await verifyBackup(file, undefined)).manifest.objects, 300);
  await rm(file);
  failures = 0;
  await t.rejects(save({ ...one, source: source(1000) }), CompactedError);
  t.strictSame(await readdir(path.dirname(file)), [], 'and nothing is left');
});

t.test('a restored cluster has the same keys and objects, and every revision is new', async (t) => {
  const one = await world(t);
  const file = await save(one, KEY);
  const config = { ...one.config, dataDir: path.join(one.folder, 'other') };
  const { manifest, firstRevision, kept } = await restore(file, config, { secret: KEY });
  t.strictSame(kept, []);
  const { caHash } = await serverFiles(config, undefined, false);
  t.equal(caHash, publicKeyHash(await readFile(path.join(one.config.dataDir, 'pki/ca.crt'), 'utf8')));
  for (const name of await readdir(path.join(config.dataDir, 'pki'))) {
    const { mode } = await stat(path.join(config.dataDir, 'pki', name));
    t.equal(mode & 0o777, name.endsWith('.crt') ? 0o644 : 0o600, name);
  }
  const { store } = await openPlainStore(config, SIGNAL, quiet);
  const { items } = await store.list('/registry/');
  t.strictSame(
    items.map(({ key, value }) => [key, value.toString()]),
    (await one.store.list('/registry/')).items.map(({ key, value }) => [key, value.toString()]),
  );
  for (const { revision } of items) t.ok(revision >= firstRevision && revision > manifest.revision + 999_999_999);
  await t.rejects(
    store.watch('/registry/', manifest.revision, () => undefined),
    CompactedError,
    'a watch from before has to list again',
  );
  await store.close();
});

t.test('what is there is changed only with --force, and is kept', async (t) => {
  const one = await world(t);
  const file = await save(one);
  await one.store.put(keyOf('later'), object('later', 'x'));
  await t.rejects(restore(file, one.config), /has a cluster already/);
  await t.rejects(restore(file, one.config, { force: true }), /open in this process|in use by/, 'not under a server');
  const latest = one.store.latestRevision();
  await one.store.close();
  const { kept, firstRevision } = await restore(file, one.config, { force: true });
  t.ok(firstRevision > latest + 999_999_999, 'revisions after the backup count, too');
  t.strictSame(kept.map((name) => path.basename(name)).sort(), [
    'pki.before-20261130T120000Z',
    'store.before-20261130T120000Z',
  ]);
  const before = await openEmbeddedStore({ path: path.join(one.config.dataDir, 'store.before-20261130T120000Z') });
  t.ok(await before.get(keyOf('later')));
  await before.close();
});

t.test('whoever can write where encrypted backups are kept cannot replace one by another cluster', async (t) => {
  const one = await world(t);
  const plain = await save(one);
  const empty = { ...one.config, dataDir: path.join(one.folder, 'empty') };
  await t.rejects(verifyBackup(plain, KEY), /is not encrypted, but a key or passphrase is given/);
  await t.rejects(restore(plain, empty, { secret: KEY }), /is not encrypted/);
  t.match(await verifyBackup(plain, undefined), { manifest: { objects: 10 } });
});

t.test(
  'the contents of every file that a setting names are in it, and keys only of one that is encrypted',
  async (t) => {
    const { config, folder } = await world(t, 0);
    const named = Object.fromEntries(FILE_SETTINGS.map((name) => [name, path.join(folder, `${name}.conf`)]));
    await Promise.all(Object.entries(named).map(([name, file]) => writeFile(file, `of ${name}`)));
    const settingsIn = async (isEncrypted: boolean): Promise<string[]> =>
      (await serverFiles({ ...config, ...named }, undefined, isEncrypted)).files
        .filter(({ name }) => name.startsWith('settings/'))
        .map(({ content }) => content.toString());
    const all = FILE_SETTINGS.map((name) => `of ${name}`);
    t.strictSame(await settingsIn(true), all);
    t.strictSame(
      await settingsIn(false),
      all.filter((text) => text !== 'of encryptionProviderConfig'),
    );
  },
);

t.test('a damaged backup changes nothing, whatever is there', async (t) => {
  const one = await world(t);
  const file = await save(one);
  await one.store.close();
  const before = await picture(one.config.dataDir);
  const good = await readFile(file);
  for (const at of [0, 10, good.length >> 1, good.length - 20]) {
    await writeFile(file, good.subarray(0, at));
    await t.rejects(restore(file, one.config, { force: true }), { name: 'BackupError' });
    const bad = Buffer.from(good);
    bad.writeUInt8(bad.readUInt8(at) ^ 255, at);
    await writeFile(file, bad);
    await t.rejects(restore(file, one.config, { force: true }), { name: 'BackupError' });
  }
  t.strictSame(await picture(one.config.dataDir), before);
});

t.test(
  'a restore that is broken off between two steps keeps servers away, and is completed by the next one',
  async (t) => {
    const one = await world(t);
    const file = await save(one);
    await one.store.put(keyOf('later'), object('later', 'x'));
    const latest = one.store.latestRevision();
    await one.store.close();
    const { dataDir } = one.config;
    for (const steps of [0, 1, 2, 3]) {
      const copy = { ...one.config, dataDir: path.join(one.folder, `broken-${steps}`) };
      await cp(dataDir, copy.dataDir, { recursive: true });
      // As far as a killed process would have come.
      await stagingIn(copy.dataDir);
      await writeFile(path.join(copy.dataDir, 'restoring'), '20200101T000000Z\n');
      const place = (name: string): string => path.join(copy.dataDir, name);
      if (steps > 0) await rename(place('store'), place('store.before-20200101T000000Z'));
      if (steps > 1) await cp(path.join(dataDir, 'store'), place('store'), { recursive: true });
      if (steps > 2) await rename(place('pki'), place('pki.before-20200101T000000Z'));
      await t.rejects(openPlainStore(copy, SIGNAL, quiet), /was broken off/, `after ${steps} steps`);
      await t.rejects(restore(file, copy), /has a cluster already/);
      const { kept, firstRevision } = await restore(file, copy, { force: true });
      t.ok(firstRevision > latest + 999_999_999, 'revisions are above those of what has been put aside already');
      t.ok(
        kept.every((name) => name.endsWith('.before-20200101T000000Z')),
        'what was there at first is kept',
      );
      t.strictSame((await readdir(copy.dataDir)).sort(), [
        'pki',
        'pki.before-20200101T000000Z',
        'store',
        'store.before-20200101T000000Z',
      ]);
      await (await openPlainStore(copy, SIGNAL, quiet)).store.close();
    }
    await t.rejects(replaceParts(path.join(one.folder, 'none'), [], 'x'), { code: 'ENOENT' });
  },
);

t.test('an object that no server could read is found', async (t) => {
  const one = await world(t);
  for (const [value, problem] of [
    ['{"kind":', /cannot be read/],
    ['{"apiVersion":"v2","kind":"ConfigMap","metadata":{"name":"o00003"}}', /the API version in the data \(v2\)/],
    ['{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"other"}}', /another name/],
  ] as const) {
    await one.store.put(keyOf('o00003'), Buffer.from(value));
    await t.rejects(save(one), problem);
  }
  t.strictSame(await readdir(path.join(one.folder, 'backups')), [], 'and no such backup is kept');
});

t.test('the schedule keeps the newest, removes none when it fails, and says so in its metrics', async (t) => {
  const one = await world(t);
  const directory = new DirectoryDestination(path.join(one.folder, 'backups'));
  let isFull = false;
  const destination: Destination = {
    where: directory.where,
    list: () => directory.list(),
    use: (name, use) => directory.use(name, use),
    delete: (name) => directory.delete(name),
    save: (name, write) => (isFull ? Promise.reject(new Error('full')) : directory.save(name, write)),
  };
  let now = NOW;
  const schedule = (): BackupSchedule =>
    new BackupSchedule({
      ...{ schedule: parseSchedule('0 3 * * *'), source: one.source, destination, secret: KEY, retention: 2 },
      ...{ files: () => serverFiles(one.config, undefined, true), logger: quiet, signal: SIGNAL, now: () => now },
    });
  await using backups = await schedule().start();
  t.match(backups.metrics(), /^kedge_backup_last_success_timestamp_seconds 0$/m);
  await mkdir(directory.where, { recursive: true });
  const foreign = ['kedge-000000000000-20200101T000000000Z.backup', 'notes.txt'];
  for (const name of foreign) await writeFile(path.join(directory.where, name), '');
  for (let run = 0; run < 4; run++, now += 1000) await backups.run();
  const names = async (): Promise<string[]> => (await readdir(directory.where)).sort();
  const kept = await names();
  t.equal(kept.length, 4, 'two of its own, and what is not its own');
  for (const name of foreign) t.ok(kept.includes(name));
  t.match(backups.metrics(), /^kedge_backup_runs_total\{result="success"\} 4$/m);
  t.match(backups.metrics(), new RegExp(`^kedge_backup_last_success_timestamp_seconds ${(NOW + 3000) / 1000}$`, 'm'));
  isFull = true;
  for (let run = 0; run < 4; run++, now += 1000) await backups.run();
  t.strictSame(await names(), kept, 'the last good ones stay');
  t.match(backups.metrics(), /^kedge_backup_runs_total\{result="failure"\} 4$/m);
  await using restarted = await schedule().start();
  t.match(restarted.metrics(), new RegExp(`^kedge_backup_last_success_timestamp_seconds ${(NOW + 3000) / 1000}$`, 'm'));
});

t.test(
  'what is no file does not hide backups, and the one just saved stays, whatever the clock has said',
  async (t) => {
    const one = await world(t);
    const destination = new DirectoryDestination(path.join(one.folder, 'backups'));
    await mkdir(destination.where);
    const { caHash } = await serverFiles(one.config, undefined, true);
    const named = (at: string): string => backupName(caHash, Date.parse(at));
    await mkdir(path.join(destination.where, named('2026-01-01T00:00:00Z')));
    await symlink('/none', path.join(destination.where, named('2026-01-02T00:00:00Z')));
    const future = ['2099-01-01T00:00:00Z', '2099-01-02T00:00:00Z'].map(named);
    for (const name of future) await writeFile(path.join(destination.where, name), 'x');
    await using backups = await new BackupSchedule({
      ...{ schedule: parseSchedule('0 3 * * *'), source: one.source, destination, secret: KEY, retention: 1 },
      ...{ files: () => serverFiles(one.config, undefined, true), logger: quiet, signal: SIGNAL, now: () => NOW },
    }).start();
    await backups.run();
    t.match(backups.metrics(), /^kedge_backup_runs_total\{result="success"\} 1$/m);
    t.strictSame(
      (await destination.list()).map(({ name }) => name),
      [backupName(caHash, NOW)],
    );
  },
);

t.test('a bucket of S3: put, list by pages, get, delete; what the store refuses is one sentence', async (t) => {
  const one = await world(t);
  const pki = await openTestPki(path.join(one.config.dataDir, 'pki'));
  await using s3 = await S3Server.start(pki.serving.certificate, pki.serving.key);
  const settings = async (more: object = {}): Promise<string> => {
    const file = path.join(one.folder, 's3.yaml');
    const given = {
      endpoint: s3.endpoint,
      region: 'eu-west-1',
      'access-key-id': ACCESS_KEY,
      'secret-access-key': SECRET_KEY,
    };
    await writeFile(file, JSON.stringify({ ...given, 'ca-file': pki.directory + '/ca.crt', ...more }));
    return file;
  };
  const url = `s3://${BUCKET}/clusters/one`;
  const destination = await openDestination(url, await settings());
  const contents = { source: one.source, ...(await serverFiles(one.config, undefined, true)) };
  const names: string[] = [];
  for (let run = 0; run < 5; run++)
    names.push((await saveBackup({ contents, destination, secret: KEY, now: NOW + run, signal: SIGNAL })).name);
  s3.objects.set('clusters/one/kedge-other', Buffer.from(''));
  const found = await destination.list(SIGNAL);
  t.strictSame(
    found.map(({ name }) => name),
    names,
    'of three pages',
  );
  const [first = ''] = names;
  const { manifest } = await destination.use(first, (file) => verifyBackup(file, KEY), SIGNAL);
  t.equal(manifest.objects, 10);
  await destination.delete(first, SIGNAL);
  t.equal((await destination.list(SIGNAL)).length, 4);
  await t.rejects(
    destination.use(first, async () => undefined, SIGNAL),
    /answers with 404: NoSuchKey/,
  );
  s3.fails = 503;
  await t.rejects(
    saveBackup({ contents, destination, secret: KEY, now: NOW + 10, signal: SIGNAL }),
    /answers with 503: SlowDown, Reduce your request rate/,
  );
  s3.fails = undefined;
  s3.loses = true;
  await t.rejects(
    saveBackup({ contents, destination, secret: KEY, now: NOW + 11, signal: SIGNAL }),
    /has taken kedge-\S+, and does not have it/,
    'one that says 200 to everything',
  );
  s3.listing = `${'<Contents>'.repeat(200_000)}<Key>`;
  t.strictSame(await destination.list(SIGNAL), [], 'a listing without an end is read in no time');
  s3.listing = Array.from({ length: 25_001 }, (_, index) => {
    const key = `clusters/one/${backupName('0'.repeat(12), NOW + index)}`;
    return `<Contents><Key>${key}</Key><Size>x</Size></Contents>`;
  }).join('');
  s3.listing += '<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>';
  await t.rejects(destination.list(SIGNAL), /more than 100000 backups|does not end/, 'nor is one without limits');
  s3.listing = undefined;
  const wrongKey = await openDestination(url, await settings({ 'secret-access-key': 'other' }));
  await t.rejects(wrongKey.list(SIGNAL), /answers with 403: SignatureDoesNotMatch/);
  const untrusted = await openDestination(url, await settings({ 'ca-file': `${pki.directory}/front-proxy-ca.crt` }));
  await t.rejects(untrusted.list(SIGNAL), /certificate/);
  await t.rejects((await openDestination('s3://none/x', await settings())).list(SIGNAL), /NoSuchBucket/);
  await t.rejects(openDestination(url, await settings({ endpoint: 'ftp://x' })), /endpoint must be a URL/);
  t.strictSame(
    (await readdir(os.tmpdir())).filter((name) => /^kedge-backup-\w{6}$/.test(name)),
    [],
    'no file of a transfer is left',
  );
});
