/** One Service in both IP families: the model, and the proxy with a backend per family. */
import { test, type Test } from 'tap';
import { parseFlow, isStale, expectedFlows } from '../../../../agent/network/services/conntrack/udp-flows.ts';
import type { ProxyBackend, ProxyChanges } from '../../../../agent/network/services/backends/proxy-backend.ts';
import { compileService } from '../../../../agent/network/services/backends/iptables/compile-service.ts';
import { dispatchChains } from '../../../../agent/network/services/backends/iptables/shared-chains.ts';
import { socketText, type ServiceEntry } from '../../../../agent/network/services/model/service-entry.ts';
import { serviceEntry, serviceFacts, sliceFacts } from '../../../../agent/network/services/model/service-facts.ts';
import { ServiceCache } from '../../../../agent/network/service-cache.ts';
import { ServiceProxy } from '../../../../agent/network/services/service-proxy.ts';
import type { IpFamily } from '../../../../api/domain/address.ts';
import type { Service } from '../../../../api/types/core/v1.gen.ts';
import { ApiClient } from '../../../../client/api-client.ts';
import { silent } from '../../../support/https-server.ts';
import { MemoryApi } from '../../../support/memory-api.ts';
import {
  entryOf,
  IPV6_CLUSTER_CIDR,
  IPV6_SERVICE_CIDR,
  SERVICE_CIDR,
  UNOBSERVED,
} from '../../../support/service-entries.ts';
import { eventually } from '../../../support/wait.ts';

const BOTH = ['IPv4', 'IPv6'] as const;
const SERVICE: Service = {
  metadata: { namespace: 'default', name: 'web', uid: 'u' },
  spec: {
    type: 'LoadBalancer',
    clusterIP: '10.43.0.5',
    clusterIPs: ['10.43.0.5', 'fd00:43::5'],
    ports: [{ port: 80, protocol: 'TCP', nodePort: 30080 }],
    externalIPs: ['192.0.2.1', '2001:db8::1'],
    loadBalancerSourceRanges: ['192.0.2.0/24'],
  },
  status: { loadBalancer: { ingress: [{ ip: '203.0.113.7' }, { ip: '2001:db8::7' }] } },
};
const slice = (addressType: 'IPv4' | 'IPv6' | 'FQDN', ...addresses: string[]) => ({
  metadata: { namespace: 'default', name: `web-${addressType}`, labels: { 'kubernetes.io/service-name': 'web' } },
  addressType,
  ports: [{ port: 8080, protocol: 'TCP' as const }],
  endpoints: addresses.map((address) => ({ addresses: [address], nodeName: 'n' })),
});

test('each family has its own addresses and endpoints', async (t) => {
  const facts = serviceFacts(SERVICE, BOTH)!;
  t.same(facts.problems, []);
  const slices = [slice('IPv4', '10.42.0.2', 'fd00:42::66'), slice('IPv6', 'fd00:42::2'), slice('FQDN', 'a.example')];
  const entryIn = (family: IpFamily) =>
    serviceEntry(
      facts,
      slices.map((each) => sliceFacts(each, 'n')),
      family,
    )!;
  const told = ({ clusterIP, externalIPs, loadBalancerIPs, loadBalancerSources, ports }: ServiceEntry) => ({
    clusterIP: clusterIP.text,
    outside: [...externalIPs, ...loadBalancerIPs].map(({ text }) => text),
    sources: loadBalancerSources?.map(({ text }) => text),
    endpoints: ports.flatMap(({ endpoints }) => endpoints.map(({ ip, port }) => socketText(ip, port))),
  });
  t.same(told(entryIn('IPv4')), {
    clusterIP: '10.43.0.5',
    outside: ['192.0.2.1', '203.0.113.7'],
    sources: ['192.0.2.0/24'],
    endpoints: ['10.42.0.2:8080'],
  });
  t.same(told(entryIn('IPv6')), {
    clusterIP: 'fd00:43::5',
    outside: ['2001:db8::1', '2001:db8::7'],
    sources: [],
    endpoints: ['[fd00:42::2]:8080'],
  });
  const single = serviceFacts({ ...SERVICE, spec: { ...SERVICE.spec, clusterIPs: ['fd00:43::5'] } }, BOTH)!;
  t.equal(serviceEntry(single, [], 'IPv4'), undefined);
  t.equal(serviceFacts({ ...SERVICE, spec: { ...SERVICE.spec, clusterIPs: ['fd00:43::5'] } }, ['IPv4']), undefined);
});

test('256 IPv6 addresses share a chain that is named after them', async (t) => {
  const chainOf = (clusterIP: string): string =>
    compileService(entryOf({ clusterIP, endpoints: ['fd00:42::2'] }), {
      cluster: IPV6_CLUSTER_CIDR,
      services: IPV6_SERVICE_CIDR,
    }).shared.map(({ chain }) => chain)[0] ?? '';
  const chain = chainOf('fd00:43::5');
  t.equal(chain.length, 28, "the kernel's maximum length");
  t.equal(chainOf('fd00:43::ff'), chain);
  t.not(chainOf('fd00:43::100'), chain);
  const networks = ['fd00:43::5', 'fd00:43::17:0', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'].map(chainOf);
  t.same(dispatchChains('nat', networks, undefined).get('KUBE-SERVICES')?.toSorted(), [
    `-d 2001:db8:ffff:ffff:ffff:ffff:ffff:ff00/120 -j ${networks[2]}`,
    `-d fd00:43::/120 -j ${networks[0]}`,
    `-d fd00:43::17:0/120 -j ${networks[1]}`,
  ]);
});

test('IPv6 UDP flows are parsed, and stale once their endpoint is removed', async (t) => {
  const line =
    'udp      17 25 src=fd00:42::9 dst=fd00:43::10 sport=40000 dport=53 src=fd00:42::2 dst=fd00:42::9 sport=5353 dport=40000 mark=0';
  const flow = parseFlow(line, 'IPv6')!;
  const service = (endpoint: string) =>
    entryOf({ clusterIP: 'fd00:43::10', protocol: 'UDP', port: 53, targetPort: 5353, endpoints: [endpoint] });
  const stale = (endpoint: string) => isStale(flow, expectedFlows([service(endpoint)]), expectedFlows([]), () => false);
  t.notOk(stale('fd00:42::2'));
  t.ok(stale('fd00:42::3'));
});

/** Records its calls, and fails while the test says so. */
class RecordingBackend implements ProxyBackend {
  readonly family: IpFamily;
  readonly sysctls = [];
  readonly watched = [];
  readonly services = new Map<string, ServiceEntry>();
  range: ProxyChanges['serviceRange'];
  calls = 0;
  isBroken = false;
  constructor(family: IpFamily) {
    this.family = family;
  }
  async sync({ services, serviceRange }: ProxyChanges) {
    this.calls++;
    if (this.isBroken) throw new Error('no such tables');
    this.range = serviceRange;
    for (const [key, service] of services) {
      if (service) this.services.set(key, service);
      else this.services.delete(key);
    }
    return { wrote: services.size > 0, rejected: new Map<string, Error>() };
  }
  async verify() {
    return true;
  }
  async remove() {}
}

async function startProxy(t: Test) {
  const api = await MemoryApi.start();
  const client = new ApiClient({ server: api.url });
  const stop = new AbortController();
  const backends = BOTH.map((family) => new RecordingBackend(family));
  const start = () => {
    const cache = new ServiceCache({ client, logger: silent, nodeName: 'n', families: BOTH });
    const proxy = new ServiceProxy({
      ...{ cache, backends, nodeName: 'n', serviceRanges: [SERVICE_CIDR], dataDir: t.testdir(), logger: silent },
      events: { event: () => undefined },
      ...UNOBSERVED,
    });
    const running = Promise.all([cache.run(stop.signal), proxy.run(stop.signal)]);
    t.teardown(async () => {
      stop.abort();
      await running.catch(() => undefined);
      await client[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    });
  };
  const [ipv4, ipv6] = backends;
  return { api, start, ipv4: ipv4!, ipv6: ipv6! };
}

test('a failing family does not block the other', async (t) => {
  const { api, start, ipv4, ipv6 } = await startProxy(t);
  ipv6.isBroken = true;
  api.put('services', SERVICE);
  api.put('endpointslices', slice('IPv4', '10.42.0.2'));
  start();
  await eventually('the IPv4 Service', () => ipv4.services.has('default/web'));
  await eventually('a failure', () => ipv6.calls > 0);
  t.equal(ipv6.services.size, 0);

  api.put('services', { ...SERVICE, metadata: { ...SERVICE.metadata, name: 'kubernetes' } });
  await eventually('another one', () => ipv4.services.has('default/kubernetes'));
  await eventually('the range', () => ipv4.range?.text === SERVICE_CIDR.text);
  const calls = ipv4.calls;
  api.put('endpointslices', slice('IPv6', 'fd00:42::2'));
  ipv6.isBroken = false;
  await eventually(
    'the IPv6 Service with its endpoint',
    () => ipv6.services.get('default/web')?.ports[0]?.endpoints[0],
  );
  t.equal(ipv6.range, undefined, 'an IPv4 range');
  t.equal(ipv4.calls, calls, 'IPv6 endpoints do not concern IPv4');
});
