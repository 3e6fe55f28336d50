import t from 'tap';
import { initIPFamilies } from '../../../control-plane/apiserver/storage/allocation/service-ip-families.ts';
import { SERVICES, TestServer, type Answer } from './server.ts';
import type { ServiceSpec } from '../../../api/types/core/v1.gen.ts';

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

t.test('no two Services get the same address or port, concurrently and across restarts', async (t) => {
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
    t.ok(
      clusterIP.startsWith('10.43.') && third * 256 + fourth > 255,
      'the lower band is reserved for static allocation',
    );
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
  t.equal(again.status, 201, 'a deleted Service releases its allocations');
});

t.test('the load balancer status is validated on update, stored values are kept', async (t) => {
  await using server = await TestServer.start();
  const ranges = ['10.0.0.0/8', '2001:db8::/32', ' 192.0.2.0/24\n'];
  const body = service('lb', { type: 'LoadBalancer', loadBalancerSourceRanges: ranges });
  t.equal((await server.call('POST', SERVICES, { body })).status, 201, 'blanks around ranges are kept');
  const update = (ip: string) =>
    server.call('PATCH', `${SERVICES}/lb/status`, {
      type: MERGE,
      body: { status: { loadBalancer: { ingress: [{ ip }] } } },
    });
  t.match((await update('203.0.113.7\n')).body, {
    code: 422,
    reason: 'Invalid',
    details: {
      causes: [
        {
          reason: 'FieldValueInvalid',
          field: 'status.loadBalancer.ingress[0].ip',
          message: /must be a valid IP address, \(e\.g\. 10\.9\.8\.7 or 2001:db8::ffff\)$/,
        },
      ],
    },
  });
  t.equal((await update('010.0.0.7')).status, 422);
  t.equal((await update('203.0.113.7')).status, 200);
  const octal = { body: service('octal', { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/008'] }) };
  t.match((await server.call('POST', SERVICES, octal)).body, {
    code: 422,
    message: /spec\.LoadBalancerSourceRanges\[0\]: .*must not have leading 0s in IP or prefix length/,
  });
});

t.test('a rejected Service leaves nothing allocated', async (t) => {
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

t.test('a Service keeps its allocations, and releases those that its type no longer has', async (t) => {
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
  t.equal(taker.status, 201, 'its node port is released');
});

t.test(
  'a load balancer without allocated node ports takes none of others, and none outside of the range',
  async (t) => {
    await using server = await TestServer.start();
    const post = (name: string, spec: object, query = '') =>
      server.call('POST', `${SERVICES}${query}`, { body: service(name, spec) });
    const asking = (nodePort?: number) => ({ ports: [{ port: 80, ...(nodePort && { nodePort }) }] });
    const balancer = (nodePort?: number) => ({
      ...{ type: 'LoadBalancer', allocateLoadBalancerNodePorts: false },
      ...asking(nodePort),
    });
    const patch = (name: string, spec: object) =>
      server.call('PATCH', `${SERVICES}/${name}`, { type: MERGE, body: { spec } });
    t.equal((await post('victim', { type: 'NodePort', ...asking(30500) })).status, 201);
    const taken = { code: 422, message: /spec.ports\[0\].nodePort: .* provided port is already allocated/ };
    const outside = { code: 422, message: /spec.ports\[0\].nodePort: .* valid ports is 30000-32767/ };
    for (const query of ['', '?dryRun=All']) {
      t.match((await post('thief', balancer(30500), query)).body, taken);
      t.match((await post('thief', balancer(22), query)).body, outside);
    }
    const none = await post('balancer', balancer());
    t.equal(specOf(none).ports[0]?.nodePort, undefined);
    t.match((await patch('balancer', balancer(30500))).body, taken);
    t.match((await patch('balancer', balancer(6443))).body, outside);
    t.equal(specOf(await patch('balancer', balancer(30501))).ports[0]?.nodePort, 30501);
    t.match((await post('other', { type: 'NodePort', ...asking(30501) })).body, taken);
    t.equal(specOf(await patch('balancer', balancer())).ports[0]?.nodePort, undefined, 'released as upstream');
    t.equal((await post('other', { type: 'NodePort', ...asking(30501) })).status, 201);

    const allocated = specOf(await post('kept', { type: 'LoadBalancer' })).ports[0]?.nodePort;
    const switched = await patch('kept', { allocateLoadBalancerNodePorts: false });
    t.equal(specOf(switched).ports[0]?.nodePort, allocated, 'allocated ports are kept until they are removed');
    t.match((await post('third', { type: 'NodePort', ...asking(allocated) })).body, taken);
  },
);

t.test('a Service deleted by an update releases its own allocations only', async (t) => {
  await using server = await TestServer.start();
  const nodePort = (port: number) => ({ type: 'NodePort', ports: [{ port: 80, nodePort: port }] });
  const post = (name: string, port: number) => server.call('POST', SERVICES, { body: service(name, nodePort(port)) });
  t.equal((await post('victim', 30500)).status, 201);
  const created = await server.call('POST', SERVICES, {
    body: { ...service('thief', nodePort(30501)), metadata: { name: 'thief', finalizers: ['example.com/wait'] } },
  });
  t.equal(created.status, 201);
  t.equal((await server.call('DELETE', `${SERVICES}/thief`)).status, 200);
  const last = await server.call('PATCH', `${SERVICES}/thief`, {
    type: MERGE,
    body: { metadata: { finalizers: null }, spec: nodePort(30500) },
  });
  t.equal(last.status, 200, last.text);
  t.equal((await server.call('GET', `${SERVICES}/thief`)).status, 404);
  t.match((await post('heir', 30500)).body, { code: 422, message: /30500: provided port is already allocated/ });
  t.equal((await post('heir', 30501)).status, 201);
});

const NO_DUAL_STACK =
  'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services';
const notHere = (index: number) => `spec.ipFamilies[${index}]: Invalid value: "IPv6": not configured on this cluster`;
const SINGLE_OF_TWO =
  `spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' ` +
  'when multiple IP families are specified';
const causesOf = ({ body }: Answer) =>
  (body as { details?: { causes?: { field: string; message: string }[] } }).details?.causes?.map(
    ({ field, message }) => `${field}: ${message}`,
  );
const familiesOf = ({ body }: Answer) => {
  const { ipFamilyPolicy, ipFamilies = [] } = body.spec as { ipFamilyPolicy?: string; ipFamilies?: string[] };
  return [ipFamilyPolicy, ...ipFamilies];
};

t.test('an IPv4 cluster rejects Services that require IPv6, and accepts those that prefer it', async (t) => {
  await using server = await TestServer.start();
  const post = (name: string, spec: object) => server.call('POST', SERVICES, { body: service(name, spec) });
  const selector = { app: 'x' };
  const refused: [object, ...string[]][] = [
    [{ ipFamilyPolicy: 'RequireDualStack' }, NO_DUAL_STACK],
    [{ ipFamilyPolicy: 'RequireDualStack', clusterIP: 'None', selector }, NO_DUAL_STACK],
    [{ ipFamilies: ['IPv6'] }, notHere(0)],
    [{ ipFamilies: ['IPv6'], clusterIP: 'None', selector }, notHere(0)],
    [{ ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv4', 'IPv6'] }, notHere(1)],
    [{ ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'] }, NO_DUAL_STACK, notHere(1)],
    [{ ipFamilies: ['IPv4', 'IPv6'] }, SINGLE_OF_TWO],
    [{ ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4', 'IPv6'], clusterIP: 'None' }, SINGLE_OF_TWO],
    [
      { clusterIP: 'fd00::1' },
      'spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster',
    ],
    [
      { clusterIP: '10.43.0.30', clusterIPs: ['10.43.0.30', 'fd00::1'], ipFamilyPolicy: 'PreferDualStack' },
      'spec.clusterIPs[1]: Invalid value: ["10.43.0.30","fd00::1"]: IPv6 is not configured on this cluster',
    ],
    [
      { clusterIP: '10.43.0.30', clusterIPs: ['10.43.0.30', '10.43.0.31'], ipFamilyPolicy: 'PreferDualStack' },
      'spec.clusterIPs: Invalid value: ["10.43.0.30","10.43.0.31"]: may specify no more than one IP for each IP family',
    ],
    [
      { clusterIPs: ['10.43.0.30'] },
      'spec.clusterIPs: Invalid value: ["10.43.0.30"]: must be empty when `clusterIP` is not specified',
    ],
    [
      { clusterIP: 'None', clusterIPs: ['None', '10.43.0.30'] },
      `spec.clusterIPs: Invalid value: ["None","10.43.0.30"]: 'None' must be the first and only value`,
    ],
    [
      { clusterIP: '10.43.0.30', ipFamilies: ['IPv6'] },
      'spec.clusterIPs[0]: Invalid value: "10.43.0.30": expected an IPv6 value as indicated by `ipFamilies[0]`',
    ],
    [
      { type: 'ExternalName', externalName: 'a.b', ipFamilyPolicy: 'SingleStack' },
      'spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services',
    ],
  ];
  for (const [spec, ...causes] of refused) {
    const answer = await post('refused', spec);
    t.equal(answer.status, 422, JSON.stringify(spec));
    t.strictSame(causesOf(answer), causes, JSON.stringify(spec));
  }
  const taken: [object, ...string[]][] = [
    [{}, 'SingleStack', 'IPv4'],
    [{ ipFamilyPolicy: 'PreferDualStack' }, 'PreferDualStack', 'IPv4'],
    [{ clusterIP: '10.43.0.30' }, 'SingleStack', 'IPv4'],
    [{ clusterIP: 'None', selector }, 'SingleStack', 'IPv4'],
    [{ clusterIP: 'None', selector, ipFamilyPolicy: 'PreferDualStack' }, 'PreferDualStack', 'IPv4'],
    [{ clusterIP: 'None' }, 'RequireDualStack', 'IPv4', 'IPv6'],
    [{ clusterIP: 'None', ipFamilies: ['IPv6'] }, 'RequireDualStack', 'IPv6', 'IPv4'],
    [{ clusterIP: 'None', ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'] }, 'SingleStack', 'IPv6'],
  ];
  for (const [index, [spec, ...families]] of taken.entries()) {
    const answer = await post(`taken${index}`, spec);
    t.equal(answer.status, 201, JSON.stringify(spec));
    t.strictSame(familiesOf(answer), families, JSON.stringify(spec));
  }
});

t.test("an update is validated against the cluster's IP families, and keeps omitted fields", async (t) => {
  await using server = await TestServer.start();
  const post = (name: string, spec: object) => server.call('POST', SERVICES, { body: service(name, spec) });
  const put = (name: string, spec: object) => server.call('PUT', `${SERVICES}/${name}`, { body: service(name, spec) });
  const patch = (name: string, spec: object) =>
    server.call('PATCH', `${SERVICES}/${name}`, { type: MERGE, body: { spec } });

  const { clusterIP } = specOf(await post('a', { ipFamilyPolicy: 'PreferDualStack' }));
  t.strictSame(familiesOf(await put('a', { selector: { app: 'x' } })), ['PreferDualStack', 'IPv4']);
  t.strictSame(causesOf(await patch('a', { ipFamilyPolicy: 'RequireDualStack' })), [NO_DUAL_STACK]);
  t.strictSame(causesOf(await patch('a', { ipFamilies: ['IPv4', 'IPv6'] })), [notHere(1)]);
  t.strictSame(causesOf(await patch('a', { ipFamilies: ['IPv6'] })), [
    `spec.clusterIPs[0]: Invalid value: "${clusterIP}": expected an IPv6 value as indicated by \`ipFamilies[0]\``,
    'spec.ipFamilies[0]: Invalid value: ["IPv6"]: may not change once set',
  ]);
  t.strictSame(familiesOf(await patch('a', { ipFamilyPolicy: 'SingleStack' })), ['SingleStack', 'IPv4']);
  t.strictSame(causesOf(await patch('a', { clusterIP: '10.43.0.99' })), [
    'spec.clusterIPs[0]: Invalid value: ["10.43.0.99"]: may not change once set',
  ]);
  const named = await patch('a', { type: 'ExternalName', externalName: 'a.b', clusterIP: null });
  t.strictSame(familiesOf(named), [undefined], 'ExternalName has no families');
  const again = await patch('a', { type: 'ClusterIP', externalName: null });
  t.strictSame(familiesOf(again), ['SingleStack', 'IPv4']);
  t.ok(specOf(again).clusterIP);

  await post('headless', { clusterIP: 'None' });
  t.strictSame(causesOf(await patch('headless', { selector: { app: 'x' } })), [NO_DUAL_STACK, notHere(1)]);
  t.strictSame(causesOf(await patch('headless', { ipFamilies: ['IPv4'] })), [
    `spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be 'SingleStack' to release the secondary IP family`,
  ]);
  t.strictSame(familiesOf(await patch('headless', { ipFamilies: ['IPv6', 'IPv4'] })), [
    'RequireDualStack',
    'IPv6',
    'IPv4',
  ]);
  t.strictSame(familiesOf(await patch('headless', { ipFamilyPolicy: 'SingleStack' })), ['SingleStack', 'IPv6']);
});

t.test('a stored Service with unsupported families can still be updated and deleted', async (t) => {
  const stored: ServiceSpec = {
    type: 'ClusterIP',
    clusterIP: '10.43.0.30',
    clusterIPs: ['10.43.0.30'],
    ipFamilyPolicy: 'RequireDualStack',
    ipFamilies: ['IPv4'],
  };
  t.strictSame(initIPFamilies({ ...stored, selector: { app: 'x' } }, stored, ['IPv4']), []);
  t.strictSame(initIPFamilies({ ...stored, ipFamilyPolicy: 'SingleStack' }, stored, ['IPv4']), []);
  t.equal(initIPFamilies({ ...stored, type: 'NodePort' }, stored, ['IPv4']).length, 1, 'rejected when requested anew');
});
