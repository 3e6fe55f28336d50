/** Services that are too much for a transaction, and one Service that is too much for a node. */
import t from 'tap';
import { Netfilter } from '../../../../agent/network/netfilter/netfilter.ts';
import { TABLES } from '../../../../agent/network/services/backends/nftables/layout.ts';
import type { ProxyMode } from '../../../../agent/network/services/backends/proxy-mode.ts';
import { proxyModes } from '../../../../agent/network/services/backends/proxy-modes.ts';
import { serviceEntry, serviceFacts, sliceFacts } from '../../../../agent/network/services/model/service-facts.ts';
import { MAX_ENDPOINTS_PER_PORT, MAX_PAIRS } from '../../../../agent/network/services/model/service-limits.ts';
import { MemoryNft } from '../../../support/memory-nft.ts';
import { DEFAULT_IPVS, ipvsHost } from '../../../../agent/network/services/backends/ipvs/ipvs-host.ts';
import { MemoryTables } from '../../../support/memory-tables.ts';
import { connectionsOf, tableConnectionsOf } from '../../../support/proxy-backend-contract.ts';
import { CLUSTER_CIDR, entryOf, SERVICE_CIDR } from '../../../support/service-entries.ts';
import type { ServiceSpec } from '../../../../api/types/core/v1.gen.ts';

const addresses = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `10.42.${index >> 8}.${index & 255}`);

function makeBackend(mode: ProxyMode) {
  const [tables, nft] = [new MemoryTables(), new MemoryNft()];
  const backend = proxyModes[mode]({
    clusterCidr: CLUSTER_CIDR,
    netfilter: new Netfilter(tables),
    nft,
    ipvs: ipvsHost('IPv4', DEFAULT_IPVS, new AbortController().signal),
  });
  return {
    backend,
    program: mode === 'iptables' ? tables : nft,
    connections: async () =>
      mode === 'iptables' ? connectionsOf(await tables.save('nat')) : tableConnectionsOf(await nft.list(TABLES.IPv4)),
  };
}

for (const [mode, limit] of [
  ['iptables', 60_000],
  ['nftables', 20_000],
] as const) {
  t.test(`${mode}: a transaction that takes too long is made of smaller ones`, async (t) => {
    const { backend, program, connections } = makeBackend(mode);
    program.maxInput = limit;
    const services = new Map(
      Array.from({ length: 200 }, (_, index) => {
        const name = `s${index}`;
        return [`default/${name}`, entryOf({ name, clusterIP: `10.43.1.${index}`, endpoints: ['10.42.0.2'] })] as const;
      }),
    );
    const large = entryOf({ name: 'large', clusterIP: '10.43.2.1', endpoints: addresses(1_000) });
    services.set('default/large', large);
    const { rejected } = await backend.sync({ services, serviceRange: SERVICE_CIDR });
    t.same([...rejected.keys()], ['default/large'], 'one that is too much alone is left out');
    t.equal((await connections()).length, 200, 'all others are in force');
    program.maxInput = Infinity;
    t.equal(
      (await backend.sync({ services: new Map([['default/large', large]]), serviceRange: SERVICE_CIDR })).rejected.size,
      0,
    );
    t.equal((await connections()).length, 1_200, 'until it passes');

    program.maxInput = 0;
    const change = new Map([['default/s7', entryOf({ name: 's7', clusterIP: '10.43.1.7', endpoints: ['10.42.0.3'] })]]);
    if (mode === 'nftables')
      await t.rejects(backend.sync({ services: change, serviceRange: SERVICE_CIDR }), { name: 'ProgramError' });
  });
}

const cost = (spec: ServiceSpec, ports: number, endpoints: number, nodeName = 'node-0') => {
  const named = Array.from({ length: ports }, (_, index) => ({ name: `p${index}`, port: index + 1 }));
  const facts = serviceFacts(
    { metadata: { namespace: 'default', name: 'big' }, spec: { clusterIP: '10.43.0.9', ports: named, ...spec } },
    ['IPv4'],
  );
  const slice = sliceFacts(
    {
      metadata: { namespace: 'default', labels: { 'kubernetes.io/service-name': 'big' } },
      addressType: 'IPv4',
      ports: named,
      endpoints: addresses(endpoints).map((address) => ({ addresses: [address] })),
    },
    nodeName,
  );
  return serviceEntry(facts!, [slice], 'IPv4', { nodeName })!;
};

t.test('no Service is more than a node can take', (t) => {
  const externalIPs = Array.from({ length: 50_000 }, (_, index) => `198.51.${index >> 8}.${index & 255}`);
  const rows: [what: string, entry: ReturnType<typeof cost>, served: number][] = [
    ['65,535 ports without endpoints', cost({}, 65_535, 0), 65_535],
    ['50,000 endpoints', cost({}, 1, 50_000), 1],
    ['thousands of ports and of endpoints', cost({}, 2_000, 1_000), 99],
    ['addresses by the thousand', cost({ externalIPs }, 3, 1), 0],
    ['addresses and no endpoints', cost({ externalIPs }, 3, 0), 1],
  ];
  for (const [what, { ports, portsLeftOut, externalIPs: outside }, served] of rows) {
    t.equal(ports.length, served, what);
    const pairs = ports.reduce((sum, { cluster }) => sum + (1 + outside.length) * cluster.length, 0);
    t.ok(pairs <= MAX_PAIRS, `${pairs} pairs`);
    t.equal(portsLeftOut > 0, what !== '65,535 ports without endpoints' && what !== '50,000 endpoints');
  }
  t.end();
});

t.test('of too many endpoints each node has its own part, which hardly changes when one goes', (t) => {
  const part = (count: number, nodeName: string): Set<string> =>
    new Set(cost({}, 1, count, nodeName).ports[0]!.cluster.map(({ ip }) => ip.text));
  const parts = Array.from({ length: 20 }, (_, index) => part(10_000, `node-${index}`));
  for (const one of parts) t.equal(one.size, MAX_ENDPOINTS_PER_PORT);
  const all = parts.reduce((sum, one) => sum.union(one), new Set<string>());
  t.ok(all.size > 9_990, `${all.size} of 10,000 are used by 20 nodes`);
  t.ok(part(9_999, 'node-0').symmetricDifference(parts[0]!).size <= 2);
  t.equal(cost({}, 1, 10_000).ports[0]?.endpoints.length, 10_000, 'UDP flows to the others are no stale ones');
  t.end();
});
