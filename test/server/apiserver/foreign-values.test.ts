/** Values that somebody else has put under the keys of objects: each is the problem of one object, and never of the server. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { apiVersionOf } from '../../../api/machinery/define-kind.ts';
import { kinds } from '../../../api/registry.ts';
import { ResourceCache } from '../../../control-plane/apiserver/storage/cache/resource-cache.ts';
import { NodePorts } from '../../../control-plane/apiserver/storage/allocation/node-ports.ts';
import type { Authorizer } from '../../../control-plane/apiserver/access/authorization/authorizer.ts';
import { openEmbeddedStore } from '../../../control-plane/store/embedded/embedded-store.ts';
import { encodeObject } from '../../support/protobuf-encoder.ts';
import { CONFIG_MAPS, configMap, TestServer } from './server.ts';

const PREFIX = '/registry/core/configmaps/';
const MAGIC = Buffer.from('k8s\0');

/** The object of a kind in the order of fields in which this server writes, and with fields of wrong types. */
const written = (kind: Kind, fields: object, metadata: object = {}): string =>
  JSON.stringify({ kind: kind.kind, apiVersion: apiVersionOf(kind), metadata: { name: 'x', ...metadata }, ...fields });

const UNDECODABLE: readonly (readonly [string, (kind: Kind) => Buffer | string])[] = [
  ['nothing', () => ''],
  ['a number', () => '5'],
  ['null', () => 'null'],
  ['a list', () => '[]'],
  ['no JSON', () => '{"metadata":{"name":"hunter2'],
  ['bytes', () => Buffer.from([0xff, 0xfe, 0])],
  ['no kind', () => '{"metadata":{"name":"x"}}'],
  ['another kind', () => '{"kind":"Widget","apiVersion":"v1","metadata":{"name":"x"}}'],
  [
    'metadata that are none',
    (kind) => JSON.stringify({ kind: kind.kind, apiVersion: apiVersionOf(kind), metadata: 5 }),
  ],
  ['labels that are none', (kind) => written(kind, {}, { labels: 5 })],
  ['owners that are none', (kind) => written(kind, {}, { ownerReferences: 'x' })],
  ['protobuf that ends', () => MAGIC],
  [
    'protobuf of another kind',
    () => encodeObject(configMaps.schema, { kind: 'Widget', apiVersion: 'v1', metadata: { name: 'x' } }),
  ],
];

t.test('for each kind, what is no object of it is noted, and whatever is one can be followed', async (t) => {
  const stored = kinds.filter((kind) => !kind.storedAs && kind.verbs.includes('get'));
  t.ok(stored.length > 50);
  for (const kind of stored) {
    const reported: string[] = [];
    const cache = new ResourceCache(kind, (key) => reported.push(key));
    cache.follow(({ entry }) => void JSON.parse(entry.bytes.toString()));
    const key = kind.namespaced ? 'default/x' : 'x';
    const name: readonly [string, string] = [kind.namespaced ? 'default' : '', 'x'];
    let revision = 0;
    const put = (value: Buffer | string): void =>
      cache.apply(key, { type: 'put', key, value: Buffer.from(value), revision: ++revision });
    for (const [what, of] of UNDECODABLE) {
      put(written(kind, {}));
      t.ok(cache.get(...name), `${kind.kind} before ${what}`);
      put(of(kind));
      t.equal(cache.get(...name), undefined, `${kind.kind}: ${what}`);
      const why = cache.unreadable(...name) ?? '';
      t.match(why, /^unable to decode what is stored for "/);
      t.notMatch(why, /hunter2/, 'nothing of the value is told');
    }
    t.equal(reported.length, UNDECODABLE.length);
    const fields = Object.keys(kind.schema.properties ?? {}).filter(
      (field) => !['kind', 'apiVersion', 'metadata'].includes(field),
    );
    const served = (): unknown => {
      const object = JSON.parse(cache.get(...name)?.bytes.toString() ?? 'null') as KubeObject;
      return { ...object, metadata: { ...object.metadata, resourceVersion: '' } };
    };
    put(written(kind, {}));
    const whole = served();
    for (const field of fields) {
      put(written(kind, { [field]: null }));
      t.strictSame(served(), whole, `${kind.kind}.${field} is as if it were not there when it is null`);
    }
    cache.apply(key, { type: 'delete', key, value: Buffer.alloc(0), revision: ++revision });
    t.equal(cache.unreadable(...name), undefined);
  }
});

t.test('a server starts with such values, and says which object it is', async (t) => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-foreign-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const store = await openEmbeddedStore({ path: directory, compaction: false });
  await store.put(`${PREFIX}default/five`, Buffer.from('5'));
  await store.put(`${PREFIX}other/good`, Buffer.from(written(configMaps, { data: { k: 'v' } }, { name: 'good' })));
  await store.put('/registry/core/services/default/spec', Buffer.from('{"kind":"Service","apiVersion":"v1","spec":7}'));
  await store.put('/registry/ranges/servicenodeports', MAGIC);
  await using server = await TestServer.start({ store });
  const why = `Internal error occurred: unable to decode what is stored for "default/five": it is no object`;
  const failed = { status: 500, body: { message: why } };
  t.match(await server.call('GET', `${CONFIG_MAPS}/five`), failed);
  t.match(await server.call('GET', CONFIG_MAPS), failed, 'a list is whole or an error');
  t.match(await server.call('PUT', `${CONFIG_MAPS}/five`, { body: configMap('five') }), failed);
  t.match(await server.call('POST', CONFIG_MAPS, { body: configMap('five') }), { status: 409 });
  t.equal((await server.call('POST', CONFIG_MAPS, { body: configMap('more') })).status, 201);
  t.match((await server.call('GET', '/api/v1/namespaces/other/configmaps')).body.items, [{ data: { k: 'v' } }]);
  await store.put(`${PREFIX}other/good`, Buffer.from('[]'));
  t.equal((await server.call('GET', '/api/v1/namespaces/other/configmaps/good')).status, 500, 'while it runs, too');
  await store.delete(`${PREFIX}other/good`);
  t.equal((await server.call('GET', '/api/v1/namespaces/other/configmaps/good')).status, 404);
});

t.test('what cannot be read is removed by whom may do so, and nothing else is that way', async (t) => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-foreign-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const store = await openEmbeddedStore({ path: directory, compaction: false });
  await store.put(`${PREFIX}default/five`, Buffer.from('5'));
  await store.put(`${PREFIX}default/good`, Buffer.from(written(configMaps, {}, { name: 'good' })));
  const asked: string[] = [];
  const authorizer: Authorizer = {
    authorize: ({ name }, { verb }) => {
      asked.push(`${name} ${verb}`);
      return { allowed: name !== 'deleter' || verb !== 'unsafe-delete-ignore-read-errors', reason: '' };
    },
  };
  await using server = await TestServer.start({ store, authorizer });
  const option = 'ignoreStoreReadErrorWithClusterBreakingPotential';
  const remove = (name: string, query = `?${option}=true`, more: object = {}) =>
    server.call('DELETE', `${CONFIG_MAPS}/${name}${query}`, more);
  t.equal((await remove('five', '')).status, 500, 'not without the option');
  t.equal((await remove('five', undefined, { user: 'deleter' })).status, 403, 'nor without the right');
  t.ok(asked.includes('deleter delete'), 'who has that of deleting');
  t.match(await remove('good'), { status: 422, body: { message: /exclusively used to delete corrupt object/ } });
  t.match(await remove('none'), { status: 404 });
  t.match(await server.call('DELETE', `${CONFIG_MAPS}?${option}=true`), { status: 400 });
  for (const other of ['dryRun=All', 'gracePeriodSeconds=0', 'propagationPolicy=Orphan'])
    t.match(await remove('five', `?${option}=true&${other}`), {
      status: 422,
      body: { message: /cannot be set together/ },
    });
  t.match(await remove('five', '', { body: { kind: 'DeleteOptions', apiVersion: 'v1', [option]: true } }), {
    status: 200,
    body: { status: 'Success', details: { name: 'five', kind: 'configmaps' } },
  });
  t.equal(await store.get(`${PREFIX}default/five`), undefined);
  t.match(await server.call('GET', CONFIG_MAPS), { status: 200, body: { items: [{ metadata: { name: 'good' } }] } });
  t.equal((await server.call('POST', CONFIG_MAPS, { body: configMap('five') })).status, 201);
});

t.test('ports of a range that cannot be read are taken again', async (t) => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-foreign-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const store = await openEmbeddedStore({ path: directory, compaction: false });
  t.teardown(() => store.close());
  const range = { first: 30_000, last: 32_767 };
  for (const value of ['', '5', '{}', '{"range":5,"data":"//8="}', 'k8s\0\n', '{"range":"30000-32767"}']) {
    await store.put('/registry/ranges/servicenodeports', Buffer.from(value));
    const ports = new NodePorts(store, range);
    t.equal((await ports.taken()).size, 0, value);
    await ports.change((draft) => draft.take(30_001));
    t.strictSame([...(await new NodePorts(store, range).taken())], [30_001], 'and written over');
  }
});
