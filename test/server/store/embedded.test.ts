import { mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { test, type Test } from 'tap';
import { openDataDirectory } from '../../../control-plane/store/embedded/data-directory.ts';
import {
  EmbeddedStore,
  openEmbeddedStore,
  type EmbeddedStoreOptions,
} from '../../../control-plane/store/embedded/embedded-store.ts';
import { StoreUnavailableError } from '../../../control-plane/store/store.ts';
import { eventually } from '../../support/wait.ts';
import { collect } from '../../support/store-events.ts';
import { storeContract } from './contract.ts';

storeContract('embedded', async (t, options) => {
  const path = await directory(t);
  const dataDirectory = await openDataDirectory(path);
  let store = new EmbeddedStore(dataDirectory, { path, compaction: false, ...options });
  t.teardown(() => store.close());
  return {
    store,
    /** Commits never finish. */
    stall: () => {
      const { log } = dataDirectory;
      const finished = Promise.withResolvers<void>();
      const commit = log.commit.bind(log);
      log.commit = async (...batch) => {
        await finished.promise;
        await commit(...batch);
      };
      return { resume: finished.resolve };
    },
    reopen: async () => {
      await store.close();
      store = await openEmbeddedStore({ path, compaction: false });
      return store;
    },
  };
});

test('during compaction, writes, lists and watches stay correct', async (t) => {
  const store = await openEmbeddedStore({ path: await directory(t), compaction: false });
  t.teardown(() => store.close());
  for (let i = 0; i < 3000; i++) void store.put(`/m/${i % 500}`, Buffer.from(`${i}`));
  await store.put('/m/last', Buffer.from('x'));
  const at = store.revision;
  const expected = (await store.list('/m/', { revision: at })).items;
  const { events } = collect(t, store, '/m/', at - 2500);
  const [, listed] = await Promise.all([
    store.compact(at),
    store.list('/m/', { revision: at }),
    ...Array.from({ length: 500 }, (_, i) => store.put(`/m/${i}`, Buffer.from('new'))),
  ]);
  t.same(listed.items, expected);
  while (events.length < 3000) await nextTurn();
  t.same(
    events.map((event) => event.revision),
    Array.from({ length: 3000 }, (_, i) => at - 2500 + 1 + i),
  );
});

test('1,000 concurrent writers share a few flushes', async (t) => {
  const store = await openEmbeddedStore({ path: await directory(t) });
  t.teardown(() => store.close());
  const revisions = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => store.put(`/p/${i}`, Buffer.alloc(2700, 'x'))),
  );
  t.same(
    revisions,
    Array.from({ length: 1000 }, (_, i) => i + 1),
  );
  t.ok(store.commits <= 5, `${store.commits} commits`);
  let written = 0;
  const before = store.commits;
  await Promise.all(
    Array.from({ length: 1000 }, async (_, i) => {
      for (let round = 0; round < 5; round++) {
        await store.put(`/p/${i}`, Buffer.alloc(2700, 'y'));
        written++;
      }
    }),
  );
  t.ok(written / (store.commits - before) >= 100, `${written} writes in ${store.commits - before} commits`);
});

test('a store whose latest write was a delete that has been compacted opens again, at its revision', async (t) => {
  const path = await directory(t);
  let store = await openEmbeddedStore({ path, compaction: false });
  const key = (name: string): string => `/registry/configmaps/default/${name}`;
  await store.put(key('kept'), Buffer.from('1'), { revision: 0 });
  const revision = await store.put(key('gone'), Buffer.from('2'), { revision: 0 });
  await store.delete(key('gone'), { revision });
  const latest = store.revision;
  await store.compact(latest);
  await store.close();
  store = await openEmbeddedStore({ path, compaction: false });
  t.equal(store.revision, latest, 'revisions never go back');
  const { items } = await store.list('/registry/');
  t.strictSame(
    items.map((item) => item.key),
    [key('kept')],
  );
  t.equal(await store.put(key('next'), Buffer.from('3'), { revision: 0 }), latest + 1);
  await store.close();
});

test('history is compacted once it is old enough', async (t) => {
  const store = await openEmbeddedStore({ path: await directory(t), compaction: { keepMilliseconds: 100 } });
  t.teardown(() => store.close());
  for (let i = 0; i < 50; i++) await store.put('/k', Buffer.from(`${i}`));
  await eventually('the history to be compacted', () => store.compactedRevision >= 50);
  t.equal((await store.get('/k'))?.value.toString(), '49');
});

test('excess history is compacted whatever its age, and the file is reused instead of growing', async (t) => {
  const path = await directory(t);
  const store = await openEmbeddedStore({ path, compaction: { keepRevisions: 500 } });
  t.teardown(() => store.close());
  const round = async (): Promise<number> => {
    for (let i = 0; i < 20; i++) {
      await Promise.all(Array.from({ length: 100 }, (_, j) => store.put(`/k/${j}`, Buffer.alloc(3000, `${i}`))));
    }
    return (await stat(join(path, 'data.mdb'))).size;
  };
  await round();
  const settled = await round();
  for (let i = 0; i < 5; i++) await round();
  t.ok((await stat(join(path, 'data.mdb'))).size < settled * 1.5);
  t.ok(store.revision - store.compactedRevision < 1500);
});

test('a mostly free data file is rewritten during reads and writes without losing writes', async (t) => {
  const path = await directory(t);
  const file = join(path, 'data.mdb');
  let store = await openEmbeddedStore({ path, compaction: false, fileCompaction: { fromBytes: 2 ** 20, maxUse: 0.4 } });
  t.teardown(() => store.close());
  await Promise.all(Array.from({ length: 1500 }, (_, i) => store.put(`/k/${i}`, Buffer.alloc(3000, 'x'))));
  await Promise.all(Array.from({ length: 1400 }, (_, i) => store.delete(`/k/${i}`)));
  const { events, stop } = collect(t, store, '/', store.revision);
  const before = (await stat(file)).size;
  const compacted = store.compact(store.revision);
  const written: string[] = [];
  while ((await stat(file)).size > before / 2) {
    const key = `/w/${written.length}`;
    await store.put(key, Buffer.from(key));
    written.push(key);
    t.equal((await store.get('/k/1499'))?.value.length, 3000);
  }
  await compacted;
  const { revision } = store;
  t.same(
    events.map(({ key }) => key),
    written,
  );
  stop();
  await store.close();
  t.strictSame(
    (await readdir(path)).filter((name) => name.startsWith('compacted-')).length,
    1,
    'the temporary directory',
  );

  store = await openEmbeddedStore({ path, compaction: false });
  t.equal(store.revision, revision);
  t.equal((await store.list('/k/')).items.length, 100);
  t.same((await store.list('/w/')).items.map(({ key }) => key).sort(), written.toSorted());
  t.same(
    (await readdir(path)).filter((name) => name.startsWith('compacted-')),
    [],
    'leftovers are removed at the next start',
  );
});

test('a rewritten data file without later writes can be opened', async (t) => {
  const path = await directory(t);
  let store = await openEmbeddedStore({ path, compaction: false, fileCompaction: { fromBytes: 1, maxUse: 0.4 } });
  t.teardown(() => store.close());
  for (let i = 0; i < 300; i++) await store.put('/k', Buffer.alloc(3000, `${i % 10}`));
  const before = (await stat(join(path, 'data.mdb'))).size;
  await store.compact(store.revision);
  await eventually('a smaller data file', async () => (await stat(join(path, 'data.mdb'))).size < before);
  await store.close();
  store = await openEmbeddedStore({ path, compaction: false });
  t.equal((await store.get('/k'))?.value.toString(), '9'.repeat(3000));
});

test('a directory is locked by one process, and unlocked when that is killed', async (t) => {
  const path = await directory(t);
  const child = spawn(process.execPath, [new URL('crash-writer.ts', import.meta.url).pathname, path, '0', '16'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  child.stdout.resume();
  const inUse = { name: 'StoreUnavailableError', message: new RegExp(`in use by process ${child.pid}:`) };
  for (let i = 0; i < 10; i++) await t.rejects(openEmbeddedStore({ path }), inUse);
  // A store in use is never repaired, whatever its state: its process would lose later writes.
  child.kill('SIGSTOP');
  const data = join(path, 'data.mdb');
  const whole = await readFile(data);
  await truncate(data, whole.length / 2);
  await t.rejects(openEmbeddedStore({ path }), inUse);
  t.equal((await stat(data)).size, whole.length / 2);
  await writeFile(data, whole);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const store = await openEmbeddedStore({ path });
  t.ok(store.revision > 0);
  await t.rejects(openEmbeddedStore({ path }), { message: /open in this process already/ });
  await store.put('/still', Buffer.from('here'));
  await store.close();
});

test('a corrupt, truncated or empty data file is reported at open, or at the read that finds it', async (t) => {
  const options: EmbeddedStoreOptions = { path: await directory(t) };
  const data = join(options.path, 'data.mdb');
  const store = await openEmbeddedStore(options);
  for (let i = 0; i < 500; i++) void store.put(`/d/${i}`, Buffer.alloc(3000, 'd'));
  await store.put('/d/last', Buffer.from('last'));
  await store.close();
  const whole = await readFile(data);
  const damaged = { name: 'StoreUnavailableError', message: /is damaged: .*backup/ };

  for (const part of [0.9, 0.5, 0.1, 0.01]) {
    await writeFile(data, whole);
    await truncate(data, Math.floor(whole.length * part));
    await t.rejects(openEmbeddedStore(options), damaged, `${part * 100} % of the file`);
  }
  await truncate(data, 0);
  await t.rejects(openEmbeddedStore(options), damaged, 'an empty file');
  await rm(data);
  await t.rejects(openEmbeddedStore(options), damaged, 'no file');
  await writeFile(data, Buffer.alloc(whole.length, 0xff));
  await t.rejects(openEmbeddedStore(options), damaged, 'garbage');

  await writeFile(data, whole);
  const at = whole.indexOf(Buffer.alloc(2000, 'd'));
  const file = await open(data, 'r+');
  await file.write(Buffer.from('DAMAGE'), 0, 6, at + 100);
  await file.close();
  const again = await openEmbeddedStore(options);
  t.teardown(() => again.close());
  await t.rejects(again.list('/d/'), { name: 'DamagedStoreError', message: /does not match what was written/ });
  t.equal((await again.get('/d/last'))?.value.toString(), 'last');
});

test('a store without its marker is rejected, unless nothing has been written yet', async (t) => {
  const options: EmbeddedStoreOptions = { path: await directory(t) };
  const marker = join(options.path, 'format');
  await (await openEmbeddedStore(options)).close();
  await rm(marker);
  const store = await openEmbeddedStore(options);
  t.match(await readFile(marker, 'utf8'), 'kedge-store', 'an interrupted first start continues');
  await store.put('/k', Buffer.from('v'));
  await store.close();
  await rm(marker);
  const refused = { name: 'StoreUnavailableError', message: /is damaged: its file "format" is gone.* backup/ };
  await t.rejects(openEmbeddedStore(options), refused);
  await t.rejects(openEmbeddedStore(options), refused, 'the attempt does not create it');
});

test('a closed store rejects calls', async (t) => {
  const store = await openEmbeddedStore({ path: await directory(t) });
  const last = store.put('/k', Buffer.from('v'));
  await Promise.all([store.close(), store.close()]);
  t.equal(await last, 1, 'close waits for earlier writes');
  await t.rejects(store.put('/k', Buffer.from('v')), StoreUnavailableError);
  await t.rejects(store.get('/k'), StoreUnavailableError);
});

async function directory(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'kedge-store-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}
