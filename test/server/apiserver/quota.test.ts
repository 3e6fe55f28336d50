/** Quotas hold under concurrent writes, on one server or on several. No controller runs: the tests set the usage. */
import t from 'tap';
import { pods } from '../../../api/kinds/core/pod.ts';
import { resourceQuotas } from '../../../api/kinds/core/resource-quota.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';
import type { ResourceQuota } from '../../../api/types/core/v1.gen.ts';
import type { AdmissionPlugin } from '../../../control-plane/apiserver/admission/plugin.ts';
import { resourceQuota } from '../../../control-plane/apiserver/admission/resource-quota.ts';
import { RemoteServer, RemoteStore } from '../store/remote-store.ts';
import {
  CONFIG_MAPS,
  configMap,
  pod,
  PODS,
  SERVICES,
  TestServer,
  type Answer,
  type TestServerOptions,
} from './server.ts';

t.setTimeout(120_000);

const QUOTAS = '/api/v1/namespaces/default/resourcequotas';

/** With quotas enforced; the plugin uses the server that it is part of. */
async function start(options: TestServerOptions = {}): Promise<TestServer> {
  const built: { plugin?: AdmissionPlugin } = {};
  const enforced: AdmissionPlugin = { name: 'ResourceQuota', validate: (request) => built.plugin?.validate?.(request) };
  const server = await TestServer.start({ ...options, admission: [enforced] });
  built.plugin = resourceQuota(server.core.api);
  return server;
}

async function limit(server: TestServer, name: string, hard: Record<string, string>): Promise<void> {
  const { body } = await server.call('POST', QUOTAS, { body: { metadata: { name }, spec: { hard } } });
  const used = Object.fromEntries(Object.keys(hard).map((each) => [each, '0']));
  const counted = await server.call('PUT', `${QUOTAS}/${name}/status`, { body: { ...body, status: { hard, used } } });
  if (counted.status !== 200) throw new Error(counted.text);
}
const usedOf = async (server: TestServer, name: string) => {
  const { body } = await server.call('GET', `${QUOTAS}/${name}`);
  return (body as ResourceQuota).status?.used;
};
const codes = (answers: readonly Answer[], code: number): Answer[] => answers.filter(({ status }) => status === code);

t.test('concurrent creates succeed up to the quota', async (t) => {
  await using server = await start();
  await limit(server, 'few', { pods: '50', 'requests.cpu': '100' });
  const body = (index: number) =>
    pod(`p${index}`, { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '1' } } }] });
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, index) => server.call('POST', PODS, { body: body(index) })),
  );
  t.equal(codes(answers, 201).length, 50);
  const refused = codes(answers, 403);
  t.equal(refused.length, 150);
  for (const { body } of refused) {
    t.match(body, {
      reason: 'Forbidden',
      message: /^pods "p\d+" is forbidden: exceeded quota: few, requested: pods=1, used: pods=50, limited: pods=50$/,
    });
  }
  t.strictSame(await usedOf(server, 'few'), { pods: '50', 'requests.cpu': '50' });
  t.equal(((await server.call('GET', PODS)).body.items ?? []).length, 50);

  await limit(server, 'others', { configmaps: '1' });
  t.equal(
    (await server.call('POST', CONFIG_MAPS, { body: configMap('a') })).status,
    201,
    'each quota counts separately',
  );
  const elsewhere = CONFIG_MAPS.replace('default', 'elsewhere');
  t.equal((await server.call('POST', CONFIG_MAPS, { body: configMap('b') })).status, 403);
  t.equal((await server.call('POST', elsewhere, { body: configMap('b') })).status, 201);
  await server.call('DELETE', `${QUOTAS}/others`);
  t.equal((await server.call('POST', CONFIG_MAPS, { body: configMap('b') })).status, 201, 'no quota, no limit');
});

t.test('concurrent requests are charged together', async (t) => {
  await using server = await start();
  await limit(server, 'few', { pods: '60' });
  const plugin = resourceQuota(server.core.api);
  let writes = -1;
  server.core.api.subscribe(resourceQuotas, () => writes++);
  const request = {
    ...({ operation: 'CREATE', subresource: '', namespace: 'default', name: 'x', old: undefined } as const),
    ...{ kind: pods, object: pod('x'), user: { name: 'jane', groups: [] }, dryRun: false, warn: () => undefined },
  };
  const outcomes = await Promise.allSettled(Array.from({ length: 100 }, async () => plugin.validate?.(request)));
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 60);
  t.ok(outcomes.every((outcome) => outcome.status === 'fulfilled' || outcome.reason instanceof StatusError));
  t.equal(writes, 2, 'the first alone, then all that arrived meanwhile together');
  t.strictSame(await usedOf(server, 'few'), { pods: '60' });
});

t.test('a dry run is checked but not charged', async (t) => {
  await using server = await start();
  await limit(server, 'few', { pods: '1' });
  t.equal((await server.call('POST', `${PODS}?dryRun=All`, { body: pod('a') })).status, 201);
  t.strictSame(await usedOf(server, 'few'), { pods: '0' });
  await server.call('POST', PODS, { body: pod('a') });
  t.match((await server.call('POST', `${PODS}?dryRun=All`, { body: pod('b') })).body, {
    message: /exceeded quota: few/,
  });
  t.strictSame(await usedOf(server, 'few'), { pods: '1' });
});

t.test('an update is charged for the increase', async (t) => {
  await using server = await start();
  await limit(server, 'few', { services: '2', 'services.nodeports': '1' });
  const create = (name: string) =>
    server.call('POST', SERVICES, { body: { metadata: { name }, spec: { ports: [{ port: 80 }] } } });
  const expose = (name: string) =>
    server.call('PATCH', `${SERVICES}/${name}`, {
      type: 'application/merge-patch+json',
      body: { spec: { type: 'NodePort' } },
    });
  for (const name of ['a', 'b']) t.equal((await create(name)).status, 201);
  t.equal((await expose('a')).status, 200);
  t.match((await expose('b')).body, {
    code: 403,
    message:
      'services "b" is forbidden: exceeded quota: few, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1',
  });
  t.strictSame(await usedOf(server, 'few'), { services: '2', 'services.nodeports': '1' });
});

t.test('two servers together allow no more than one', async (t) => {
  const remote = new RemoteServer();
  await using one = await start({ store: new RemoteStore(remote) });
  await using other = await start({ store: new RemoteStore(remote) });
  await limit(one, 'few', { pods: '50' });
  t.strictSame(await usedOf(other, 'few'), { pods: '0' });
  const answers = await Promise.all(
    [one, other].flatMap((server, i) =>
      Array.from({ length: 100 }, (_, j) => server.call('POST', PODS, { body: pod(`p${i}-${j}`) })),
    ),
  );
  t.equal(codes(answers, 201).length, 50);
  t.equal(codes(answers, 403).length, 150);
  t.strictSame(await usedOf(one, 'few'), { pods: '50' });
});
