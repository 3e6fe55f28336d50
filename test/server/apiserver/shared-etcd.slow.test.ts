/** Api-servers on etcd: two on one, beside what kube-apiserver has stored, and without it. */
import t, { type Test } from 'tap';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { upstreamKeys } from '../../../control-plane/apiserver/catalogue/key-layout.ts';
import { Etcd, openTestEtcd } from '../../support/etcd.ts';
import { encodeObject } from '../../support/protobuf-encoder.ts';
import { eventually } from '../../support/wait.ts';
import { configMap, CONFIG_MAPS, SERVICES, take, TestServer } from './server.ts';

t.setTimeout(120_000);

const MERGE = 'application/merge-patch+json';

async function start(etcd: Etcd): Promise<TestServer> {
  return TestServer.start({ store: await openTestEtcd([etcd.url]), keys: upstreamKeys() });
}

async function started(t: Test): Promise<Etcd> {
  const etcd = await Etcd.start();
  t.teardown(() => etcd[Symbol.asyncDispose]());
  return etcd;
}

t.test('a write on one server is read on the other at once, and its watch events are in order', async (t) => {
  const etcd = await started(t);
  const servers = await Promise.all([start(etcd), start(etcd)]);
  const [one, other] = servers;
  const watches = servers.map((server) => take(server.watch(`${CONFIG_MAPS}?watch=1&resourceVersion=0`), 90));
  for (let i = 0; i < 30; i++) {
    const [writer, reader] = i % 2 === 0 ? [one, other] : [other, one];
    const object = `${CONFIG_MAPS}/o${i}`;
    t.equal((await writer.call('POST', CONFIG_MAPS, { body: configMap(`o${i}`) })).status, 201);
    t.equal((await reader.call('GET', object)).status, 200);
    const patched = await reader.call('PATCH', object, { type: MERGE, body: { data: { k: `${i}` } } });
    t.match(patched.body, { data: { k: `${i}` } });
    const list = await writer.call('GET', CONFIG_MAPS);
    t.match(list.body.items, [patched.body.metadata && { data: { k: `${i}` } }]);
    t.equal((await writer.call('DELETE', object)).status, 200);
    t.equal((await reader.call('GET', object)).status, 404);
  }
  const [seen, alsoSeen] = await Promise.all(watches);
  t.strictSame(seen, alsoSeen, 'both servers tell the same');
  const revisions = (seen ?? []).map(({ object }) => Number(object.metadata.resourceVersion));
  t.strictSame(
    revisions,
    [...new Set(revisions)].sort((a, b) => a - b),
  );
  for (const server of servers) await server[Symbol.asyncDispose]();
});

t.test('two servers never allocate the same address or port', async (t) => {
  const etcd = await started(t);
  const servers = await Promise.all([start(etcd), start(etcd)]);
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      (servers[i % 2] as TestServer).call('POST', SERVICES, {
        body: { metadata: { name: `s${i}` }, spec: { type: 'NodePort', ports: [{ port: 80 }] } },
      }),
    ),
  );
  t.strictSame([...new Set(answers.map(({ status }) => status))], [201]);
  const specs = answers.map(({ body }) => body.spec as { clusterIP: string; ports: { nodePort: number }[] });
  t.equal(new Set(specs.map(({ clusterIP }) => clusterIP)).size, 40);
  t.equal(new Set(specs.map(({ ports }) => ports[0]?.nodePort)).size, 40);
  for (const server of servers) await server[Symbol.asyncDispose]();
});

t.test(
  'objects that kube-apiserver has stored are read, in protobuf and in JSON, and stored as JSON when they are written',
  async (t) => {
    const etcd = await started(t);
    const store = await openTestEtcd([etcd.url]);
    const stock = {
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: {
        name: 'p',
        namespace: 'default',
        uid: 'u',
        labels: { a: 'b' },
        creationTimestamp: '2026-01-01T00:00:00Z',
      },
      data: { k: 'v' },
    };
    await store.put('/registry/configmaps/default/p', encodeObject(configMaps.schema, stock));
    const { metadata, ...rest } = stock;
    const json = {
      data: rest.data,
      metadata: { creationTimestamp: metadata.creationTimestamp, namespace: 'default', name: 'j' },
    };
    await store.put(
      '/registry/configmaps/default/j',
      Buffer.from(`${JSON.stringify({ ...json, apiVersion: 'v1', kind: 'ConfigMap' })}\n`),
    );
    await using server = await TestServer.start({ store, keys: upstreamKeys() });
    const list = await server.call('GET', `${CONFIG_MAPS}?labelSelector=a=b`);
    t.match(list.body.items, [
      { metadata: { name: 'p', uid: 'u', creationTimestamp: metadata.creationTimestamp }, data: { k: 'v' } },
    ]);
    t.match((await server.call('GET', `${CONFIG_MAPS}/j`)).body, { metadata: { name: 'j' }, data: { k: 'v' } });
    const patch = { type: MERGE, body: { data: { k: 'w' } } };
    for (const name of ['p', 'j'])
      t.match((await server.call('PATCH', `${CONFIG_MAPS}/${name}`, patch)).body, { data: { k: 'w' } });
    const written = await store.put(
      '/registry/configmaps/default/late',
      encodeObject(configMaps.schema, { ...stock, metadata: { ...metadata, name: 'late' } }),
    );
    t.match((await server.call('GET', `${CONFIG_MAPS}/late`)).body, {
      metadata: { name: 'late', resourceVersion: String(written) },
    });
    const { value } = (await store.get('/registry/configmaps/default/p')) ?? { value: Buffer.alloc(0) };
    t.match(JSON.parse(value.toString()), {
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { name: 'p' },
      data: { k: 'w' },
    });
    t.notMatch(value.toString(), /resourceVersion/);
  },
);

t.test('a store that is full or away is answered as upstream does', async (t) => {
  const etcd = await Etcd.start({ arguments: ['--quota-backend-bytes', String(2 ** 20)] });
  t.teardown(() => etcd[Symbol.asyncDispose]());
  const store = await openTestEtcd([etcd.url], { callLimitMs: 2000 });
  await using server = await TestServer.start({ store, keys: upstreamKeys() });
  await server.call('POST', CONFIG_MAPS, { body: configMap('b') });
  await etcd.kill();
  t.match((await server.call('POST', CONFIG_MAPS, { body: configMap('a') })).body, { code: 503 });
  t.match((await server.call('GET', CONFIG_MAPS)).body, { code: 503 });
  t.equal((await server.call('GET', `${CONFIG_MAPS}?resourceVersion=0`)).status, 200, 'from the cache');
  await etcd.run();
  await eventually('reads to be served', async () => (await server.call('GET', `${CONFIG_MAPS}/b`)).status === 200);
  const large = (name: string): object => ({ metadata: { name }, data: { k: 'x'.repeat(100_000) } });
  let count = 0;
  const full = await eventually('the quota to be used up', async () => {
    const answer = await server.call('POST', CONFIG_MAPS, { body: large(`c${count++}`) });
    return answer.status === 201 ? undefined : answer;
  });
  t.match(full.body, { code: 500, message: 'etcdserver: mvcc: database space exceeded' });
  t.equal((await server.call('DELETE', `${CONFIG_MAPS}/c0`)).status, 200, 'deletions make room');
  t.equal((await server.call('GET', `${CONFIG_MAPS}/c1`)).status, 200);
});
