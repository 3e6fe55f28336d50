import t from 'tap';
import { SERVICES, TestServer, type Answer } from './server.ts';

const MERGE = 'application/merge-patch+json';
const service = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { type: 'ClusterIP', ports: [{ name: 'http', protocol: 'TCP', port: 80 }], ...spec },
});
interface Spec {
  clusterIP: string;
  clusterIPs: string[];
  ports: { nodePort?: number }[];
  healthCheckNodePort?: number;
}
const specOf = ({ body }: Answer) => body.spec as Spec;

t.test('no two services get the same address or port, at the same time and over restarts', async (t) => {
  const first = await TestServer.start();
  const create = (server: TestServer, count: number, prefix: string) =>
    Promise.all(
      Array.from({ length: count }, (_, index) =>
        server.call('POST', SERVICES, { body: service(`${prefix}${index}`, { type: 'NodePort' }) }),
      ),
    );
  const before = await create(first, 60, 'a');
  await first.stop();
  await using second = await TestServer.start({ directory: first.directory });
  const after = await create(second, 60, 'b');
  const specs = [...before, ...after].map(specOf);
  t.equal(new Set(specs.map(({ clusterIP }) => clusterIP)).size, 120);
  t.equal(new Set(specs.map(({ ports }) => ports[0]?.nodePort)).size, 120);
  for (const { clusterIP, ports } of specs) {
    const [, , third = 0, fourth = 0] = clusterIP.split('.').map(Number);
    t.ok(clusterIP.startsWith('10.43.') && third * 256 + fourth > 255, 'the lower band is left to those who choose');
    const port = ports[0]?.nodePort ?? 0;
    t.ok(port >= 30086 && port <= 32767);
  }
  const [taken] = specs;
  t.match((await second.call('POST', SERVICES, { body: service('x', { clusterIP: taken?.clusterIP }) })).body, {
    code: 422,
    details: { causes: [{ reason: 'FieldValueInvalid', field: 'spec.clusterIPs', message: /already allocated/ }] },
  });
  await second.call('DELETE', `${SERVICES}/a0`);
  const again = await second.call('POST', SERVICES, {
    body: service('x', {
      type: 'NodePort',
      clusterIP: taken?.clusterIP,
      ports: [{ port: 80, nodePort: taken?.ports[0]?.nodePort }],
    }),
  });
  t.equal(again.status, 201, 'what a deleted service had is free');
});

t.test('what is asked for is checked, and a refused service leaves nothing taken', async (t) => {
  await using server = await TestServer.start();
  const post = (name: string, spec: object) => server.call('POST', SERVICES, { body: service(name, spec) });
  t.match((await post('a', { clusterIP: '10.44.0.1' })).body, { code: 422, message: /valid IPs is 10.43.0.0\/16/ });
  const tooLow = { type: 'NodePort', clusterIP: '10.43.0.20', ports: [{ port: 80, nodePort: 80 }] };
  t.match((await post('a', tooLow)).body, { code: 422, message: /valid ports is 30000-32767/ });
  const dryRun = await server.call('POST', `${SERVICES}?dryRun=All`, {
    body: service('a', { clusterIP: '10.43.0.20' }),
  });
  t.equal(specOf(dryRun).clusterIP, '10.43.0.20');
  t.equal((await post('a', { clusterIP: '10.43.0.20' })).status, 201);
  t.strictSame(specOf(await post('headless', { clusterIP: 'None' })).clusterIPs, ['None']);
});

t.test('a service keeps what it was given, and gives back what its type no longer has', async (t) => {
  await using server = await TestServer.start();
  const created = await server.call('POST', SERVICES, {
    body: service('a', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }),
  });
  const { clusterIP, ports, healthCheckNodePort = 0 } = specOf(created);
  t.ok(healthCheckNodePort >= 30000);
  const put = await server.call('PUT', `${SERVICES}/a`, {
    body: service('a', { type: 'LoadBalancer', externalTrafficPolicy: 'Local', selector: { app: 'x' } }),
  });
  t.match(specOf(put), { clusterIP, ports: [{ nodePort: ports[0]?.nodePort }], healthCheckNodePort });
  const patched = await server.call('PATCH', `${SERVICES}/a`, { type: MERGE, body: { spec: { type: 'ClusterIP' } } });
  t.equal(patched.status, 200, patched.text);
  t.notOk(specOf(patched).ports[0]?.nodePort);
  const taker = await server.call('POST', SERVICES, {
    body: service('b', { type: 'NodePort', ports: [{ port: 80, nodePort: ports[0]?.nodePort }] }),
  });
  t.equal(taker.status, 201, 'its node port is free');
});
