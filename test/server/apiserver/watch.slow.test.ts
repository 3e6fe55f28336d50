import https from 'node:https';
import t from 'tap';
import { CONFIG_MAPS, configMap, pod, PODS, take, TestServer, type WatchEvent } from './server.ts';

const nameOf = ({ object }: WatchEvent) => String(object.metadata.name);
const revisionOf = ({ object }: WatchEvent) => Number(object.metadata.resourceVersion);

t.test('a watch that is resumed repeatedly during concurrent writes sees every change once, in order', async (t) => {
  await using server = await TestServer.start();
  const WRITERS = 8;
  const WRITES_EACH = 60;
  // A watch from revision 0 would start with the existing objects.
  await server.call('POST', PODS, { body: pod('first') });
  const { body } = await server.call('GET', CONFIG_MAPS);
  const start = Number(body.metadata?.resourceVersion);

  const writing = Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      for (let index = 0; index < WRITES_EACH; index++) {
        const name = `w${writer}-${index % 5}`;
        const created = await server.call('POST', CONFIG_MAPS, { body: configMap(name) });
        if (created.status === 201) continue;
        await server.call('DELETE', `${CONFIG_MAPS}/${name}`);
      }
    }),
  );
  const seen: WatchEvent[] = [];
  let position = start;
  while (seen.length < WRITERS * WRITES_EACH) {
    // Few events at a time, so that the watch resumes in the middle of the writes.
    const wanted = Math.min(7, WRITERS * WRITES_EACH - seen.length);
    const events = await take(server.watch(`${CONFIG_MAPS}?watch=1&resourceVersion=${position}`), wanted);
    seen.push(...events);
    position = revisionOf(seen.at(-1) as WatchEvent);
  }
  await writing;

  t.strictSame(
    seen.map(revisionOf),
    Array.from({ length: WRITERS * WRITES_EACH }, (_, index) => start + index + 1),
    'no revision is missing or repeated',
  );
  const present = new Set<string>();
  for (const event of seen) {
    if (event.type === 'DELETED') t.ok(present.delete(nameOf(event)));
    else present.add(nameOf(event));
  }
  const after = await server.call('GET', CONFIG_MAPS);
  t.strictSame([...present].sort(), after.body.items?.map(({ metadata }) => metadata?.name).sort());
});

t.test('a watch with a selector sends ADDED and DELETED as objects start and stop matching', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', CONFIG_MAPS, { body: configMap('a', { labels: { app: 'x' } }) });
  await server.call('POST', CONFIG_MAPS, { body: configMap('b', { labels: { app: 'y' } }) });
  const [first] = await take(server.watch('/api/v1/configmaps?watch=1&labelSelector=app%3Dx'), 1);
  t.match(first, { type: 'ADDED', object: { metadata: { name: 'a' } } });

  const resumed = take(server.watch(`/api/v1/configmaps?watch=1&resourceVersion=2&labelSelector=app%3Dx`), 3);
  const patch = (name: string, app: string) =>
    server.call('PATCH', `${CONFIG_MAPS}/${name}`, {
      type: 'application/merge-patch+json',
      body: { metadata: { labels: { app } } },
    });
  await patch('b', 'x');
  await patch('a', 'z');
  await server.call('DELETE', `${CONFIG_MAPS}/a`);
  await server.call('DELETE', `${CONFIG_MAPS}/b`);
  const events = await resumed;
  t.match(events[1]?.object.metadata.labels, { app: 'x' }, 'as it last matched');
  t.strictSame(
    events.map((event) => `${event.type} ${nameOf(event)} ${revisionOf(event)}`),
    ['ADDED b 3', 'DELETED a 4', 'DELETED b 6'],
  );
});

t.test('a watch list sends existing objects, then a bookmark, then changes', async (t) => {
  await using server = await TestServer.start();
  for (const name of ['a', 'b']) await server.call('POST', CONFIG_MAPS, { body: configMap(name) });
  const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  const events = server.watch(`${CONFIG_MAPS}?${query}`);
  const seen: WatchEvent[] = [];
  for await (const event of events) {
    seen.push(event);
    if (event.type === 'BOOKMARK') await server.call('POST', CONFIG_MAPS, { body: configMap('c') });
    if (seen.length === 4) break;
  }
  t.strictSame(
    seen.map(({ type }) => type),
    ['ADDED', 'ADDED', 'BOOKMARK', 'ADDED'],
  );
  const bookmark = seen[2] as WatchEvent;
  t.match(bookmark.object, {
    kind: 'ConfigMap',
    metadata: { resourceVersion: '2', annotations: { 'k8s.io/initial-events-end': 'true' } },
  });

  const without = await server.call('GET', `${CONFIG_MAPS}?watch=1&sendInitialEvents=true`);
  t.equal(without.status, 422);
  const legacy = await take(server.watch(`${CONFIG_MAPS}?watch=1&allowWatchBookmarks=true`), 4);
  t.match(legacy[3], {
    type: 'BOOKMARK',
    object: { metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
  });
  const unmarked = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1';
  const whole: WatchEvent[] = [];
  for await (const event of server.watch(`${CONFIG_MAPS}?${unmarked}`)) whole.push(event);
  t.strictSame(
    whole.map(({ type }) => type),
    ['ADDED', 'ADDED', 'ADDED'],
    'no bookmark for who has not asked for them',
  );
  const early: WatchEvent[] = [];
  for await (const event of server.watch(`${CONFIG_MAPS}?${query}&resourceVersion=1000`)) early.push(event);
  t.match(early, [
    {
      type: 'ERROR',
      object: {
        code: 504,
        reason: 'Timeout',
        message: 'Timeout: Too large resource version: 1000, current: 3',
        details: { causes: [{ reason: 'ResourceVersionTooLarge' }], retryAfterSeconds: 1 },
      },
    },
  ]);
  t.equal(early.length, 1, 'and the watch ends');
  const asTable = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  t.equal((await server.call('GET', `${CONFIG_MAPS}?${query}`, { accept: asTable })).status, 406);
  const [plain] = await take(server.watch(`${CONFIG_MAPS}?${query}`, `${asTable},application/json`), 1);
  t.match(plain, { object: { kind: 'ConfigMap' } });
});

t.test('a watch from before the window of changes gets a 410', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  await server.call('PUT', `${CONFIG_MAPS}/a`, { body: { ...configMap('a'), data: { k: 'w' } } });
  await server.stop();
  await using again = await TestServer.start({ directory: server.directory });
  const [event] = await take(again.watch(`${CONFIG_MAPS}?watch=1&resourceVersion=1`), 1);
  t.match(event, { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } });
  const [kept] = await take(again.watch(`${CONFIG_MAPS}?watch=1&timeoutSeconds=1&resourceVersion=2`), 1);
  t.equal(kept, undefined, "the server's first revision is in the window");
});

t.test('a slow watcher is disconnected without affecting others', async (t) => {
  await using server = await TestServer.start();
  const stuck = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    const headers = { authorization: 'Bearer admin/system:masters' };
    https
      .get(server.url('/api/v1/pods?watch=1'), { headers, agent: false, ca: server.ca }, resolve)
      .on('error', reject);
  });
  stuck.pause();
  const closed = new Promise((resolve) => stuck.once('close', resolve));
  stuck.on('error', () => undefined);
  const filler = 'x'.repeat(200_000);
  const WRITES = 150;
  const reader = take(server.watch('/api/v1/pods?watch=1'), WRITES);
  for (let index = 0; index < WRITES; index++) {
    const { status } = await server.call('POST', PODS, { body: pod(`p${index}`, {}, { annotations: { filler } }) });
    if (status !== 201) t.equal(status, 201);
  }
  t.equal((await reader).length, WRITES);
  stuck.resume();
  await closed;
  t.pass('the server closed the connection');
});

t.test('watches as tables and as metadata', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  const asTable = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const [table] = await take(server.watch(`${CONFIG_MAPS}?watch=1`, asTable), 1);
  t.match(table, { type: 'ADDED', object: { kind: 'Table', rows: [{ object: { metadata: { name: 'a' } } }] } });
  const asMetadata = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';
  const [partial] = await take(server.watch(`${CONFIG_MAPS}?watch=1`, asMetadata), 1);
  t.match(partial, { object: { kind: 'PartialObjectMetadata', metadata: { name: 'a' } } });
  t.notOk(partial?.object.data);
});
