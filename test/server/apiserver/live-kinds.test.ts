/** Kinds are added, replaced and removed while the server runs, as for custom resources, without disturbing clients of other kinds. */
import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { events } from '../../../api/kinds/core/event.ts';
import { defineKind } from '../../../api/machinery/define-kind.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { int32, optional, string, struct, type Shape } from '../../../api/machinery/schema.ts';
import { ObjectMeta } from '../../../api/types/meta/v1.gen.ts';
import { eventually } from '../../support/wait.ts';
import { configMap, CONFIG_MAPS, take, TestServer, type Json } from './server.ts';

const WIDGETS = '/apis/example.com/v1/namespaces/default/widgets';
const ALL_WIDGETS = '/apis/example.com/v1/widgets';

type Widget = KubeObject & { spec?: { size?: number; color?: string } };

function widgets(spec: Readonly<Record<string, Shape>>, more: Partial<Kind<Widget>> = {}): Kind<Widget> {
  const fields = Object.fromEntries(Object.entries(spec).map(([name, shape]) => [name, optional(undefined, shape)]));
  const Spec = struct('com.example.v1.WidgetSpec', () => fields);
  return defineKind<Widget>({
    group: 'example.com',
    version: 'v1',
    kind: 'Widget',
    plural: 'widgets',
    shortNames: ['wd'],
    namespaced: true,
    schema: struct('com.example.v1.Widget', () => ({
      apiVersion: optional(undefined, string),
      kind: optional(undefined, string),
      metadata: optional(undefined, ObjectMeta),
      spec: optional(undefined, Spec),
    })),
    ...more,
  });
}

const SMALL = widgets({ size: int32 });
const COLORED = widgets(
  { size: int32, color: string },
  {
    columns: [{ name: 'Color', type: 'string', format: '', priority: 0, cell: ({ spec }) => spec?.color ?? '' }],
    selectableFields: { 'spec.color': ({ spec }) => spec?.color ?? '' },
  },
);

const widget = (name: string, spec: object = { size: 1 }) => ({ metadata: { name }, spec });

async function discovered(server: TestServer): Promise<unknown[]> {
  const { status, body } = await server.call('GET', '/apis/example.com/v1');
  return status === 200 ? (body.resources as Json[]).map(({ name }) => name) : [];
}

async function specFields(server: TestServer): Promise<string[]> {
  const { body } = await server.call('GET', '/openapi/v2');
  const { definitions } = body as { definitions: Record<string, { properties?: object }> };
  return Object.keys(definitions['com.example.v1.WidgetSpec']?.properties ?? {}).sort();
}

t.test('an added kind is served like any other', async (t) => {
  await using server = await TestServer.start();
  const { registry } = server.core;
  t.equal((await server.call('GET', ALL_WIDGETS)).status, 404);
  t.strictSame([await discovered(server), await specFields(server)], [[], []]);
  await registry.add(SMALL);
  t.strictSame([await discovered(server), await specFields(server)], [['widgets'], ['size']]);
  const { body: groups } = await server.call('GET', '/apis');
  t.ok((groups.groups as Json[]).some(({ name }) => name === 'example.com'));
  const { body: index } = await server.call('GET', '/openapi/v3');
  t.ok((index.paths as Json)['apis/example.com/v1']);
  t.match((await server.call('GET', '/')).text, '"/apis/example.com/v1"');

  t.equal((await server.call('POST', WIDGETS, { body: widget('a') })).status, 201);
  const { body: list } = await server.call('GET', ALL_WIDGETS);
  t.match(list, { kind: 'WidgetList', apiVersion: 'example.com/v1', items: [{ metadata: { name: 'a' } }] });
  const watch = server.watch(`${WIDGETS}?watch=1&resourceVersion=${String(list.metadata?.resourceVersion)}`);
  const seen = take(watch, 2);
  const type = 'application/merge-patch+json';
  const patched = await server.call('PATCH', `${WIDGETS}/a`, { body: { spec: { size: 2 } }, type });
  t.match(patched.body, { spec: { size: 2 } });
  t.equal((await server.call('DELETE', `${WIDGETS}/a`)).status, 200);
  t.strictSame(
    (await seen).map((event) => event.type),
    ['MODIFIED', 'DELETED'],
  );
  const strict = await server.call('POST', `${WIDGETS}?fieldValidation=Strict`, {
    body: widget('b', { color: 'red' }),
  });
  t.match(strict, { status: 400, body: { message: /unknown field "spec.color"/ } });
  await t.rejects(registry.add(SMALL), { message: /served already/ });
});

t.test('a kind that comes or changes leaves the hashes of other OpenAPI documents as they were', async (t) => {
  await using server = await TestServer.start();
  const { registry } = server.core;
  const hashes = async () => {
    const { paths } = (await server.call('GET', '/openapi/v3')).body as unknown as {
      paths: Record<string, { serverRelativeURL: string }>;
    };
    return new Map(Object.entries(paths).map(([name, { serverRelativeURL }]) => [name, serverRelativeURL]));
  };
  const before = await hashes();
  await registry.add(SMALL);
  const [now, again] = await Promise.all([hashes(), hashes()]);
  t.strictSame(now, again);
  const small = now.get('apis/example.com/v1');
  t.match(small, /hash=[0-9A-F]{128}$/);
  now.delete('apis/example.com/v1');
  t.strictSame(now, before);
  registry.remove(SMALL);
  await registry.add(COLORED);
  const changed = await hashes();
  t.not(changed.get('apis/example.com/v1'), small);
  const { text } = await server.call('GET', changed.get('apis/example.com/v1') ?? '');
  const hash = createHash('sha512').update(text).digest('hex').toUpperCase();
  t.match(changed.get('apis/example.com/v1'), hash, 'of what is served');
});

t.test('stored objects are served when their kind is added again, including changes made meanwhile', async (t) => {
  await using server = await TestServer.start();
  const { registry } = server.core;
  await registry.add(SMALL);
  for (const name of ['a', 'b']) await server.call('POST', WIDGETS, { body: widget(name) });
  const resource = registry.of(SMALL);
  const key = (name: string) => resource.storeKey('default', name);
  registry.remove(SMALL);
  const { store } = server;
  const stored = await store.get(key('a'));
  if (!stored) throw new Error('nothing is stored');
  const bytes = (name: string) => Buffer.from(stored.value.toString().replace('"name":"a"', `"name":"${name}"`));
  const adding = registry.add(SMALL);
  const others = Array.from({ length: 20 }, (_, index) => `c${index}`);
  await Promise.all([
    adding,
    ...others.map((name) => store.put(key(name), bytes(name), { revision: 0 })),
    store.delete(key('b'), { revision: (await store.get(key('b')))?.revision ?? 0 }),
  ]);
  await registry.caughtUp(await store.latestRevision());
  const { body } = await server.call('GET', WIDGETS);
  t.strictSame(
    body.items?.map(({ metadata }) => metadata?.name),
    ['a', ...others].sort(),
  );
  t.equal((await server.call('PUT', `${WIDGETS}/a`, { body: widget('a', { size: 7 }) })).status, 200);
});

t.test('a replaced kind is served in its new form, and its watches end', async (t) => {
  await using server = await TestServer.start();
  const { registry } = server.core;
  await registry.add(SMALL);
  await server.call('POST', WIDGETS, { body: widget('a') });
  const watch = server.watch(`${WIDGETS}?watch=1&allowWatchBookmarks=true`);
  t.match(await watch.next(), { value: { type: 'ADDED' } });
  t.match(await watch.next(), { value: { type: 'BOOKMARK' } }, 'the end of the initial events');
  const others = server.watch(`${CONFIG_MAPS}?watch=1`);
  const configMapEvents = take(others, 3);

  await server.call('POST', CONFIG_MAPS, { body: configMap('before') });
  await registry.replace(COLORED);
  await server.call('POST', CONFIG_MAPS, { body: configMap('after') });
  t.strictSame(await watch.next(), { done: true, value: undefined }, 'it has ended, without a 410');

  t.strictSame(await specFields(server), ['color', 'size']);
  t.equal((await server.call('POST', WIDGETS, { body: widget('b', { color: 'red' }) })).status, 201);
  const { body: red } = await server.call('GET', `${WIDGETS}?fieldSelector=spec.color%3Dred`);
  t.strictSame(
    red.items?.map(({ metadata }) => metadata?.name),
    ['b'],
  );
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const { body: table } = await server.call('GET', WIDGETS, { accept });
  t.match(table, { columnDefinitions: [{ name: 'Color' }], rows: [{ cells: [''] }, { cells: ['red'] }] });
  const again = server.watch(`${WIDGETS}?watch=1`);
  t.strictSame(
    (await take(again, 2)).map(({ object }) => object.metadata.name),
    ['a', 'b'],
  );

  await server.call('POST', CONFIG_MAPS, { body: configMap('last') });
  t.strictSame(
    (await configMapEvents).map(({ object }) => object.metadata.name),
    ['before', 'after', 'last'],
    'watches of other kinds miss nothing',
  );
});

/** In a function of its own, so that no variable of the test refers to the cache. */
function cacheOf(server: TestServer, kind: Kind): WeakRef<object> {
  return new WeakRef(server.core.registry.of(kind).cache);
}

t.test('removing a kind removes its paths, its watches and its cache', async (t) => {
  await using server = await TestServer.start();
  const { registry } = server.core;
  await registry.add(SMALL);
  await server.call('POST', WIDGETS, { body: widget('a') });
  const watch = server.watch(`${WIDGETS}?watch=1`);
  t.match(await watch.next(), { value: { type: 'ADDED' } });
  const cache = cacheOf(server, SMALL);
  const storedAt = registry.of(SMALL).storeKey('default', 'a');

  registry.remove(SMALL);
  t.ok((await watch.next()).done);
  for (const target of [ALL_WIDGETS, `${WIDGETS}/a`, '/apis/example.com/v1', '/apis/example.com']) {
    t.equal((await server.call('GET', target)).status, 404, target);
  }
  t.strictSame([await discovered(server), await specFields(server)], [[], []]);
  t.notMatch((await server.call('GET', '/metrics')).text, /apiserver_storage_objects\{resource="widgets/);
  t.equal((await server.call('GET', CONFIG_MAPS)).status, 200);
  t.ok(await server.store.get(storedAt), 'stored objects are kept');
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await eventually('the cache is garbage-collected', () => {
    collect();
    return cache.deref() === undefined;
  });
  t.throws(() => registry.remove(SMALL), { message: /not a kind of this registry/ });
  t.throws(() => registry.remove(events), { message: /shares its storage/ });
  await t.rejects(registry.replace({ ...SMALL }), { message: /is not served/ });
  t.equal(registry.of(configMaps).kind, configMaps);
});

t.test('no served kind has a cache that follows nothing, however changes interleave', async (t) => {
  await using server = await TestServer.start();
  const { registry } = server.core;
  const other = (more: Partial<Kind<Widget>>): Kind<Widget> => widgets({ size: int32 }, { version: 'v2', ...more });
  const as = (version: string) => (one: KubeObject) => ({ ...one, apiVersion: `example.com/${version}` });
  await registry.add(SMALL);
  await t.rejects(registry.add(other({})), { message: 'widgets.example.com is stored already, as v1' });
  await server.call('POST', WIDGETS, { body: widget('a') });
  t.strictSame((await server.call('GET', WIDGETS)).body.items?.length, 1, 'the cache of v1 still follows the store');

  const shared = other({ storedAs: { kind: SMALL, toStored: as('v1'), fromStored: as('v2'), fields: {} } });
  const replaced = registry.replace(COLORED);
  await registry.add(shared);
  await t.rejects(replaced, { message: /shares its storage/ });
  await server.call('POST', WIDGETS, { body: widget('b') });
  for (const version of ['v1', 'v2']) {
    const { body } = await server.call('GET', WIDGETS.replace('v1', version));
    t.equal(body.items?.length, 2, version);
  }
});

t.test('a kind that is removed while it is being replaced stays removed', async (t) => {
  await using server = await TestServer.start();
  const { registry } = server.core;
  await registry.add(SMALL);
  const replaced = registry.replace(COLORED);
  registry.remove(SMALL);
  await t.rejects(replaced, { message: /not served/ });
  t.equal((await server.call('GET', ALL_WIDGETS)).status, 404);
  const [first, second] = await Promise.allSettled([registry.add(SMALL), registry.add(COLORED)]);
  t.strictSame([first.status, second.status], ['fulfilled', 'rejected']);
  t.equal((await server.call('POST', WIDGETS, { body: widget('a') })).status, 201);
});
