/** The store on an etcd that is killed, frozen, full, compacted, or another one. */
import t, { type Test } from 'tap';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import {
  CompactedError,
  ConflictError,
  StoreRefusedError,
  StoreTimeoutError,
  StoreUnavailableError,
  WatchInterruptedError,
  type Store,
  type StoreEvent,
} from '../../../control-plane/store/store.ts';
import { Etcd, openTestEtcd, type EtcdOptions } from '../../support/etcd.ts';
import { EtcdTls } from '../../support/etcd-tls.ts';
import { Log } from '../../support/log.ts';
import { collect } from '../../support/store-events.ts';
import { eventually } from '../../support/wait.ts';

t.setTimeout(240_000);

async function cluster(t: Test, size: number, options?: EtcdOptions): Promise<Etcd[]> {
  const members = await Etcd.cluster(size, options);
  t.teardown(() => Promise.all(members.map((member) => member[Symbol.asyncDispose]())));
  return members;
}

async function storeOn(t: Test, members: readonly Etcd[], callLimitMs = 10_000): Promise<Store> {
  const store = await openTestEtcd(
    members.map(({ url }) => url),
    { callLimitMs },
  );
  t.teardown(() => store.close());
  return store;
}

/** What writers were told, and what a watcher that resumes has seen. */
class History {
  readonly acknowledged = new Map<number, string>();
  readonly unknown = new Set<string>();
  readonly events: StoreEvent[] = [];
  position = 0;
  interruptions = 0;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>[] = [];

  /** Writes values that nobody else writes, by compare-and-write. */
  write(store: Store, name: string): void {
    this.#running.push(this.#write(store, name));
  }

  async #write(store: Store, name: string): Promise<void> {
    for (let i = 0; !this.#stopping.signal.aborted; i++) {
      const value = `${name}-${i}`;
      const key = `/h/${i % 7}`;
      try {
        const current = await store.get(key);
        const revision = await store.put(key, Buffer.from(value), { revision: current?.revision ?? 0 });
        this.acknowledged.set(revision, value);
      } catch (error) {
        if (error instanceof StoreTimeoutError) this.unknown.add(value);
        else if (!(error instanceof ConflictError || error instanceof StoreUnavailableError)) throw error;
      }
    }
  }

  /** Watches as the registry does: it resumes from the last batch. */
  watch(store: Store): void {
    this.#running.push(this.#watch(store));
  }

  async #watch(store: Store): Promise<void> {
    const { signal } = this.#stopping;
    const onBatch = ({ events, revision }: { events: readonly StoreEvent[]; revision: number }): void => {
      this.events.push(...events);
      this.position = revision;
    };
    while (!signal.aborted) {
      try {
        await store.watch('/h/', this.position, onBatch, { signal });
      } catch (error) {
        if (!(error instanceof WatchInterruptedError)) throw error;
        this.interruptions++;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  check(t: Test): void {
    const revisions = this.events.map(({ revision }) => revision);
    t.strictSame(
      revisions,
      [...new Set(revisions)].sort((a, b) => a - b),
      'events once, in order',
    );
    const told = new Map(this.events.map(({ revision, value }) => [revision, value.toString()]));
    const lost = [...this.acknowledged].filter(([revision, value]) => told.get(revision) !== value);
    t.strictSame(lost, [], 'no acknowledged write is lost');
    const values = new Set(this.acknowledged.values());
    const strange = [...told.values()].filter((value) => !values.has(value) && !this.unknown.has(value));
    t.strictSame(strange, [], 'what was refused is not there');
  }

  async grow(by: number): Promise<void> {
    const size = this.acknowledged.size + by;
    await eventually('more writes', () => this.acknowledged.size >= size);
  }
}

t.test('etcd is killed and restarted while it is written to: no acknowledged write and no event is lost', async (t) => {
  const [etcd] = await cluster(t, 1);
  if (!etcd) return;
  const stores = [await storeOn(t, [etcd], 2000), await storeOn(t, [etcd], 2000)];
  const history = new History();
  for (const [index, store] of stores.entries()) history.write(store, `w${index}`);
  history.watch(stores[0] as Store);
  for (let round = 0; round < 3; round++) {
    await history.grow(100);
    await etcd.kill();
    await etcd.run();
  }
  await history.grow(100);
  await history.stop();
  const last = await (stores[0] as Store).latestRevision();
  const rest = collect(t, stores[0] as Store, '/h/', history.position);
  await eventually('the rest of the events', () => rest.revision >= last);
  history.events.push(...rest.events);
  t.ok(history.interruptions >= 3);
  history.check(t);
});

t.test('of three members the one in use is frozen, then another is killed: calls go to the others', async (t) => {
  const members = await cluster(t, 3);
  const [first, second] = members;
  if (!first || !second) return;
  const store = await storeOn(t, members, 6000);
  const history = new History();
  history.write(store, 'w');
  history.watch(store);
  await history.grow(50);
  first.freeze();
  await history.grow(50);
  first.thaw();
  await history.grow(50);
  await second.kill();
  await history.grow(50);
  await second.run();
  await history.stop();
  const last = await store.latestRevision();
  const rest = collect(t, store, '/h/', history.position);
  await eventually('the rest of the events', () => rest.revision >= last);
  history.events.push(...rest.events);
  history.check(t);
});

t.test('a frozen etcd interrupts watches and calls within their limit', async (t) => {
  const [etcd] = await cluster(t, 1);
  if (!etcd) return;
  const store = await storeOn(t, [etcd]);
  const written = await store.put('/k', Buffer.from('1'));
  const watch = collect(t, store, '/', written);
  const interrupted = t.rejects(watch.ended, WatchInterruptedError);
  await eventually('the watch to be there', async () => {
    await store.put('/k', Buffer.from('2'));
    return watch.events.length > 0;
  });
  etcd.freeze();
  const frozenAt = performance.now();
  await Promise.all([interrupted, t.rejects(store.put('/k', Buffer.from('3')), StoreTimeoutError)]);
  t.ok(performance.now() - frozenAt < 11_000);
  etcd.thaw();
  await eventually('etcd to serve again', () => store.put('/k', Buffer.from('4')));
});

t.test('an etcd whose quota is used up refuses writes in its own words, and serves reads and deletions', async (t) => {
  const [etcd] = await cluster(t, 1, { arguments: ['--quota-backend-bytes', String(16 * 2 ** 20)] });
  if (!etcd) return;
  const store = await storeOn(t, [etcd]);
  await t.rejects(store.put('/k', Buffer.alloc(1.8 * 2 ** 20)), { message: 'etcdserver: request is too large' });
  const large = Buffer.alloc(1_000_000, 'x');
  let writes = 0;
  const refusal = await eventually('the quota to be used up', async () => {
    try {
      await store.put(`/k/${writes}`, large);
      writes++;
      return undefined;
    } catch (error) {
      return error as Error;
    }
  });
  t.type(refusal, StoreRefusedError);
  t.equal(refusal.message, 'etcdserver: mvcc: database space exceeded');
  // The write that uses it up may have been carried out all the same, as etcd has it.
  const { length } = (await store.list('/k/')).items;
  t.ok(length === writes || length === writes + 1, `${length} objects of ${writes} writes`);
  t.type(await store.delete('/k/0'), 'number');
});

t.test('history compacted by others ends the watches that are behind, and old lists', async (t) => {
  const [etcd] = await cluster(t, 1);
  if (!etcd) return;
  const [store, other] = [await storeOn(t, [etcd]), await storeOn(t, [etcd])];
  const first = await store.put('/k', Buffer.from('1'));
  const before = collect(t, store, '/', first);
  for (let i = 0; i < 10; i++) await store.put('/k', Buffer.from(`${i}`));
  const last = await store.latestRevision();
  await eventually('a watch to have caught up', () => before.revision >= last);
  await other.compact(last);
  await t.rejects(
    store.watch('/', first, () => undefined),
    CompactedError,
  );
  await t.rejects(store.list('/', { revision: first }), CompactedError);
  const written = await other.put('/k', Buffer.from('x'));
  await eventually('a watch that is not behind to go on', () => before.revision >= written);
  t.equal(before.events.length, 11);
});

t.test('values with a time to live are deleted by etcd', async (t) => {
  const [etcd] = await cluster(t, 1);
  if (!etcd) return;
  const store = await storeOn(t, [etcd]);
  const watch = collect(t, store, '/', 0);
  await store.put('/kept', Buffer.from('x'));
  await Promise.all([1, 2].map((i) => store.put(`/short/${i}`, Buffer.from('x'), { ttlMs: 1000 })));
  await eventually('both to be deleted', () => watch.events.filter(({ type }) => type === 'delete').length === 2);
  t.strictSame(
    (await store.list('/')).items.map(({ key }) => key),
    ['/kept'],
  );
});

t.test('an etcd that has been emptied, and one of another cluster, are not taken for the one before', async (t) => {
  const [etcd] = await cluster(t, 1);
  const [stranger] = await cluster(t, 1);
  if (!etcd || !stranger) return;
  await t.rejects(openTestEtcd([etcd.url, stranger.url]), {
    name: 'StoreUnavailableError',
    message: /is of another cluster/,
  });
  const store = await storeOn(t, [etcd]);
  for (let i = 0; i < 10; i++) await store.put('/k', Buffer.from(`${i}`));
  await etcd.kill();
  await rm(`${etcd.directory}/data`, { recursive: true });
  await etcd.run();
  await t.rejects(store.get('/k'), { name: 'StoreUnavailableError', message: /has gone back from revision/ });
  await t.rejects(store.put('/k', Buffer.from('x')), { name: 'StoreUnavailableError' });
  await t.rejects(
    store.watch('/', 1, () => undefined),
    { name: 'StoreUnavailableError' },
  );
});

t.test('a store that is opened while the members have no leader waits for one', async (t) => {
  const members = await cluster(t, 3);
  const [first, second, third] = members;
  if (!first || !second || !third) return;
  await Promise.all([second.kill(), third.kill()]);
  await eventually('the leader to be gone', async () => !(await first.hasLeader()));
  const logger = new Log();
  const opened = openTestEtcd(
    members.map(({ url }) => url),
    { logger, signal: AbortSignal.timeout(60_000) },
  );
  await eventually('it to wait', () =>
    logger.shown.includes('info: waiting for the members of etcd to elect a leader'),
  );
  await second.run();
  const store = await opened;
  t.teardown(() => store.close());
  t.ok((await store.put('/registry/k', Buffer.from('x'))) > 0);
});

t.test('over TLS, members and clients show certificates to each other, and what is wrong is said', async (t) => {
  const tls = await EtcdTls.create();
  t.teardown(() => tls[Symbol.asyncDispose]());
  const [etcd] = await cluster(t, 1, { scheme: 'https', arguments: tls.arguments });
  if (!etcd) return;
  const store = await openTestEtcd([etcd.url], tls.client);
  t.teardown(() => store.close());
  await store.put('/registry/k', Buffer.from('x'));
  const none = { certFile: '', keyFile: '' };
  const cases: readonly (readonly [string, object, RegExp])[] = [
    [etcd.url, tls.stranger, /does not accept this client's certificate/],
    [etcd.url, { ...tls.client, ...none }, /does not accept this client's certificate/],
    [etcd.url, { ...tls.client, caFile: '' }, /unable to verify the first certificate$/],
    [etcd.url.replace('127.0.0.1', 'localhost'), tls.client, /does not match certificate's altnames/],
    [etcd.url.replace('https', 'http'), tls.client, /does it expect https\?$/],
    [etcd.url, { ...tls.client, certFile: '/etc/hostname' }, /credentials in .* cannot be used/],
  ];
  for (const [url, files, message] of cases)
    await t.rejects(openTestEtcd([url], files), { name: 'StoreUnavailableError', message });
  const etcdctl = spawn(
    'etcdctl',
    [
      ...['--endpoints', etcd.url, '--cacert', tls.client.caFile],
      ...['--cert', tls.client.certFile, '--key', tls.client.keyFile, 'get', '/registry/k', '--print-value-only'],
    ],
    { env: { ...process.env, ETCDCTL_API: '3' }, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const printed: Buffer[] = [];
  etcdctl.stdout.on('data', (chunk: Buffer) => printed.push(chunk));
  await once(etcdctl, 'close');
  t.equal(Buffer.concat(printed).toString(), 'x\n', 'etcdctl reads it');
});
