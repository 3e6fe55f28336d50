/** The api-server over a store in another process: slow, failing, and shared with another api-server. */
import t from 'tap';
import { eventually } from '../../support/wait.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { secrets } from '../../../api/kinds/core/secret.ts';
import type { StoredValue } from '../../../control-plane/store/store.ts';
import { RemoteServer, RemoteStore } from '../store/remote-store.ts';
import { configMap, CONFIG_MAPS, take, TestServer, type WatchEvent } from './server.ts';

t.setTimeout(120_000);

const MERGE = 'application/merge-patch+json';
const KEY = '/registry/core/configmaps/default/';

const start = (remote: RemoteServer, callLimitMs?: number): Promise<TestServer> =>
  TestServer.start({ store: new RemoteStore(remote, callLimitMs) });

const dataOf = ({ object }: WatchEvent): unknown => (object.data as { k: string } | undefined)?.k;
const revisionOf = ({ object }: WatchEvent): number => Number(object.metadata.resourceVersion);

/** Changes an object as another api-server would. */
function rewrite(remote: RemoteServer, name: string, value: string): number {
  const { value: bytes } = remote.at(KEY + name, remote.revision) as StoredValue;
  return remote.write(KEY + name, Buffer.from(bytes.toString().replace(/"k":"[^"]*"/, `"k":"${value}"`)), undefined);
}

t.test("watchers see every change once, in order, however often the store's watch breaks", async (t) => {
  const remote = new RemoteServer();
  await using server = await start(remote);
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  const events = server.watch(`${CONFIG_MAPS}?watch=1&resourceVersion=${remote.revision}`);
  const written: [string, number][] = [];
  const writing = (async () => {
    for (let i = 0; i < 30; i++) {
      written.push([`${i}`, rewrite(remote, 'a', `${i}`)]);
      if (i % 3 === 0) remote.disconnect();
      if (i % 5 === 4)
        await eventually('the cache to be up to date', () => server.core.registry.revision === remote.revision);
      else await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const seen = await take(events, 30);
  await writing;
  t.strictSame(
    seen.map((event) => [dataOf(event), revisionOf(event)]),
    written,
  );
});

t.test('after compaction the server relists, and its watches end', async (t) => {
  const remote = new RemoteServer();
  await using server = await start(remote);
  for (const name of ['kept', 'changed', 'deleted']) await server.call('POST', CONFIG_MAPS, { body: configMap(name) });
  const told: string[] = [];
  server.core.api.subscribe(configMaps, ({ name, object }) => told.push(`${name}:${object?.data?.k}`));
  t.strictSame(told.splice(0).sort(), ['changed:v', 'deleted:v', 'kept:v']);
  const before = remote.revision;
  const watching = take(server.watch(`${CONFIG_MAPS}?watch=1&resourceVersion=${before}`), 3);
  const first = rewrite(remote, 'kept', 'v1');
  await eventually('the cache to be up to date', () => server.core.registry.revision === first);

  remote.disconnect();
  rewrite(remote, 'changed', 'v2');
  remote.write(`${KEY}deleted`, undefined, undefined);
  const last = rewrite(remote, 'changed', 'v3');
  remote.compact(last);

  const events = await watching;
  t.strictSame(
    events.map(({ type }) => type),
    ['MODIFIED', 'ERROR'],
    'the watch ends after that',
  );
  t.match(events[1]?.object, { kind: 'Status', code: 410, reason: 'Expired' });
  t.equal(server.core.registry.revision, last);
  t.strictSame(told, ['kept:v1', 'deleted:undefined', 'changed:v3'], 'internal subscribers get the differences');
  const list = await server.call('GET', CONFIG_MAPS);
  t.strictSame(
    list.body.items?.map(({ metadata }) => metadata?.name),
    ['changed', 'kept'],
  );
  t.match((await take(server.watch(`${CONFIG_MAPS}?watch=1&resourceVersion=${first}`), 1))[0], {
    type: 'ERROR',
    object: { code: 410 },
  });
  const resumed = server.watch(`${CONFIG_MAPS}?watch=1&resourceVersion=${last}`);
  const next = rewrite(remote, 'kept', 'v4');
  t.equal((await take(resumed, 1)).map(revisionOf)[0], next);
});

t.test('a list restarts when its revision is compacted between two pages', async (t) => {
  const remote = new RemoteServer();
  {
    await using server = await start(remote);
    await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  }
  const { value } = remote.at(`${KEY}a`, remote.revision) as StoredValue;
  for (let i = 0; i < 2500; i++) remote.write(`${KEY}x${i}`, value, 0);
  const starting = start(remote);
  let changes = 0;
  const changing = (async () => {
    for (; changes < 8; changes++) {
      await new Promise((resolve) => setImmediate(resolve));
      rewrite(remote, 'a', `${changes}`);
      remote.compact(remote.revision);
    }
  })();
  await using server = await starting;
  await changing;
  t.equal((await server.call('GET', `${CONFIG_MAPS}/a`)).body.data !== undefined, true);
  t.equal((await server.call('GET', CONFIG_MAPS)).body.items?.length, 2501);
});

t.test('a kind added during a store outage, compaction and writes is served with all stored objects', async (t) => {
  const remote = new RemoteServer();
  const secretKey = (i: number): string => `/registry/core/secrets/default/s${i}`;
  const stored = (name: string): Buffer =>
    Buffer.from(JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'default' } }));
  await using server = await TestServer.start({ store: new RemoteStore(remote), kinds: [namespaces, configMaps] });
  for (let i = 0; i < 1500; i++) remote.write(secretKey(i), stored(`s${i}`), 0);
  const { registry } = server.core;
  for (let round = 0; round < 8; round++) {
    const adding = registry.add(secrets);
    for (let i = 0; i < 12; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      remote.write(secretKey(i + round), stored(`s${i + round}`), undefined);
      if (i % 3 === round % 3) remote.disconnect();
      if (i % 4 === round % 4) remote.compact(remote.revision);
    }
    remote.write(secretKey(1000 + round), undefined, undefined);
    await adding;
    const { cache } = registry.of(secrets);
    await eventually('the caches to be up to date', () => registry.revision === remote.revision);
    const kept = remote.list('/registry/core/secrets/', {}).items;
    t.equal(cache.size, kept.length);
    const wrong = kept.filter(
      ({ key, revision }) => cache.get('default', key.slice(key.lastIndexOf('/') + 1))?.revision !== revision,
    );
    t.strictSame(wrong, []);
    registry.remove(secrets);
  }
});

t.test('a write through one server is visible on the other', async (t) => {
  const remote = new RemoteServer();
  await using one = await start(remote);
  await using other = await start(remote);
  for (let i = 0; i < 10; i++) {
    const object = `${CONFIG_MAPS}/o${i}`;
    t.equal((await one.call('POST', CONFIG_MAPS, { body: configMap(`o${i}`) })).status, 201);
    t.equal((await other.call('GET', object)).status, 200);
    const patch = (server: TestServer, k: string) =>
      server.call('PATCH', object, { type: MERGE, body: { data: { k } } });
    t.equal((await other.call('GET', CONFIG_MAPS)).body.items?.length, 1);
    t.match((await patch(other, 'other')).body, { data: { k: 'other' } });
    const read = await one.call('GET', object);
    t.match(read.body, { data: { k: 'other' } });
    const put = await other.call('PUT', object, { body: read.body });
    t.equal(put.status, 200, 'a revision from one server is not stale on the other');
    const patched = await Promise.all([patch(one, 'a'), patch(other, 'b')]);
    t.strictSame(
      patched.map(({ status }) => status),
      [200, 200],
    );
    t.equal((await one.call('DELETE', object)).status, 200);
    t.equal((await other.call('DELETE', object)).status, 404);
    t.equal((await other.call('GET', object)).status, 404);
    t.equal((await other.call('POST', CONFIG_MAPS, { body: configMap(`o${i}`) })).status, 201);
    t.equal((await one.call('DELETE', object)).status, 200);
  }
});

t.test('an unavailable or unresponsive store yields errors and fails the readiness check', async (t) => {
  const remote = new RemoteServer();
  await using server = await start(remote, 300);
  server.server.setReady();
  const create = (name: string) => server.call('POST', CONFIG_MAPS, { body: configMap(name) });
  const readyz = async () => (await server.call('GET', '/readyz')).status;
  t.equal(await readyz(), 200);
  remote.goOffline();
  t.match(await create('a'), { status: 503, body: { reason: 'ServiceUnavailable' } });
  t.match(await server.call('GET', CONFIG_MAPS), { status: 503 });
  t.match(await server.call('GET', `${CONFIG_MAPS}?resourceVersion=0`), { status: 200 }, 'served from the cache');
  await eventually('the server not to be ready', async () => (await readyz()) === 500);
  remote.comeBack();
  await eventually('the server to be ready', async () => (await readyz()) === 200);
  t.equal((await create('a')).status, 201);

  remote.isSilent = true;
  t.match(await create('b'), { status: 504, body: { reason: 'Timeout' } });
  await eventually('the server not to be ready again', async () => (await readyz()) === 500);
  remote.comeBack();
  await eventually('the server to be ready again', async () => (await readyz()) === 200);
  t.equal((await create('b')).status, 409, 'the write had taken place');
  t.equal((await server.call('GET', CONFIG_MAPS)).body.items?.length, 2);
});
