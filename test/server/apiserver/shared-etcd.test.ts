/** Two api-servers on one etcd. */
import t, { type Test } from 'tap';
import { upstreamKeys } from '../../../control-plane/apiserver/catalogue/key-layout.ts';
import { Etcd, openTestEtcd } from '../../support/etcd.ts';
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
