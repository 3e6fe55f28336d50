import t from 'tap';
import { events } from '../../api/events/event.ts';
import { kinds } from '../../api/registry.ts';
import { CONFIG_MAPS, configMap, pod, PODS, take, TestServer } from './server.ts';

const MERGE = 'application/merge-patch+json';

t.test(
  'an update that is based on an old revision is refused, and one that changes nothing writes nothing',
  async (t) => {
    await using server = await TestServer.start();
    const created = await server.call('POST', CONFIG_MAPS, { body: configMap('a', { labels: { x: '1', y: '2' } }) });
    t.equal(created.status, 201);
    const changed = await server.call('PUT', `${CONFIG_MAPS}/a`, { body: { ...created.body, data: { k: 'w' } } });
    t.equal(changed.status, 200);
    t.match(changed.body.metadata, { uid: created.body.metadata?.uid, resourceVersion: '2' });
    const stale = await server.call('PUT', `${CONFIG_MAPS}/a`, { body: { ...created.body, data: { k: 'x' } } });
    t.match(stale.body, {
      code: 409,
      reason: 'Conflict',
      message:
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
    });
    const reordered = { data: { k: 'w' }, metadata: { labels: { y: '2', x: '1' }, name: 'a' } };
    const unchanged = await server.call('PUT', `${CONFIG_MAPS}/a`, { body: reordered });
    t.equal(unchanged.body.metadata?.resourceVersion, '2');
    const otherUid = { ...configMap('a'), metadata: { name: 'a', uid: '00000000-0000-0000-0000-000000000000' } };
    t.equal((await server.call('PUT', `${CONFIG_MAPS}/a`, { body: otherUid })).status, 409);
    t.equal((await server.call('PUT', `${CONFIG_MAPS}/b`, { body: configMap('a') })).status, 404);
    t.equal(
      (await server.call('PUT', `${CONFIG_MAPS}/%61`, { body: configMap('a') })).status,
      200,
      'names may be escaped',
    );
    t.equal((await server.call('PUT', `${CONFIG_MAPS}/a`, { body: configMap('b') })).status, 400);
  },
);

t.test('patches of one object at the same time are all there in the end', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      server.call('PATCH', `${CONFIG_MAPS}/a`, { type: MERGE, body: { data: { [`k${index}`]: 'v' } } }),
    ),
  );
  t.ok(answers.every(({ status }) => status === 200));
  const { body } = await server.call('GET', `${CONFIG_MAPS}/a`);
  t.equal(Object.keys(body.data as object).length, 41);
  const based = { metadata: { resourceVersion: '1' }, data: { late: 'v' } };
  t.equal((await server.call('PATCH', `${CONFIG_MAPS}/a`, { type: MERGE, body: based })).status, 409);
  t.equal((await server.call('PATCH', `${CONFIG_MAPS}/a`, { type: 'text/plain', body: {} })).status, 415);
});

t.test('status is changed through its subresource and nothing else is', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', PODS, { body: pod('p') });
  const body = { spec: { nodeName: 'n1' }, status: { phase: 'Running' } };
  const status = await server.call('PATCH', `${PODS}/p/status`, { type: MERGE, body });
  t.match(status.body, { status: { phase: 'Running' } });
  t.notOk((status.body.spec as { nodeName?: string }).nodeName);
  const spec = await server.call('PATCH', `${PODS}/p`, {
    type: MERGE,
    body: { metadata: { labels: { a: 'b' } }, status: { phase: 'Failed' } },
  });
  t.match(spec.body, { metadata: { labels: { a: 'b' } }, status: { phase: 'Running' } });
});

t.test('a dry run answers as if and leaves no trace', async (t) => {
  await using server = await TestServer.start();
  const created = await server.call('POST', `${CONFIG_MAPS}?dryRun=All`, { body: configMap('a') });
  t.equal(created.status, 201);
  t.ok(created.body.metadata?.uid);
  t.equal((await server.call('GET', `${CONFIG_MAPS}/a`)).status, 404);
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  const patched = await server.call('PATCH', `${CONFIG_MAPS}/a?dryRun=All`, {
    type: MERGE,
    body: { data: { k: 'w' } },
  });
  t.match(patched.body, { data: { k: 'w' } });
  t.equal((await server.call('DELETE', `${CONFIG_MAPS}/a?dryRun=All`)).status, 200);
  t.match((await server.call('GET', `${CONFIG_MAPS}/a`)).body, { data: { k: 'v' } });
  t.equal(server.store.revision, 1);
  t.equal((await server.call('POST', `${CONFIG_MAPS}?dryRun=Some`, { body: configMap('b') })).status, 422);
});

t.test('bodies that cannot be are refused in words', async (t) => {
  await using server = await TestServer.start();
  const post = (body: unknown, query = '', type = 'application/json') =>
    server.call('POST', `${CONFIG_MAPS}${query}`, { body, type });
  t.match((await post('{"a":')).body, { code: 400, reason: 'BadRequest' });
  t.match((await post('')).body, { code: 400 });
  t.match((await post({ ...configMap('a'), data: { k: 'x'.repeat(4 * 1024 * 1024) } })).body, {
    code: 413,
    reason: 'RequestEntityTooLarge',
  });
  t.equal((await post(configMap('a'), '', 'application/x-protobuf')).status, 415);
  t.match((await post({ ...configMap('a'), nope: 1 }, '?fieldValidation=Strict')).body, {
    code: 400,
    message: 'strict decoding error: unknown field "nope"',
  });
  const warned = await post({ ...configMap('a'), nope: 1 });
  t.equal(warned.status, 201);
  t.equal(warned.headers.warning, '299 - "unknown field \\"nope\\""');
  t.match((await post(configMap('a'))).body, { code: 409, reason: 'AlreadyExists' });
  t.match((await post({ data: {} })).body, { code: 422, message: /name or generateName is required/ });
  t.match((await post(configMap('x', { namespace: 'other' }))).body, { code: 400 });
  t.match((await post(configMap('x', { resourceVersion: '5' }))).body, { code: 500 });
  t.equal((await server.call('PUT', CONFIG_MAPS, { body: {} })).status, 405);
  t.match((await server.call('GET', '/api/v1/namespaces/default/nopes')).body, { code: 404, reason: 'NotFound' });
  t.equal((await server.call('GET', '/apis/nope.io/v1')).text, '404 page not found\n');
});

t.test('names are made up where only their beginning is given, at the same time too', async (t) => {
  await using server = await TestServer.start();
  const body = { metadata: { generateName: 'job-' }, data: {} };
  const answers = await Promise.all(Array.from({ length: 50 }, () => server.call('POST', CONFIG_MAPS, { body })));
  const names = answers.map((answer) => String(answer.body.metadata?.name));
  t.equal(new Set(names).size, 50);
  t.ok(names.every((name) => /^job-[bcdfghjklmnpqrstvwxz2456789]{5}$/.test(name)));
});

t.test('an event is one object in two groups', { skip: !kinds.includes(events) }, async (t) => {
  await using server = await TestServer.start();
  const body = {
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    reason: 'R',
    message: 'm',
  };
  const created = await server.call('POST', '/api/v1/namespaces/default/events', { body });
  t.equal(created.status, 201);
  const other = await server.call('GET', '/apis/events.k8s.io/v1/namespaces/default/events/e');
  t.match(other.body, {
    apiVersion: 'events.k8s.io/v1',
    metadata: { name: 'e', uid: created.body.metadata?.uid, resourceVersion: created.body.metadata?.resourceVersion },
    regarding: { name: 'p' },
    note: 'm',
  });
});

t.test('events go a while after they were last written', async (t) => {
  await using server = await TestServer.start({ eventTtlMs: 600 });
  const url = '/api/v1/namespaces/default/events';
  const event = (name: string) => ({
    metadata: { name },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    reason: 'R',
  });
  await server.call('POST', url, { body: event('e') });
  const [added, deleted] = await take(server.watch('/api/v1/events?watch=1'), 2);
  t.match([added, deleted], [{ type: 'ADDED' }, { type: 'DELETED', object: { metadata: { name: 'e' } } }]);
  t.equal((await server.call('GET', `${url}/e`)).status, 404);
});

t.test('a store that takes no writes is told of in a Status, and reads go on', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  await server.store.close();
  const refused = await server.call('POST', CONFIG_MAPS, { body: configMap('b') });
  t.match(refused.body, { code: 503, reason: 'ServiceUnavailable', message: /the store cannot take writes/ });
  t.equal((await server.call('DELETE', `${CONFIG_MAPS}/a`)).status, 503);
  const list = await server.call('GET', CONFIG_MAPS);
  t.strictSame(
    list.body.items?.map(({ metadata }) => metadata?.name),
    ['a'],
  );
});
