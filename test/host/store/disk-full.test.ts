import { execFile } from 'node:child_process';
import { mkdtemp, rm, rmdir, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test, type Test } from 'tap';
import { openEmbeddedStore } from '../../../control-plane/store/embedded/embedded-store.ts';
import { StoreUnavailableError, type Store } from '../../../control-plane/store/store.ts';
import { eventually } from '../../support/wait.ts';
import { collect } from '../../support/store-events.ts';

const run = promisify(execFile);
const value = Buffer.alloc(20_000, 'v');

test('full disk: writes are rejected with a message, reads and watches continue, and writes work again with free space', async (t) => {
  const disk = await mountDisk(t, 'tmpfs', ['-t', 'tmpfs', '-o', 'size=64m', 'kedge-store-test']);
  if (!disk) return;
  const path = join(disk, 'store');
  const filler = join(disk, 'filler');
  await writeFile(filler, Buffer.alloc(20 * 2 ** 20));
  const logged: string[] = [];
  const log = ({ err }: { err?: unknown }, message: string): void =>
    void logged.push(err instanceof Error ? `${message}: ${err.message}` : message);
  let store = await openEmbeddedStore({
    path,
    logger: { debug: log, info: log, warn: log, error: log },
    compaction: false,
  });
  t.teardown(() => store.close());
  const { events, stop } = collect(t, store, '/', 0);

  const { acknowledged, refused } = await writeUntilRefused(store);
  t.ok(refused.every((error) => error instanceof StoreUnavailableError));
  t.match(refused[0], { message: /^the disk of .*store is full: free at least \d+ MiB/ });
  t.equal(store.revision, acknowledged.length, 'nothing counts but what was acknowledged');
  t.same(
    events.map((event) => event.key),
    acknowledged,
  );
  t.same((await store.list('/')).items.map((item) => item.key).sort(), [...acknowledged].sort());
  await t.rejects(store.put('/more', value), StoreUnavailableError);
  t.ok(await store.get(acknowledged[0] ?? ''));

  await writeFile(`${filler}2`, Buffer.alloc(2 ** 26)).catch(() => undefined);
  t.equal((await statfs(disk)).bfree, 0, 'no free block is left');
  await t.rejects(store.delete(acknowledged[0] ?? ''), StoreUnavailableError);
  await t.rejects(store.put('/more', value), StoreUnavailableError);
  stop();
  await store.close();
  store = await openEmbeddedStore({
    path,
    logger: { debug: log, info: log, warn: log, error: log },
    compaction: false,
  });
  t.equal(store.revision, acknowledged.length, 'it opens on a full disk');
  t.ok((await store.get(acknowledged[3] ?? ''))?.value.equals(value));
  await t.rejects(store.put('/more', value), StoreUnavailableError);

  await Promise.all([rm(filler), rm(`${filler}2`)]);
  t.equal(await store.put('/more', value), acknowledged.length + 1, 'revisions go on without a gap');
  t.equal(
    logged.filter((message) => message.includes('is full')).length,
    3,
    'logged when it begins, not for each write',
  );
  t.equal(logged.filter((message) => message.includes('writable again')).length, 2);
});

test('failing fsync: unflushed writes are rejected and absent', async (t) => {
  // A file system in a file on a disk that is too small for it: its writes go well, and its flushes fail.
  const outer = await mountDisk(t, 'outer', ['-t', 'tmpfs', '-o', 'size=24m', 'kedge-store-test']);
  if (!outer) return;
  const image = join(outer, 'image');
  await run('truncate', ['-s', '100M', image]);
  await run('mkfs.ext4', ['-q', '-E', 'nodiscard', image]);
  const disk = await mountDisk(t, 'inner', ['-o', 'loop,errors=continue', image]);
  if (!disk) return;
  const store = await openEmbeddedStore({ path: join(disk, 'store'), compaction: false });
  t.teardown(() => store.close());
  const { acknowledged, refused } = await writeUntilRefused(store);
  t.ok(refused.every((error) => error instanceof StoreUnavailableError));
  t.match(refused[0], { message: /failed to write to .*check the disk/ });
  t.equal(store.revision, acknowledged.length);
  t.same((await store.list('/')).items.map((item) => item.key).sort(), [...acknowledged].sort());
  const again = await eventually('the store to try the disk again', async () => {
    const error = await store.put('/more', value).then(
      () => new Error('it was written'),
      (reason: unknown) => reason,
    );
    return error !== refused.at(-1) && error;
  });
  t.type(again, StoreUnavailableError);
  t.ok(await store.get(acknowledged[0] ?? ''), 'reads go on');
});

async function writeUntilRefused(store: Store): Promise<{ acknowledged: string[]; refused: unknown[] }> {
  const acknowledged: string[] = [];
  const refused: unknown[] = [];
  // Many at once, and one by one when so many have no room any more.
  for (const writers of [50, 1]) {
    const before = refused.length;
    for (let round = 0; refused.length === before; round++) {
      await Promise.all(
        Array.from({ length: writers }, (_, i) => {
          const key = `/k/${writers}/${round}/${i}`;
          return store.put(key, value).then(
            () => acknowledged.push(key),
            (error: unknown) => refused.push(error),
          );
        }),
      );
    }
  }
  return { acknowledged, refused };
}

/** Mounts what the arguments say on a directory of its own; undefined, and the test skipped, where that is not allowed. */
async function mountDisk(t: Test, name: string, mountArguments: readonly string[]): Promise<string | undefined> {
  const path = await mkdtemp(join(tmpdir(), `kedge-store-${name}-`));
  try {
    await run('mount', [...mountArguments, path]);
  } catch (error) {
    await rmdir(path);
    t.pass('', { skip: `this needs to mount a small disk: ${error instanceof Error ? error.message : String(error)}` });
    return undefined;
  }
  t.teardown(async () => {
    await run('umount', [path]);
    await rmdir(path);
  });
  return path;
}
