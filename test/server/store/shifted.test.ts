/** A store whose revisions are higher than those of the one below keeps the contract of every store. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openDataDirectory } from '../../../control-plane/store/embedded/data-directory.ts';
import { EmbeddedStore, openEmbeddedStore } from '../../../control-plane/store/embedded/embedded-store.ts';
import { ShiftedStore } from '../../../control-plane/store/etcd/shifted-store.ts';
import { CompactedError, ConflictError } from '../../../control-plane/store/store.ts';
import { storeContract } from './contract.ts';

const OFFSET = 1_000_000_000;

async function folder(t: Test): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'kedge-shifted-'));
  t.teardown(() => rm(made, { recursive: true, force: true }));
  return made;
}

/** What the contract's tests call revision 0 is the beginning, which here is not compacted only as what it is. */
class FromTheStart extends ShiftedStore {
  override watch(...[prefix, after, ...rest]: Parameters<ShiftedStore['watch']>): Promise<void> {
    return super.watch(prefix, after === 0 ? OFFSET + 1 : after, ...rest);
  }
}

storeContract('shifted', async (t, options) => {
  const path = await folder(t);
  const directory = await openDataDirectory(path);
  // As etcd, which begins at 1.
  await directory.log.commit([], { compactedRevision: 1, revisions: [] });
  let store = new EmbeddedStore(directory, {
    ...{ path, compaction: false },
    ...(options?.callLimitMs && { callLimitMs: options.callLimitMs * 4 }),
  });
  t.teardown(() => store.close());
  return {
    store: new FromTheStart(store, OFFSET),
    stall: () => {
      const { log } = directory;
      const finished = Promise.withResolvers<void>();
      const commit = log.commit.bind(log);
      log.commit = async (...batch) => {
        await finished.promise;
        return commit(...batch);
      };
      return {
        resume: () => {
          log.commit = commit;
          finished.resolve();
        },
      };
    },
    reopen: async () => {
      await store.close();
      store = await openEmbeddedStore({ path, compaction: false });
      return new FromTheStart(store, OFFSET);
    },
  };
});

t.test('revisions of before are compacted, and no precondition on one of them holds', async (t) => {
  const below = await openEmbeddedStore({ path: await folder(t), compaction: false });
  t.teardown(() => below.close());
  const store = new ShiftedStore(below, OFFSET);
  t.equal(await store.put('/a', Buffer.from('1'), { revision: 0 }), OFFSET + 1);
  for (const revision of [1, OFFSET - 1, OFFSET]) {
    await t.rejects(store.list('/', { revision }), CompactedError);
    await t.rejects(
      store.watch('/', revision, () => undefined),
      CompactedError,
    );
    await t.rejects(
      store.put('/a', Buffer.from('2'), { revision }),
      ConflictError,
      'also where the number below is right',
    );
    await t.rejects(store.delete('/a', { revision }), ConflictError);
  }
  t.equal((await store.get('/a'))?.revision, OFFSET + 1);
});

t.test(
  'an embedded store that is new begins after the revision that it is given, and an old one does not',
  async (t) => {
    const path = await folder(t);
    const open = (startRevision: number) => openEmbeddedStore({ path, compaction: false, startRevision });
    const first = await open(500);
    t.equal(first.latestRevision(), 500);
    await t.rejects(first.list('/', { revision: 499 }), CompactedError);
    t.equal(await first.put('/a', Buffer.from('1')), 501);
    await first.close();
    const again = await open(900);
    t.teardown(() => again.close());
    t.equal(again.latestRevision(), 501);
    t.equal((await again.get('/a'))?.revision, 501);
  },
);
