/** Addresses and values by which traffic would be led where it must not go: proxies, endpoints, Services. */
import { badRequest, invalid, status, type HostileRequest } from '../table.ts';

const MERGE = 'application/merge-patch+json';
const SLICES = '/apis/discovery.k8s.io/v1/namespaces/team/endpointslices?dryRun=All';
const slice = (address: string, addressType = 'IPv4') => ({
  metadata: { name: 'a' },
  addressType,
  endpoints: [{ addresses: [address] }],
  ports: [{ name: '', port: 6443 }],
});
const endpoint = (
  name: string,
  address: string,
  addressType?: string,
  expect: HostileRequest['expect'] = { code: 422, reason: 'Invalid' },
) => ({ name, as: 'pat', request: `POST ${SLICES}`, body: slice(address, addressType), expect }) as const;
const proxied = (name: string, target: string, expect: HostileRequest['expect']) =>
  ({ name, as: 'pat', request: `GET ${target}`, expect }) as const;

export const PROXIES = [
  endpoint(
    'an endpoint on the loopback',
    '127.0.0.1',
    'IPv4',
    invalid(/endpoints\[0\]\.addresses\[0\]: Invalid value: "127\.0\.0\.1": may not be in the loopback range/),
  ),
  endpoint('an endpoint on another loopback', '127.1.2.3'),
  endpoint('an endpoint that is no address', '0'),
  endpoint('an endpoint of all addresses', '0.0.0.0'),
  endpoint('an endpoint that is link-local', '169.254.169.254'),
  endpoint('an endpoint in octal', '0177.0.0.1'),
  endpoint('an endpoint of one number', '2130706433'),
  endpoint('an endpoint on ::1', '::1', 'IPv6'),
  endpoint('an endpoint on 0::1', '0::1', 'IPv6'),
  endpoint('an endpoint on ::ffff:127.0.0.1', '::ffff:127.0.0.1', 'IPv6'),
  endpoint('an endpoint with a zone', 'fe80::1%lo', 'IPv6'),
  endpoint('an endpoint of all addresses in IPv6', '::', 'IPv6'),
  endpoint('an endpoint with a blank', ' 10.0.0.1'),
  endpoint('an address type constructor', '10.0.0.1', 'constructor'),
  {
    name: 'Endpoints on the loopback',
    as: 'pat',
    request: 'POST /api/v1/namespaces/team/endpoints?dryRun=All',
    body: { metadata: { name: 'a' }, subsets: [{ addresses: [{ ip: '127.0.0.1' }], ports: [{ port: 6443 }] }] },
    expect: invalid(
      /subsets\[0\]\.addresses\[0\]\.ip: Invalid value: "127\.0\.0\.1": may not be in the loopback range/,
    ),
  },
  proxied('a service that is not there', '/api/v1/namespaces/team/services/constructor/proxy/', {
    code: 404,
    reason: 'NotFound',
  }),
  proxied(
    'a service without endpoints',
    '/api/v1/namespaces/team/services/web/proxy/',
    status(503, 'ServiceUnavailable', 'no endpoints available for service "web"'),
  ),
  proxied(
    'a port that the service has not',
    '/api/v1/namespaces/team/services/web:81/proxy/',
    status(503, 'ServiceUnavailable', 'no service port 81 found for service "web"'),
  ),
  proxied(
    'a scheme that is none',
    '/api/v1/namespaces/team/services/file:web:80/proxy/',
    badRequest('invalid service request "file:web:80"'),
  ),
  proxied(
    'a name of four parts',
    '/api/v1/namespaces/team/services/http:web:80:1/proxy/',
    badRequest('invalid service request "http:web:80:1"'),
  ),
  proxied('a pod without an address', '/api/v1/namespaces/team/pods/web/proxy/', badRequest('address not allowed')),
  proxied('a pod whose port is none', '/api/v1/namespaces/team/pods/web:99999/proxy/', {
    code: 400,
    reason: 'BadRequest',
  }),
  proxied('a node that is not there', '/api/v1/nodes/constructor/proxy/', { code: 404, reason: 'NotFound' }),
  proxied('a port of a node on the loopback', '/api/v1/nodes/node-a:6443/proxy/', badRequest('address not allowed')),
  proxied(
    'bytes that are no UTF-8 behind a node',
    '/api/v1/nodes/node-a/proxy/%ff%c0%af',
    badRequest('address not allowed'),
  ),
  {
    name: 'a command on a node by who may only look',
    as: 'uma',
    request: 'GET /api/v1/nodes/node-a/proxy/exec/team/web/main?command=id',
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'an address of a pod that is none',
    as: 'pat',
    request: 'PATCH /api/v1/namespaces/team/pods/web/status?dryRun=All',
    type: MERGE,
    body: { status: { podIP: 'constructor', podIPs: [{ ip: 'constructor' }] } },
    expect: { code: 422, reason: 'Invalid' },
  },
] as const satisfies readonly HostileRequest[];

const service = (name: string, spec: object, expect: HostileRequest['expect'] = { code: 422, reason: 'Invalid' }) =>
  ({
    name,
    as: 'pat',
    request: 'POST /api/v1/namespaces/team/services?dryRun=All',
    body: { metadata: { name: 'a' }, spec: { ports: [{ port: 80 }], ...spec } },
    expect,
  }) as const;

export const SERVICE_VALUES = [
  service(
    'a source range of the other family',
    { type: 'LoadBalancer', loadBalancerSourceRanges: ['fd00::/8'] },
    { code: 201 },
  ),
  service(
    'a source range with a line end',
    { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8\n'] },
    { code: 201 },
  ),
  service('a source range of 33 bits', { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/33'] }),
  service('a source range that is a rule', {
    type: 'LoadBalancer',
    loadBalancerSourceRanges: ['10.0.0.0/8 -j ACCEPT'],
  }),
  service('a cluster address outside of the range', { clusterIP: '8.8.8.8' }),
  service('a cluster address that is the loopback', { clusterIP: '127.0.0.1' }),
  service('a cluster address in octal', { clusterIP: '10.043.0.9' }),
  service('a cluster address constructor', { clusterIP: 'constructor' }),
  service(
    'an external address on the loopback',
    { externalIPs: ['127.0.0.1'] },
    invalid(/spec\.externalIPs\[0\]: Invalid value: "127\.0\.0\.1": may not be in the loopback range/),
  ),
  service('an external address that is link-local', { externalIPs: ['169.254.169.254'] }),
  service('an external address with a blank', { externalIPs: ['192.0.2.1 '] }),
  service('an external name that is a path', { type: 'ExternalName', externalName: '../etc' }),
  service('a port 0', { ports: [{ port: 0 }] }),
  service('a port 65536', { ports: [{ port: 65_536 }] }),
  service('a port that is half', { ports: [{ port: 80.5 }] }, { code: 400, reason: 'BadRequest' }),
  service('a target port with a line end', { ports: [{ port: 80, targetPort: 'http\n' }] }),
  service(
    'a node port outside of the range',
    { type: 'NodePort', ports: [{ port: 80, nodePort: 22 }] },
    invalid(
      /spec\.ports\[0\]\.nodePort: Invalid value: 22: provided port is not in the valid range\. The range of valid ports is 30000-32767$/,
    ),
  ),
  service(
    'a protocol constructor',
    { ports: [{ port: 80, protocol: 'constructor' }] },
    invalid(/spec\.ports\[0\]\.protocol: Unsupported value: "constructor": supported values: "SCTP", "TCP", "UDP"/),
  ),
  service('a type __proto__', { type: '__proto__' }),
  service('an affinity constructor', { sessionAffinity: 'constructor' }),
  service('a selector that is a rule', { selector: { app: 'web; iptables -F' } }),
  {
    name: "a load balancer's address that is none",
    as: 'pat',
    request: 'PATCH /api/v1/namespaces/team/services/web/status?dryRun=All',
    type: MERGE,
    body: { status: { loadBalancer: { ingress: [{ ip: 'constructor' }] } } },
    expect: { code: 422, reason: 'Invalid' },
  },
] as const satisfies readonly HostileRequest[];
