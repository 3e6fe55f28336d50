/** Services on a cluster whose service network has both IP families: what they get, what may change, and what is said otherwise. */
import t from 'tap';
import type { ServiceSpec } from '../../../api/types/core/v1.gen.ts';
import { DEFAULT_SERVICE_NETWORK } from '../../../control-plane/apiserver/storage/allocation/service-allocation.ts';
import { eventually } from '../../support/wait.ts';
import { SERVICES, TestServer, type Answer } from './server.ts';

t.setTimeout(120_000);

const MERGE = 'application/merge-patch+json';
const ADDRESSES = '/apis/networking.k8s.io/v1/ipaddresses';
const [V4, V6] = ['10.43.0.0/16', 'fd00:43::/112'];
const selector = { app: 'x' };

const start = (serviceCIDR: string, directory?: string) =>
  TestServer.start({ network: { ...DEFAULT_SERVICE_NETWORK, serviceCIDR }, ...(directory && { directory }) });
function callsOf(server: TestServer) {
  const body = (name: string, spec: object) => ({ metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } });
  return {
    post: (name: string, spec: object = {}) => server.call('POST', SERVICES, { body: body(name, spec) }),
    put: (name: string, spec: object) => server.call('PUT', `${SERVICES}/${name}`, { body: body(name, spec) }),
    patch: (name: string, spec: object) => server.call('PATCH', `${SERVICES}/${name}`, { type: MERGE, body: { spec } }),
    remove: (name: string) => server.call('DELETE', `${SERVICES}/${name}`),
    allocated: async (): Promise<readonly string[]> =>
      ((await server.call('GET', ADDRESSES)).body.items ?? []).map(({ metadata }) => String(metadata?.name)).sort(),
  };
}
const specOf = ({ body }: Answer) => body.spec as ServiceSpec;
const causesOf = ({ body }: Answer): string[] =>
  ((body as { details?: { causes?: { field: string; message: string }[] } }).details?.causes ?? []).map(
    ({ field, message }) => `${field}: ${message}`,
  );
const familyOf = (ip: string): string => (ip.includes(':') ? 'IPv6' : 'IPv4');

/** The policy, the families, and the families of its addresses, or `None`. */
function told(answer: Answer): string {
  const { ipFamilyPolicy, ipFamilies = [], clusterIP, clusterIPs = [] } = specOf(answer);
  if (clusterIP !== clusterIPs[0]) return `clusterIP ${clusterIP} is not the first of ${clusterIPs.join()}`;
  const addresses = clusterIPs.map((ip) => (ip === 'None' ? ip : familyOf(ip)));
  return `${ipFamilyPolicy} ${ipFamilies.join()} ${addresses.join()}`;
}

const CREATED: readonly [ServiceSpec, string][] = [
  [{}, 'SingleStack IPv4 IPv4'],
  [{ ipFamilies: ['IPv6'] }, 'SingleStack IPv6 IPv6'],
  [{ ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'] }, 'SingleStack IPv6 IPv6'],
  [{ ipFamilyPolicy: 'PreferDualStack' }, 'PreferDualStack IPv4,IPv6 IPv4,IPv6'],
  [{ ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv6'] }, 'PreferDualStack IPv6,IPv4 IPv6,IPv4'],
  [{ ipFamilyPolicy: 'RequireDualStack' }, 'RequireDualStack IPv4,IPv6 IPv4,IPv6'],
  [{ ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'] }, 'RequireDualStack IPv6,IPv4 IPv6,IPv4'],
  [{ ipFamilyPolicy: 'RequireDualStack', type: 'NodePort' }, 'RequireDualStack IPv4,IPv6 IPv4,IPv6'],
  [{ ipFamilyPolicy: 'PreferDualStack', type: 'LoadBalancer' }, 'PreferDualStack IPv4,IPv6 IPv4,IPv6'],
  [{ clusterIP: 'fd00:43::77' }, 'SingleStack IPv6 IPv6'],
  [{ clusterIP: '10.43.0.77', ipFamilyPolicy: 'PreferDualStack' }, 'PreferDualStack IPv4,IPv6 IPv4,IPv6'],
  [
    { clusterIP: 'fd00:43::78', clusterIPs: ['fd00:43::78', '10.43.0.78'], ipFamilyPolicy: 'RequireDualStack' },
    'RequireDualStack IPv6,IPv4 IPv6,IPv4',
  ],
  [{ clusterIP: 'None', selector }, 'SingleStack IPv4 None'],
  [{ clusterIP: 'None', selector, ipFamilyPolicy: 'PreferDualStack' }, 'PreferDualStack IPv4,IPv6 None'],
  [{ clusterIP: 'None', selector, ipFamilies: ['IPv6'] }, 'SingleStack IPv6 None'],
  [{ clusterIP: 'None' }, 'RequireDualStack IPv4,IPv6 None'],
  [{ clusterIP: 'None', ipFamilies: ['IPv6'] }, 'RequireDualStack IPv6,IPv4 None'],
  [{ clusterIP: 'None', ipFamilyPolicy: 'SingleStack' }, 'SingleStack IPv4 None'],
  [{ type: 'ExternalName', externalName: 'a.b' }, 'undefined  '],
];

const POLICY = (policy: string): string => `spec.ipFamilyPolicy: Invalid value: "${policy}"`;
const REFUSED: readonly [ServiceSpec, ...string[]][] = [
  [
    { ipFamilies: ['IPv4', 'IPv6'] },
    `${POLICY('SingleStack')}: must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified`,
  ],
  [
    { clusterIP: '10.43.0.90', clusterIPs: ['10.43.0.90', 'fd00:43::90'] },
    `${POLICY('SingleStack')}: must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified`,
  ],
  [{ ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv6'] }, 'spec.ipFamilies[1]: Duplicate value: "IPv6"'],
  [
    {
      ...{ ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'] },
      ...{ clusterIP: 'fd00:43::91', clusterIPs: ['fd00:43::91'] },
    },
    'spec.clusterIPs[0]: Invalid value: "fd00:43::91": expected an IPv4 value as indicated by `ipFamilies[0]`',
  ],
  [
    { clusterIP: 'fd00:44::1' },
    'spec.clusterIPs: Invalid value: ["fd00:44::1"]: failed to allocate IP fd00:44::1: the provided IP (fd00:44::1) is not in the valid range. The range of valid IPs is fd00:43::/112',
  ],
  [
    { clusterIP: 'fd00:43::' },
    'spec.clusterIPs: Invalid value: ["fd00:43::"]: failed to allocate IP fd00:43::: the provided IP (fd00:43::) is not in the valid range. The range of valid IPs is fd00:43::/112',
  ],
];

t.test('a Service gets the families and addresses that it asks for', async (t) => {
  await using server = await start(`${V4},${V6}`);
  const { post, remove, allocated } = callsOf(server);
  for (const [index, [spec, wanted]] of CREATED.entries()) {
    const answer = await post(`a${index}`, spec);
    t.equal(told(answer), wanted, JSON.stringify(spec));
    const { clusterIPs = [] } = specOf(answer);
    const addresses = clusterIPs.filter((ip) => ip !== 'None').sort();
    t.strictSame(await allocated(), addresses, 'each of its addresses is an object, and no other');
    await remove(`a${index}`);
    t.strictSame(await allocated(), []);
  }
  for (const [spec, ...causes] of REFUSED) {
    const answer = await post('refused', spec);
    t.equal(answer.status, 422, JSON.stringify(spec));
    t.strictSame(causesOf(answer), causes, JSON.stringify(spec));
    t.strictSame(await allocated(), [], 'what is refused allocates nothing');
  }
});

t.test('the first family of the service network is that of Services that do not say', async (t) => {
  await using server = await start(`${V6},${V4}`);
  const { post } = callsOf(server);
  t.equal(told(await post('a')), 'SingleStack IPv6 IPv6');
  t.equal(told(await post('b', { ipFamilyPolicy: 'PreferDualStack' })), 'PreferDualStack IPv6,IPv4 IPv6,IPv4');
  t.equal(told(await post('c', { clusterIP: 'None' })), 'RequireDualStack IPv6,IPv4 None');
});

t.test('a cluster of IPv6 alone has no other Services', async (t) => {
  await using server = await start(V6);
  const { post } = callsOf(server);
  t.equal(told(await post('a', { ipFamilyPolicy: 'PreferDualStack' })), 'PreferDualStack IPv6 IPv6');
  t.strictSame(causesOf(await post('b', { ipFamilies: ['IPv4'] })), [
    'spec.ipFamilies[0]: Invalid value: "IPv4": not configured on this cluster',
  ]);
  t.strictSame(causesOf(await post('b', { clusterIP: '10.43.0.5' })), [
    'spec.clusterIPs[0]: Invalid value: ["10.43.0.5"]: IPv4 is not configured on this cluster',
  ]);
});

t.test('an update adds the second family, and releases it when the policy says so', async (t) => {
  await using server = await start(`${V4},${V6}`);
  const { post, put, patch, allocated } = callsOf(server);
  const { clusterIP: first = '' } = specOf(await post('a'));
  const both = await patch('a', { ipFamilyPolicy: 'RequireDualStack' });
  t.equal(told(both), 'RequireDualStack IPv4,IPv6 IPv4,IPv6');
  const clusterIPs = specOf(both).clusterIPs ?? [];
  t.equal(clusterIPs[0], first);
  t.strictSame(specOf(await put('a', { selector })).clusterIPs, clusterIPs, 'what an update leaves out is kept');
  t.strictSame(await allocated(), clusterIPs.toSorted());

  const another = [first, 'fd00:43::99'];
  t.strictSame(causesOf(await patch('a', { clusterIPs: another })), [
    `spec.clusterIPs[1]: Invalid value: ${JSON.stringify(another)}: may not change once set`,
  ]);
  t.strictSame(causesOf(await patch('a', { ipFamilies: ['IPv6', 'IPv4'] })).slice(-2), [
    'spec.ipFamilies[0]: Invalid value: ["IPv6","IPv4"]: may not change once set',
    'spec.ipFamilies[1]: Invalid value: ["IPv6","IPv4"]: may not change once set',
  ]);
  t.strictSame(causesOf(await patch('a', { clusterIPs: [first] })), [
    `${POLICY('RequireDualStack')}: must be set to 'SingleStack' when releasing the secondary clusterIP`,
  ]);
  t.strictSame(causesOf(await patch('a', { ipFamilies: ['IPv4'] })), [
    `${POLICY('RequireDualStack')}: must be set to 'SingleStack' when releasing the secondary ipFamily`,
  ]);
  t.strictSame(await allocated(), clusterIPs.toSorted(), 'what is refused changes nothing');

  t.equal(told(await patch('a', { ipFamilyPolicy: 'SingleStack' })), 'SingleStack IPv4 IPv4');
  t.strictSame(await allocated(), [first], 'the second address is released');
  const asked = await patch('a', { ipFamilyPolicy: 'PreferDualStack', clusterIPs: another });
  t.strictSame(specOf(asked).clusterIPs, another, 'one that is asked for');
  t.strictSame(specOf(asked).ipFamilies, ['IPv4', 'IPv6']);
  t.equal(told(await patch('a', { type: 'ExternalName', externalName: 'a.b', clusterIP: null })), 'undefined  ');
  t.strictSame(await allocated(), []);
});

t.test(
  'a cluster that becomes dual-stack changes no Service until it is told to, and can become single-stack again',
  async (t) => {
    const before = await start(V4);
    await callsOf(before).post('prefers', { ipFamilyPolicy: 'PreferDualStack' });
    await callsOf(before).post('single');
    await before.stop();
    const { directory } = before;
    {
      const server = await start(`${V4},${V6}`, directory);
      const { patch } = callsOf(server);
      t.equal(told(await patch('prefers', { selector })), 'PreferDualStack IPv4 IPv4');
      t.equal(told(await patch('single', { selector })), 'SingleStack IPv4 IPv4');
      const upgraded = await patch('prefers', { ipFamilies: ['IPv4', 'IPv6'] });
      t.equal(told(upgraded), 'PreferDualStack IPv4,IPv6 IPv4,IPv6');
      await server.stop();
    }
    await using server = await start(V4, directory);
    const { patch, remove, allocated } = callsOf(server);
    t.equal(told(await patch('prefers', { selector: { app: 'y' } })), 'PreferDualStack IPv4,IPv6 IPv4,IPv6');
    t.equal((await allocated()).length, 3);
    for (const name of ['prefers', 'single']) await remove(name);
    await eventually('all addresses to be released', async () => (await allocated()).length === 0);
  },
);

t.test('any written form of an address is the one address', async (t) => {
  await using server = await start(`${V4},${V6}`);
  const { post, allocated } = callsOf(server);
  t.equal((await post('a', { clusterIP: 'fd00:43:0::0:55' })).status, 201);
  t.strictSame(await allocated(), ['fd00:43::55']);
  t.match(causesOf(await post('b', { clusterIP: 'FD00:43::55' })), [/provided IP is already allocated$/]);
});
