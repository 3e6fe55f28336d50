/** What a Service is in the table of nftables, by table. */
import t from 'tap';
import { compileService } from '../../../../agent/network/services/backends/nftables/compile-service.ts';
import {
  BASE_CHAINS,
  fixedChains,
  fixedSets,
  objectsOf,
} from '../../../../agent/network/services/backends/nftables/layout.ts';
import { TableLedger, type LedgerOptions } from '../../../../agent/network/netfilter/nft-table/table-ledger.ts';
import { changeCommands, readTable } from '../../../../agent/network/netfilter/nft-table/table-text.ts';
import type { ServiceEntry } from '../../../../agent/network/services/model/service-entry.ts';
import {
  CLUSTER_CIDR,
  entryOf,
  IPV6_CLUSTER_CIDR,
  SERVICE_CIDR,
  type Shape,
} from '../../../support/service-entries.ts';

const RANGES = { cluster: CLUSTER_CIDR, services: SERVICE_CIDR };
const TABLE = { family: 'ip', name: 'kube-proxy' } as const;

/** Hashes in names, and digests and comments of rules, are none of what the rows are about. */
const plain = (text: string): string =>
  text.replace(/ comment "[^"]*"/g, '').replace(/-[0-9a-f]{16}-default\/web\/(tcp|udp)\/web/g, '');
/** `map: key : value`, but for the set of cluster IPs and what is there for hairpins. */
const elementsOf = (entry: ServiceEntry): string[] =>
  compileService(entry, RANGES)
    .elements.filter(({ container }) => !['cluster-ips', 'hairpin-connections'].includes(container))
    .map(({ container, key, tail }) => plain(`${container}: ${key}${tail}`));
const chainsOf = (entry: ServiceEntry): Record<string, string[]> =>
  Object.fromEntries(
    [...compileService(entry, RANGES).chains].map(([name, rules]) => [plain(name), rules.map((text) => plain(text))]),
  );

const here = '10.42.0.1';
const elsewhere = { ip: '10.42.1.1', node: 'node-1' };
const leaving = { ip: '10.42.0.9', conditions: { ready: false, serving: true, terminating: true } };

const ROWS: readonly (readonly [title: string, shape: Shape, elements: readonly string[]])[] = [
  ['no endpoints: nothing but its cluster IP, whose ports are all rejected', {}, []],
  [
    'endpoints by a random number',
    { endpoints: [here, elsewhere] },
    [
      'endpoints-2: 10.43.0.5 . tcp . 80 . 0 : 10.42.0.1 . 8080',
      'endpoints-2: 10.43.0.5 . tcp . 80 . 1 : 10.42.1.1 . 8080',
      'service-ips: 10.43.0.5 . tcp . 80 : goto endpoints-2',
    ],
  ],
  [
    'those that terminate serve while no other is ready',
    { endpoints: [leaving], protocol: 'UDP' },
    [
      'endpoints-1: 10.43.0.5 . udp . 80 . 0 : 10.42.0.9 . 8080',
      'service-ips: 10.43.0.5 . udp . 80 : goto endpoints-1',
    ],
  ],
  [
    'internalTrafficPolicy Local without an endpoint here',
    { endpoints: [elsewhere], spec: { internalTrafficPolicy: 'Local' } },
    ['no-endpoint-services: 10.43.0.5 . tcp . 80 : drop'],
  ],
  [
    'internalTrafficPolicy Local with one',
    { endpoints: [here, elsewhere], spec: { internalTrafficPolicy: 'Local' } },
    [
      'endpoints-1: 10.43.0.5 . tcp . 80 . 0 : 10.42.0.1 . 8080',
      'service-ips: 10.43.0.5 . tcp . 80 : goto endpoints-1',
    ],
  ],
  [
    'an external IP, whose packets are masqueraded',
    { endpoints: [here], spec: { externalIPs: ['192.0.2.1'] } },
    [
      'endpoints-1: 10.43.0.5 . tcp . 80 . 0 : 10.42.0.1 . 8080',
      'service-ips: 10.43.0.5 . tcp . 80 : goto endpoints-1',
      'endpoints-1: 192.0.2.1 . tcp . 80 . 0 : 10.42.0.1 . 8080',
      'service-ips: 192.0.2.1 . tcp . 80 : goto external-endpoints-1',
    ],
  ],
  [
    'a node port, whose packets are masqueraded',
    { endpoints: [here], nodePort: 30080 },
    [
      'endpoints-1: 10.43.0.5 . tcp . 80 . 0 : 10.42.0.1 . 8080',
      'service-ips: 10.43.0.5 . tcp . 80 : goto endpoints-1',
      'nodeport-endpoints-1: tcp . 30080 . 0 : 10.42.0.1 . 8080',
      'service-nodeports: tcp . 30080 : goto nodeport-endpoints-1',
    ],
  ],
  ['a node port without endpoints', { nodePort: 30080 }, ['no-endpoint-nodeports: tcp . 30080 : goto reject-chain']],
  [
    'externalTrafficPolicy Local without an endpoint here',
    { endpoints: [elsewhere], nodePort: 30080, spec: { externalTrafficPolicy: 'Local' } },
    [
      'endpoints-1: 10.43.0.5 . tcp . 80 . 0 : 10.42.1.1 . 8080',
      'service-ips: 10.43.0.5 . tcp . 80 : goto endpoints-1',
      'no-endpoint-nodeports: tcp . 30080 : drop',
      'service-nodeports: tcp . 30080 : goto external',
    ],
  ],
  [
    'session affinity',
    { endpoints: [here], spec: { sessionAffinity: 'ClientIP' } },
    ['service-ips: 10.43.0.5 . tcp . 80 : goto cluster'],
  ],
  [
    'addresses of the service range are not taken as external ones',
    { endpoints: [here], ingress: ['10.43.0.9'], spec: { type: 'LoadBalancer', externalIPs: ['10.43.0.1'] } },
    [
      'endpoints-1: 10.43.0.5 . tcp . 80 . 0 : 10.42.0.1 . 8080',
      'service-ips: 10.43.0.5 . tcp . 80 : goto endpoints-1',
    ],
  ],
];
for (const [title, shape, wanted] of ROWS)
  t.test(`elements: ${title}`, async (t) => t.strictSame(elementsOf(entryOf(shape)), wanted));

t.test(
  'under externalTrafficPolicy Local, pods and the node reach all endpoints, and others those of this node',
  async (t) => {
    const shape = { endpoints: [here, elsewhere], nodePort: 30080, spec: { externalTrafficPolicy: 'Local' } as const };
    t.strictSame(chainsOf(entryOf(shape)), {
      cluster: ['meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.42.0.1 . 8080, 1 : 10.42.1.1 . 8080 }'],
      local: ['meta l4proto tcp dnat ip to numgen random mod 1 map { 0 : 10.42.0.1 . 8080 }'],
      external: [
        'ip saddr 10.42.0.0/16 goto cluster',
        'fib saddr type local jump mark-for-masquerade',
        'fib saddr type local goto cluster',
        'goto local',
      ],
    });
    t.strictSame(
      chainsOf(entryOf({ ...shape, endpoints: [elsewhere] }))['external']?.length,
      3,
      'none here: dropped later',
    );
  },
);

t.test('a client goes on to the endpoint that it had, for as long as the Service says', async (t) => {
  const sessionAffinityConfig = { clientIP: { timeoutSeconds: 10 } };
  const entry = entryOf({ endpoints: [here], spec: { sessionAffinity: 'ClientIP', sessionAffinityConfig } });
  t.strictSame(chainsOf(entry), {
    endpoint: ['update @affinity { ip saddr }', 'meta l4proto tcp dnat to 10.42.0.1:8080'],
    cluster: ['ip saddr @affinity goto endpoint', 'numgen random mod 1 vmap { 0 : goto endpoint }'],
  });
  const { sets } = compileService(entry, RANGES);
  t.strictSame([...sets.values()], ['set { type ipv4_addr; flags dynamic,timeout; timeout 10s; }']);
});

t.test('what may be the source of its own connection: endpoints that are not known to be elsewhere', async (t) => {
  const { elements } = compileService(
    entryOf({ endpoints: [here, elsewhere, { ip: '10.42.0.3', node: null }] }),
    RANGES,
  );
  t.strictSame(
    elements.filter(({ container }) => container === 'hairpin-connections').map(({ key }) => key),
    ['10.42.0.1 . 10.42.0.1', '10.42.0.3 . 10.42.0.3'],
  );
});

t.test('source ranges of a load balancer', async (t) => {
  const of = (...loadBalancerSourceRanges: string[]) =>
    entryOf({
      ...{ endpoints: [here], ingress: ['203.0.113.7'] },
      spec: { type: 'LoadBalancer', loadBalancerSourceRanges },
    });
  t.strictSame(chainsOf(of('10.0.0.0/8', '192.0.2.0/24')), {
    firewall: ['ip saddr { 10.0.0.0/8, 192.0.2.0/24 } return', 'drop'],
  });
  t.ok(elementsOf(of('10.0.0.0/8')).includes('firewall-ips: 203.0.113.7 . tcp . 80 : goto firewall'));
  t.strictSame(chainsOf(of('2001:db8::/32')), { firewall: ['drop'] }, 'none of the family: nobody is admitted');
  t.strictSame(chainsOf(of()), {});
});

t.test(
  'names and comments are of a length that the kernel takes, however long the names of the Service are',
  async (t) => {
    const long = 'n'.repeat(63);
    const entry = entryOf({
      ...{ name: long, endpoints: [here], nodePort: 30080 },
      spec: { sessionAffinity: 'ClientIP', externalTrafficPolicy: 'Local' },
    });
    const { chains, sets, elements } = compileService(entry, RANGES);
    for (const name of [...chains.keys(), ...sets.keys()]) t.ok(name.length < 128, name);
    const comments = [...chains.values()].flat().concat(elements.map(({ tail }) => tail));
    for (const text of comments) t.ok((/comment "([^"]*)"/.exec(text)?.[1]?.length ?? 0) < 128, text);
  },
);

const options = (chainReleaseMs = 0, now = () => 0): LedgerOptions => ({
  sets: fixedSets('IPv4'),
  chains: () => fixedChains('IPv4', RANGES),
  objectsOf: (container) => objectsOf('IPv4', container),
  ...{ chainReleaseMs, now },
});
function writer(ledger: TableLedger) {
  return (services: Readonly<Record<string, ServiceEntry | undefined>>): string[] => {
    ledger.put(new Map(Object.entries(services).map(([key, entry]) => [key, entry && compileService(entry, RANGES)])));
    const change = ledger.pending();
    if (change) ledger.written(change);
    return change ? changeCommands(TABLE, BASE_CHAINS, change).map(plain) : [];
  };
}
const many = Object.fromEntries(
  Array.from({ length: 5000 }, (_, index) => [
    `default/s${index}`,
    entryOf({ name: `s${index}`, clusterIP: `10.43.${(index >> 8) + 1}.${index & 255}`, endpoints: [here, elsewhere] }),
  ]),
);

t.test('a change of one Service among thousands writes its elements alone', async (t) => {
  const write = writer(new TableLedger(options()));
  write(many);
  const key = '10.43.1.7 . tcp . 80';
  const entry = (...endpoints: string[]) => entryOf({ name: 's7', clusterIP: '10.43.1.7', endpoints });
  t.strictSame(write({ 'default/s7': entry(here, '10.42.1.2') }), [
    `delete element ip kube-proxy endpoints-2 { ${key} . 1 }`,
    'add element ip kube-proxy hairpin-connections { 10.42.1.2 . 10.42.1.2 }',
    `add element ip kube-proxy endpoints-2 { ${key} . 1 : 10.42.1.2 . 8080 }`,
  ]);
  t.strictSame(write({ 'default/s7': entry(here, '10.42.1.2') }), [], 'the same again');
  t.strictSame(write({ 'default/s7': undefined }), [
    'delete element ip kube-proxy hairpin-connections { 10.42.1.2 . 10.42.1.2 }',
    `delete element ip kube-proxy endpoints-2 { ${key} . 0, ${key} . 1 }`,
    `delete element ip kube-proxy service-ips { ${key} }`,
    'delete element ip kube-proxy cluster-ips { 10.43.1.7 }',
  ]);
});

t.test('what the last Service of so many endpoints leaves is removed with it', async (t) => {
  const write = writer(new TableLedger(options()));
  write({ a: entryOf({ endpoints: [here] }) });
  const lines = write({ a: entryOf({ endpoints: [here, elsewhere] }) });
  for (const line of ['delete chain ip kube-proxy endpoints-1', 'delete map ip kube-proxy endpoints-1'])
    t.ok(lines.includes(line), line);
});

t.test('kernels that keep chains for a moment are asked to remove them later', async (t) => {
  let now = 0;
  const write = writer(new TableLedger(options(1000, () => now)));
  const endpoints = (entry: ServiceEntry | undefined) =>
    write({ a: entry }).filter((line) => line.includes('chain ip kube-proxy endpoints-1'));
  endpoints(entryOf({ endpoints: [here] }));
  t.strictSame(endpoints(undefined), ['flush chain ip kube-proxy endpoints-1']);
  now = 999;
  t.strictSame(endpoints(undefined), []);
  now = 1000;
  t.strictSame(endpoints(undefined), ['delete chain ip kube-proxy endpoints-1']);
  endpoints(entryOf({ endpoints: [here] }));
  endpoints(undefined);
  now = 1500;
  t.strictSame(endpoints(entryOf({ endpoints: [here] })), [], 'it is wanted again');
  now = 3000;
  t.strictSame(endpoints(entryOf({ endpoints: [here] })), []);
});

t.test('of two Services that claim one address and port, one has it, and the other when that is gone', async (t) => {
  const write = writer(new TableLedger(options()));
  const claim = (name: string, endpoint: string) => entryOf({ name, endpoints: [endpoint] });
  write({ b: claim('b', '10.42.0.2') });
  const target = (lines: string[]) => lines.filter((line) => line.startsWith('add element ip kube-proxy endpoints-1'));
  t.match(target(write({ a: claim('a', here) })), [/10\.42\.0\.1 \. 8080/], 'the first by name');
  t.match(target(write({ a: undefined })), [/10\.42\.0\.2 \. 8080/]);
});

t.test('what a program lists that is not understood is taken for nothing that is wanted', async (t) => {
  const state = readTable([
    { metainfo: { version: '9' } },
    { map: { name: 'service-ips', elem: [[{ concat: ['10.43.0.5', 'tcp', 80] }, { accept: null }]] } },
    { chain: { name: 'services' } },
    { rule: { chain: 'services' } },
    { flowtable: { name: 'x' } },
  ]);
  t.strictSame([...(state.elements.get('service-ips') ?? [])], [['10.43.0.5 . tcp . 80', ' : {"accept":null}']]);
  const ledger = new TableLedger(options());
  ledger.put(new Map([['a', compileService(entryOf({ endpoints: [here] }), RANGES)]]));
  t.strictSame([...ledger.adopt(state).keys()], ['a']);
  const input = changeCommands(TABLE, BASE_CHAINS, ledger.pending()!)
    .map((line) => `${line}\n`)
    .join('');
  t.match(input, 'delete element ip kube-proxy service-ips { 10.43.0.5 . tcp . 80 }');
  t.match(input, 'flush chain ip kube-proxy services\n');
});

t.test('IPv6 has its own words, and no loopback to guard', async (t) => {
  const entry = entryOf({ clusterIP: 'fd00:43::5', endpoints: ['fd00:42::2'], spec: { sessionAffinity: 'ClientIP' } });
  const { chains } = compileService(entry, { cluster: IPV6_CLUSTER_CIDR, services: undefined });
  t.match([...chains.values()].flat().join('\n'), /dnat to \[fd00:42::2\]:8080/);
  const fixed = fixedChains('IPv6', { cluster: IPV6_CLUSTER_CIDR, services: undefined });
  t.notMatch([...fixed.values()].flat().join('\n'), /\bip (s|d)addr|127\.|icmp port/);
});
