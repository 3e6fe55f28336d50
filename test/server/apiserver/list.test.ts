import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { parse as parseYaml } from 'yaml';
import { CONFIG_MAPS, configMap, PODS, pod, TestServer, type Json } from './server.ts';

// Hundreds of durable writes, which are slow on a busy machine.
t.setTimeout(120_000);

const names = (list: Json) => (list.items ?? []).map(({ metadata }) => String(metadata?.name));
const METADATA = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';

t.test('a paginated list is consistent despite concurrent writes', async (t) => {
  await using server = await TestServer.start();
  const expected: string[] = [];
  for (let index = 0; index < 25; index++) {
    const name = `m${String(index).padStart(2, '0')}`;
    expected.push(name);
    await server.call('POST', CONFIG_MAPS, { body: configMap(name, { labels: { even: String(index % 2 === 0) } }) });
  }
  const seen: string[] = [];
  const remaining: unknown[] = [];
  let token = '';
  let revision: unknown;
  do {
    const { body, status } = await server.call('GET', `${CONFIG_MAPS}?limit=10&continue=${token}`);
    t.equal(status, 200);
    seen.push(...names(body));
    remaining.push(body.metadata?.remainingItemCount);
    revision ??= body.metadata?.resourceVersion;
    t.equal(body.metadata?.resourceVersion, revision, 'all pages have the same revision');
    token = (body.metadata?.continue as string | undefined) ?? '';
    await server.call('POST', CONFIG_MAPS, { body: configMap(`m-between-${remaining.length}`) });
    await server.call('DELETE', `${CONFIG_MAPS}/m2${remaining.length}`);
  } while (token);
  t.strictSame(seen, expected);
  t.strictSame(remaining, [15, 5, undefined]);

  const even = await server.call(
    'GET',
    `${CONFIG_MAPS}?limit=3&labelSelector=even%3Dtrue&resourceVersion=${String(revision)}&resourceVersionMatch=Exact`,
  );
  t.strictSame(names(even.body), ['m00', 'm02', 'm04'], 'selectors apply to past revisions');

  const first = await server.call('GET', `${CONFIG_MAPS}?limit=2`);
  await server.call('POST', CONFIG_MAPS, { body: configMap('zzz') });
  await server.store.compact(await server.store.latestRevision());
  const expired = await server.call('GET', `${CONFIG_MAPS}?limit=2&continue=${String(first.body.metadata?.continue)}`);
  t.match(expired.body, { code: 410, reason: 'Expired' });
  const inconsistent = String(expired.body.metadata?.continue);
  const rest = await server.call('GET', `${CONFIG_MAPS}?continue=${inconsistent}`);
  t.ok(names(rest.body).includes('zzz'), 'the token in the 410 continues at the latest revision');

  const quiet = await server.call('GET', `${CONFIG_MAPS}?limit=2`);
  await server.call('POST', PODS, { body: pod('of-another-kind') });
  await server.store.compact(await server.store.latestRevision());
  const alsoExpired = await server.call('GET', `${CONFIG_MAPS}?continue=${String(quiet.body.metadata?.continue)}`);
  t.match(alsoExpired.body, { code: 410, reason: 'Expired' }, 'a token expires even if nothing has changed since');
});

t.test('resourceVersion and resourceVersionMatch are honoured', async (t) => {
  await using server = await TestServer.start();
  const created = async (name: string) =>
    Number((await server.call('POST', CONFIG_MAPS, { body: configMap(name) })).body.metadata?.resourceVersion);
  // A store counts from where it likes: an empty etcd is at 1.
  const first = await created('a');
  const second = await created('b');
  const at = async (query: string) => {
    const { body, status } = await server.call('GET', `${CONFIG_MAPS}?${query}`);
    return status === 200 ? names(body).join() : `${status} ${String(body.message)}`;
  };
  t.equal(await at(`resourceVersion=${first}&resourceVersionMatch=Exact`), 'a');
  t.equal(await at(`resourceVersion=${first}&resourceVersionMatch=NotOlderThan`), 'a,b');
  t.equal(await at('resourceVersion=0'), 'a,b');
  t.equal(await at(`resourceVersion=${first}`), 'a,b');
  t.equal(await at(`resourceVersion=${first}&limit=5`), 'a', 'pages are of the revision itself');
  t.equal(await at(`resourceVersion=${first}&limit=5&resourceVersionMatch=NotOlderThan`), 'a,b');
  t.equal(await at('resourceVersion=0&limit=5'), 'a,b');
  t.match(await at('resourceVersion=x'), /^400 .*invalid syntax/);
  t.match(await at('resourceVersionMatch=Exact'), /^422 .*forbidden unless resourceVersion is provided/);
  t.match(await at('resourceVersion=0&resourceVersionMatch=Exact'), /^422/);
  const tooLarge = await at('resourceVersion=1000');
  t.match(tooLarge, /^504 /);
  t.ok(tooLarge.endsWith(`Too large resource version: 1000, current: ${second}`), tooLarge);
  t.match(
    await at('fieldSelector=data.k%3Dv'),
    /^400 "data.k" is not a known field selector: only "metadata.name", "metadata.namespace"/,
  );
  t.match(await at('labelSelector=a%20in'), /^400/);
  t.equal(await at('fieldSelector=metadata.name!%3Da'), 'b');
  const late = server.call('GET', `${CONFIG_MAPS}?resourceVersion=${second + 1}`);
  await server.call('POST', CONFIG_MAPS, { body: configMap('c') });
  t.strictSame(names((await late).body), ['a', 'b', 'c'], 'waits for a future revision');
});

t.test('lists as objects, tables and metadata, in one namespace and in all', async (t) => {
  await using server = await TestServer.start();
  const tricky = 'braces } { and "quotes" \\ and ünïcödé';
  // Several chunks.
  const filler = 'x'.repeat(100_000);
  for (let index = 0; index < 20; index++) {
    await server.call('POST', PODS, { body: pod(`p${index}`, {}, { annotations: { tricky, filler } }) });
  }
  await server.call('POST', '/api/v1/namespaces/default-2/pods', { body: pod('elsewhere') });
  const all = await server.call('GET', '/api/v1/pods');
  t.equal(names(all.body).length, 21);
  t.equal(all.body.kind, 'PodList');
  t.notOk(all.body.items?.[0]?.kind, 'items have no kind, as upstream');
  t.match(all.body.items?.at(-1), { metadata: { annotations: { tricky } }, spec: { containers: [{ name: 'c' }] } });
  t.equal(names((await server.call('GET', PODS)).body).length, 20, 'not the namespace that has this one as a prefix');

  const metadata = await server.call('GET', PODS, { accept: METADATA });
  t.equal(metadata.body.kind, 'PartialObjectMetadataList');
  t.match(metadata.body.items?.[0], { kind: 'PartialObjectMetadata', metadata: { annotations: { tricky } } });
  t.notOk(metadata.body.items?.[0]?.spec);
  const table = await server.call('GET', `${PODS}?limit=2`, { accept: `${TABLE},application/json` });
  t.match(table.body, { kind: 'Table', metadata: { remainingItemCount: 18 } });
  t.equal((table.body.rows as unknown[]).length, 2);
  for (const [form, path] of [
    ['Table', PODS],
    ['Table', `${PODS}/p1`],
    ['PartialObjectMetadataList', PODS],
    ['PartialObjectMetadata', `${PODS}/p1`],
  ] as const) {
    const older = await server.call('GET', path, { accept: `application/json;as=${form};v=v1beta1;g=meta.k8s.io` });
    t.match(older.body, { kind: form, apiVersion: 'meta.k8s.io/v1beta1' }, "the client's version of the meta API");
    t.notMatch(older.text, '"meta.k8s.io/v1"');
  }
  const yaml = await server.call('GET', `${PODS}/p1`, { accept: 'application/yaml' });
  t.match(yaml.text, /^apiVersion: v1\nkind: Pod\nmetadata:\n/);
  t.equal((await server.call('GET', PODS, { accept: 'text/html' })).status, 406);
});

t.test('objects are shown without managedFields on request', async (t) => {
  await using server = await TestServer.start();
  const tricky = 'é ],"name": "managedFields":[';
  for (const name of ['a', 'b']) {
    await server.call('POST', `${CONFIG_MAPS}?fieldManager=${encodeURIComponent('é')}`, {
      body: { ...configMap(name), data: { tricky } },
    });
  }
  const without = (value: Json): Json =>
    JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key === 'managedFields' ? undefined : inner))) as Json;
  const transformed = (as: string) => `application/json;as=${as};v=v1;g=meta.k8s.io`;
  for (const [path, accept] of [
    [CONFIG_MAPS, 'application/json'],
    [`${CONFIG_MAPS}/a`, 'application/json'],
    [`${CONFIG_MAPS}?pretty=true`, 'application/json'],
    [CONFIG_MAPS, transformed('PartialObjectMetadataList')],
    [`${CONFIG_MAPS}/a`, transformed('PartialObjectMetadata')],
  ] as const) {
    const whole = await server.call('GET', path, { accept });
    t.match(whole.text, '"managedFields":');
    const omitted = await server.call('GET', path, { accept: `${accept};omit=managedFields,application/json` });
    t.strictSame(omitted.body, without(whole.body), `${path} as ${accept}`);
  }
  for (const refused of [
    'application/json;omit=spec',
    'application/yaml;omit=managedFields',
    `${transformed('Table')};omit=managedFields`,
  ])
    t.equal((await server.call('GET', CONFIG_MAPS, { accept: refused })).status, 406, refused);
});

t.test('JSON is indented on request and for programs such as curl', async (t) => {
  await using server = await TestServer.start();
  for (const name of ['a', 'c', 'd'])
    await server.call('POST', CONFIG_MAPS, { body: { ...configMap(name), data: { k: 'v\n\u2028'.repeat(200_000) } } });
  const isIndented = async (target: string, agent: string): Promise<boolean> => {
    const { text } = await server.call('GET', target, { headers: { 'user-agent': agent } });
    // Printing a difference of texts this long would take minutes.
    t.ok(isDeepStrictEqual(JSON.parse(text), (await server.call('GET', target)).body), 'same content');
    return text === JSON.stringify(JSON.parse(text), null, 2);
  };
  for (const target of [CONFIG_MAPS, `${CONFIG_MAPS}/a`, `${CONFIG_MAPS}/b`]) {
    t.ok(await isIndented(target, 'curl/8.14.1'), target);
    t.ok(await isIndented(`${target}?pretty=true`, 'kubectl'), target);
    t.notOk(await isIndented(`${target}?pretty=false`, 'curl/8.14.1'), target);
    t.notOk(await isIndented(target, 'kubectl'), target);
  }
});

t.test('a page reads only its own objects, however large the collection is', async (t) => {
  await using server = await TestServer.start();
  const resource = server.core.registry.kinds.find('', 'v1', 'configmaps');
  if (!resource) throw new Error('configmaps are not served');
  const many = 5_000;
  const revisions = Array.from({ length: many }, (_, index) => {
    const metadata = {
      namespace: 'many',
      name: `m${index}`,
      uid: `${index}`,
      creationTimestamp: '2026-01-01T00:00:00Z',
    };
    const bytes = Buffer.from(JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', metadata }));
    return server.store.put(resource.storeKey('many', `m${index}`), bytes);
  });
  await server.core.registry.caughtUp(Math.max(...(await Promise.all(revisions))));

  const { cache } = resource;
  const entries = cache.entries.bind(cache);
  let read = 0;
  cache.entries = function* (...args) {
    for (const entry of entries(...args)) {
      read++;
      yield entry;
    }
  };
  const first = await server.call('GET', '/api/v1/namespaces/many/configmaps?limit=2');
  t.equal(first.body.metadata?.remainingItemCount, many - 2);
  t.equal(read, 3, 'the page and whether more follow');

  await server.call('DELETE', '/api/v1/namespaces/many/configmaps/m10');
  const list = server.store.list.bind(server.store);
  const asked: unknown[] = [];
  server.store.list = (prefix, options) => {
    asked.push(options);
    return list(prefix, options);
  };
  const next = `continue=${String(first.body.metadata?.continue)}`;
  const second = await server.call('GET', `/api/v1/namespaces/many/configmaps?limit=2&${next}`);
  t.equal(second.body.metadata?.remainingItemCount, many - 4);
  t.match(asked, [{ limit: 2, count: false }], 'no counting in the history');
});

t.test('long lists have the same content in every form and encoding', async (t) => {
  await using server = await TestServer.start();
  const EVENTS = '/api/v1/namespaces/default/events';
  const text = 'a long line, '.repeat(20) + '\n\n  "quoted": {\n\tin: [it]}\n';
  for (let index = 0; index < 150; index++) {
    const name = `m${String(index).padStart(3, '0')}`;
    const data = { text, filler: 'ü'.repeat(index === 70 ? 300_000 : 400) };
    await server.call('POST', CONFIG_MAPS, { body: { ...configMap(name), data } });
    const involvedObject = { kind: 'ConfigMap', namespace: 'default', name };
    await server.call('POST', EVENTS, { body: { ...configMap(name), involvedObject, message: text + data.filler } });
  }
  const { body } = await server.call('GET', CONFIG_MAPS);
  t.equal(body.items?.length, 150);
  t.equal((body.items?.[70] as { data: { filler: string } }).data.filler.length, 300_000);
  const pretty = await server.call('GET', `${CONFIG_MAPS}?pretty=true`);
  t.equal(pretty.text, JSON.stringify(body, null, 2));
  const yaml = await server.call('GET', CONFIG_MAPS, { accept: 'application/yaml' });
  t.strictSame(parseYaml(yaml.text), body);

  const single = await server.call('GET', `${CONFIG_MAPS}?limit=1`, { accept: METADATA });
  const metadata = await server.call('GET', CONFIG_MAPS, { accept: METADATA });
  t.strictSame(metadata.body.items?.[0], single.body.items?.[0]);
  t.strictSame(
    metadata.body.items?.map((item) => item.metadata),
    body.items?.map((item) => item.metadata),
  );
  // Rows name ages: one moment for all that are compared.
  const now = Date.now();
  const clock = t.intercept(Date, 'now', { value: () => now });
  const table = await server.call('GET', CONFIG_MAPS, { accept: TABLE });
  const first = await server.call('GET', `${CONFIG_MAPS}?limit=1`, { accept: TABLE });
  t.strictSame(table.body.columnDefinitions, first.body.columnDefinitions);
  t.strictSame((table.body.rows as unknown[])[0], (first.body.rows as unknown[])[0]);
  t.equal((table.body.rows as unknown[]).length, 150);
  const prettyTable = await server.call('GET', `${CONFIG_MAPS}?pretty=true`, { accept: TABLE });
  t.strictSame(prettyTable.body.rows, table.body.rows);
  clock.restore();

  // Stored in the form of the core group.
  const events = '/apis/events.k8s.io/v1/namespaces/default/events';
  const converted = await server.call('GET', events);
  t.equal(converted.body.items?.length, 150);
  const one = await server.call('GET', `${events}/m070`);
  t.strictSame({ kind: 'Event', apiVersion: 'events.k8s.io/v1', ...converted.body.items?.[70] }, one.body);
});
