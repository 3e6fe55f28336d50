/** What a Service is in mode ipvs, by table, and how the kernel's virtual servers follow. */
import t from 'tap';
import { IpAddress } from '../../../../api/domain/address.ts';
import { Netfilter } from '../../../../agent/network/netfilter/netfilter.ts';
import { compileService } from '../../../../agent/network/services/backends/ipvs/compile-service.ts';
import { readConnections } from '../../../../agent/network/services/backends/ipvs/ipvsadm.ts';
import { readSaved } from '../../../../agent/network/services/backends/ipvs/virtual-servers.ts';
import { proxyModes } from '../../../../agent/network/services/backends/proxy-modes.ts';
import type { ServiceEntry } from '../../../../agent/network/services/model/service-entry.ts';
import { MemoryIpvs } from '../../../support/memory-ipvs.ts';
import { MemoryNft } from '../../../support/memory-nft.ts';
import { MemoryTables } from '../../../support/memory-tables.ts';
import {
  CLUSTER_CIDR,
  entryOf,
  IPV6_CLUSTER_CIDR,
  IPV6_SERVICE_CIDR,
  SERVICE_CIDR,
  type Shape,
} from '../../../support/service-entries.ts';

const NODE_ADDRESS = '192.0.2.10';
const NODE: Parameters<typeof compileService>[1] = {
  ...{ cluster: CLUSTER_CIDR, services: SERVICE_CIDR, scheduler: 'rr', otherNodes: [] },
  addresses: [NODE_ADDRESS].flatMap((text) => IpAddress.parse(text) ?? []),
};

/** `-t 10.43.0.5:80 rr -> 10.42.0.1:8080 x1`, addresses, and `map: key : value`. Hairpins and comments are none of what rows are about. */
function partsOf(entry: ServiceEntry, node = NODE): string[] {
  const { servers, addresses, table } = compileService(entry, node);
  return [
    ...Array.from(servers, ([name, { options, realServers }]) => {
      const reals = Array.from(realServers, ([real, weight]) => `${real} x${weight}`);
      return `${name} ${options.replace('-s ', '')} -> ${reals.join(' ')}`;
    }),
    ...Array.from(addresses, (address) => `address ${address}`),
    ...table.elements
      .filter(({ container }) => !['cluster-ips', 'service-addresses', 'hairpin-connections'].includes(container))
      .map(({ container, key, tail }) => `${container}: ${key}${tail.replace(/ comment "[^"]*"/, '')}`)
      .map((text) => text.replace(/firewall-[0-9a-f]{16}/, 'firewall')),
  ];
}

const here = '10.42.0.1';
const elsewhere = { ip: '10.42.1.1', node: 'node-1' };
const leaving = { ip: '10.42.0.9', conditions: { ready: false, serving: true, terminating: true } };
const CLUSTER_IP = ['address 10.43.0.5', 'service-ips: 10.43.0.5 . tcp . 80'] as const;

const ROWS: readonly (readonly [title: string, shape: Shape, parts: readonly string[]])[] = [
  ['no endpoints: an address without a virtual server, which is rejected', {}, ['address 10.43.0.5']],
  [
    'a real server for each endpoint',
    { endpoints: [here, elsewhere] },
    ['-t 10.43.0.5:80 rr -> 10.42.0.1:8080 x1 10.42.1.1:8080 x1', ...CLUSTER_IP],
  ],
  [
    'those that terminate keep what they have while others are ready',
    { endpoints: [here, leaving] },
    ['-t 10.43.0.5:80 rr -> 10.42.0.9:8080 x0 10.42.0.1:8080 x1', ...CLUSTER_IP],
  ],
  [
    'and serve while no other is ready',
    { endpoints: [leaving], protocol: 'UDP' },
    ['-u 10.43.0.5:80 rr -> 10.42.0.9:8080 x1', 'address 10.43.0.5', 'service-ips: 10.43.0.5 . udp . 80'],
  ],
  [
    'SCTP',
    { endpoints: [here], protocol: 'SCTP' },
    ['--sctp-service 10.43.0.5:80 rr -> 10.42.0.1:8080 x1', 'address 10.43.0.5', 'service-ips: 10.43.0.5 . sctp . 80'],
  ],
  [
    'session affinity is persistence',
    { endpoints: [here], spec: { sessionAffinity: 'ClientIP' } },
    ['-t 10.43.0.5:80 rr -p 10800 -> 10.42.0.1:8080 x1', ...CLUSTER_IP],
  ],
  [
    'internalTrafficPolicy Local without an endpoint here',
    { endpoints: [elsewhere], spec: { internalTrafficPolicy: 'Local' } },
    ['address 10.43.0.5', 'no-endpoint-services: 10.43.0.5 . tcp . 80 : drop'],
  ],
  [
    'a node port at each address of the host, masqueraded',
    { endpoints: [elsewhere], nodePort: 30080 },
    [
      '-t 10.43.0.5:80 rr -> 10.42.1.1:8080 x1',
      '-t 192.0.2.10:30080 rr -> 10.42.1.1:8080 x1',
      ...CLUSTER_IP,
      'masquerade-nodeports: tcp . 30080',
    ],
  ],
  [
    'externalTrafficPolicy Local: those inside go on to the cluster IP, and no source is changed',
    {
      endpoints: [here, elsewhere],
      nodePort: 30080,
      spec: { externalTrafficPolicy: 'Local', externalIPs: ['203.0.113.7'] },
    },
    [
      '-t 10.43.0.5:80 rr -> 10.42.0.1:8080 x1 10.42.1.1:8080 x1',
      '-t 203.0.113.7:80 rr -> 10.42.0.1:8080 x1',
      '-t 192.0.2.10:30080 rr -> 10.42.0.1:8080 x1',
      'address 10.43.0.5',
      'address 203.0.113.7',
      'service-ips: 10.43.0.5 . tcp . 80',
      'service-ips: 203.0.113.7 . tcp . 80',
      'inside-ips: 203.0.113.7 . tcp . 80 : 10.43.0.5 . 80',
      'inside-nodeports: tcp . 30080 : 10.43.0.5 . 80',
    ],
  ],
  [
    'without an endpoint here, those outside are dropped',
    { endpoints: [elsewhere], nodePort: 30080, spec: { externalTrafficPolicy: 'Local', externalIPs: ['203.0.113.7'] } },
    [
      '-t 10.43.0.5:80 rr -> 10.42.1.1:8080 x1',
      'address 10.43.0.5',
      'address 203.0.113.7',
      'service-ips: 10.43.0.5 . tcp . 80',
      'no-endpoint-services: 203.0.113.7 . tcp . 80 : drop',
      'inside-ips: 203.0.113.7 . tcp . 80 : 10.43.0.5 . 80',
      'no-endpoint-nodeports: tcp . 30080 : drop',
      'inside-nodeports: tcp . 30080 : 10.43.0.5 . 80',
    ],
  ],
  [
    'a load balancer with source ranges',
    {
      ...{ endpoints: [here], ingress: ['203.0.113.7'] },
      spec: { type: 'LoadBalancer', loadBalancerSourceRanges: ['198.51.100.0/24'] },
    },
    [
      '-t 10.43.0.5:80 rr -> 10.42.0.1:8080 x1',
      '-t 203.0.113.7:80 rr -> 10.42.0.1:8080 x1',
      'address 10.43.0.5',
      'address 203.0.113.7',
      'service-ips: 10.43.0.5 . tcp . 80',
      'service-ips: 203.0.113.7 . tcp . 80',
      'masquerade-ips: 203.0.113.7 . tcp . 80',
      'firewall-ips: 203.0.113.7 . tcp . 80 : goto firewall-default/web',
    ],
  ],
  [
    'an external IP that the host has itself stays its own at all other ports',
    { endpoints: [here], spec: { externalIPs: [NODE_ADDRESS] } },
    [
      '-t 10.43.0.5:80 rr -> 10.42.0.1:8080 x1',
      '-t 192.0.2.10:80 rr -> 10.42.0.1:8080 x1',
      'address 10.43.0.5',
      'service-ips: 10.43.0.5 . tcp . 80',
      'service-ips: 192.0.2.10 . tcp . 80',
      'masquerade-ips: 192.0.2.10 . tcp . 80',
    ],
  ],
  [
    'addresses of the service CIDR cannot be claimed as external ones',
    { endpoints: [here], ingress: ['10.43.0.1'], spec: { type: 'LoadBalancer', externalIPs: ['10.43.255.254'] } },
    ['-t 10.43.0.5:80 rr -> 10.42.0.1:8080 x1', ...CLUSTER_IP],
  ],
];

for (const [title, shape, parts] of ROWS) t.test(title, async (t) => void t.strictSame(partsOf(entryOf(shape)), parts));

t.test('IPv6 sockets are written in brackets', async (t) => {
  const entry = entryOf({ clusterIP: 'fd00:43::5', endpoints: ['fd00:42::1'] });
  const node = {
    ...NODE,
    cluster: IPV6_CLUSTER_CIDR,
    services: IPV6_SERVICE_CIDR,
    scheduler: 'mh',
    addresses: [],
  } as const;
  t.strictSame(partsOf(entry, node), [
    '-t [fd00:43::5]:80 mh -> [fd00:42::1]:8080 x1',
    'address fd00:43::5',
    'service-ips: fd00:43::5 . tcp . 80',
  ]);
});

t.test('what ipvsadm prints is read back; what does not translate is of another program', async (t) => {
  const saved = readSaved(
    [
      '-A -t 10.43.0.5:80 -s rr',
      '-a -t 10.43.0.5:80 -r 10.42.0.2:8080 -m -w 1',
      '-A -t 198.51.100.1:443 -s wlc',
      '-a -t 198.51.100.1:443 -r 198.51.100.2:443 -g -w 1',
      '-A -t [fd00:43::5]:80 -s wlc -p 600',
      '-a -t [fd00:43::5]:80 -r [fd00:42::2]:8080 -m -w 0',
      '-A -u 10.43.0.5:53 -s rr -p 10800',
      '',
    ].join('\n'),
  );
  t.strictSame(
    Array.from(saved, ([name, { options, weights }]) => [name, options, Object.fromEntries(weights)]),
    [
      ['-t 10.43.0.5:80', '-s rr', { '10.42.0.2:8080': 1 }],
      ['-t [fd00:43::5]:80', '-s wlc -p 600', { '[fd00:42::2]:8080': 0 }],
      ['-u 10.43.0.5:53', '-s rr -p 10800', {}],
    ],
  );
  const counts = readConnections(
    [
      'IP Virtual Server version 1.2.1 (size=4096)',
      'Prot LocalAddress:Port Scheduler Flags',
      '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn',
      'TCP  10.43.0.5:80 rr',
      '  -> 10.42.0.2:8080               Masq    1      3          17        ',
      '  -> 10.42.0.3:8080               Masq    0      0          0         ',
      'UDP  [fd00:43::5]:53 rr persistent 10800',
      '  -> [fd00:42::2]:8080            Masq    1      0          2         ',
    ].join('\n'),
  );
  t.strictSame(
    Array.from(counts, ([name, reals]) => [name, Object.fromEntries(reals)]),
    [
      ['-t 10.43.0.5:80', { '10.42.0.2:8080': 20, '10.42.0.3:8080': 0 }],
      ['-u [fd00:43::5]:53', { '[fd00:42::2]:8080': 2 }],
    ],
  );
});

function start(ipvs = new MemoryIpvs('IPv4')) {
  const netfilter = new Netfilter(new MemoryTables('IPv4'));
  const backend = proxyModes.ipvs({ clusterCidr: CLUSTER_CIDR, nft: new MemoryNft(), netfilter, ipvs: ipvs.host });
  const put = (shape: Shape | undefined) =>
    backend.sync({ services: new Map([['default/web', shape && entryOf(shape)]]), serviceRange: SERVICE_CIDR });
  /** By real server, the weight. */
  const weights = (name = '-t 10.43.0.5:80') => Object.fromEntries(ipvs.servers.get(name)?.weights ?? []);
  return { ipvs, backend, put, weights };
}

t.test('an endpoint that goes keeps its connections, and is removed once it has none', async (t) => {
  const { ipvs, backend, put, weights } = start();
  await put({ endpoints: ['10.42.0.1', '10.42.0.2'] });
  ipvs.connections.set('10.42.0.2:8080', 1);
  await put({ endpoints: ['10.42.0.1'] });
  t.strictSame(weights(), { '10.42.0.1:8080': 1, '10.42.0.2:8080': 0 });
  t.ok(await backend.verify(), 'which is as it should be');
  t.strictSame(weights(), { '10.42.0.1:8080': 1, '10.42.0.2:8080': 0 });
  await start(ipvs).put({ endpoints: ['10.42.0.1'] });
  t.strictSame(weights(), { '10.42.0.1:8080': 1, '10.42.0.2:8080': 0 }, 'also when the agent starts again');
  await put({ endpoints: ['10.42.0.1', '10.42.0.2'] });
  t.strictSame(weights(), { '10.42.0.1:8080': 1, '10.42.0.2:8080': 1 }, 'it may come back');
  await put({ endpoints: ['10.42.0.1'] });
  ipvs.connections.clear();
  t.ok(await backend.verify());
  t.strictSame(weights(), { '10.42.0.1:8080': 1 });
});

t.test('a UDP endpoint that goes is removed at once, and kept while it terminates', async (t) => {
  const { ipvs, put, weights } = start();
  const udp = { protocol: 'UDP' } as const;
  await put({ ...udp, endpoints: [leaving.ip, here] });
  ipvs.connections.set('10.42.0.9:8080', 1);
  await put({ ...udp, endpoints: [leaving, here] });
  t.strictSame(weights('-u 10.43.0.5:80'), { '10.42.0.1:8080': 1, '10.42.0.9:8080': 0 });
  await put({ ...udp, endpoints: [here] });
  t.strictSame(weights('-u 10.43.0.5:80'), { '10.42.0.1:8080': 1 });
});

t.test('one endpoint more is one line', async (t) => {
  const { ipvs, put } = start();
  await put({ endpoints: ['10.42.0.1'] });
  ipvs.lines.length = 0;
  await put({ endpoints: ['10.42.0.1', '10.42.0.2'] });
  t.strictSame(ipvs.lines, ['-a -t 10.43.0.5:80 -r 10.42.0.2:8080 -m -w 1']);
  ipvs.lines.length = 0;
  await put({ endpoints: ['10.42.0.1', '10.42.0.2'], spec: { sessionAffinity: 'ClientIP' } });
  t.strictSame(ipvs.lines, ['-E -t 10.43.0.5:80 -s rr -p 10800'], 'a virtual server is changed, not replaced');
});

t.test('node ports follow the addresses of the host', async (t) => {
  const { ipvs, backend, put } = start();
  ipvs.hostAddresses = [NODE_ADDRESS];
  await put({ endpoints: [here], nodePort: 30080 });
  t.ok(ipvs.servers.has('-t 192.0.2.10:30080'));
  ipvs.hostAddresses = ['192.0.2.11'];
  t.notOk(await backend.verify());
  await backend.sync({ services: new Map(), serviceRange: SERVICE_CIDR });
  t.strictSame([...ipvs.servers.keys()], ['-t 10.43.0.5:80', '-t 192.0.2.11:30080']);
});

t.test('when another mode serves, what open connections need stays until they end', async (t) => {
  const { ipvs, backend, put } = start();
  await put({ endpoints: [here] });
  await backend.sync({
    services: new Map([['default/api', entryOf({ name: 'api', clusterIP: '10.43.0.50', endpoints: ['10.42.0.2'] })]]),
    serviceRange: SERVICE_CIDR,
  });
  ipvs.connections.set('10.42.0.1:8080', 1);
  const next = start(ipvs).backend;
  t.equal(await next.retire?.(), false);
  t.strictSame([...ipvs.servers.keys()], ['-t 10.43.0.5:80']);
  t.strictSame([...(ipvs.addresses ?? [])], ['10.43.0.5']);
  ipvs.connections.clear();
  t.equal(await next.retire?.(), true);
  t.strictSame([ipvs.servers.size, ipvs.addresses], [0, undefined]);
});

t.test('the addresses of other nodes stay theirs, whatever Service has them', (t) => {
  const shape = { endpoints: [here], spec: { externalIPs: ['192.0.2.10', '192.0.2.11', '192.0.2.12'] } };
  const otherNodes = ['192.0.2.11'].flatMap((text) => IpAddress.parse(text) ?? []);
  const { addresses, servers } = compileService(entryOf(shape), { ...NODE, otherNodes });
  t.strictSame([...addresses], ['10.43.0.5', '192.0.2.12']);
  t.strictSame([...servers.keys()], ['-t 10.43.0.5:80', '-t 192.0.2.10:80', '-t 192.0.2.12:80']);
  t.end();
});

t.test('a host whose virtual servers are of another program keeps them', async (t) => {
  const { ipvs, backend } = start();
  ipvs.servers.set('-t 198.51.100.1:80', { options: '-s wlc', weights: new Map([['198.51.100.2:80', 1]]) });
  t.equal(await backend.retire?.(), true);
  await backend.remove();
  t.equal(ipvs.servers.size, 1);
});
