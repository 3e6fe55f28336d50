import t from 'tap';
import { isEmpty, Ledger } from '../../../../agent/network/netfilter/ledger.ts';
import { compileService } from '../../../../agent/network/services/backends/iptables/compile-service.ts';
import { baseChains, frameChains } from '../../../../agent/network/services/backends/iptables/frame.ts';
import { dispatchChains } from '../../../../agent/network/services/backends/iptables/shared-chains.ts';
import { localReadyCount, type ServiceEntry } from '../../../../agent/network/services/model/service-entry.ts';
import { serviceEntry, serviceFacts, sliceFacts } from '../../../../agent/network/services/model/service-facts.ts';
import { CLUSTER_CIDR, entryOf, SERVICE_CIDR } from '../../../support/service-entries.ts';
import type { Service, ServiceSpec } from '../../../../api/types/core/v1.gen.ts';
import type { Ranges } from '../../../../agent/network/services/backends/ranges.ts';

const RANGES: Ranges = { cluster: CLUSTER_CIDR, services: SERVICE_CIDR };
const FAMILIES = ['IPv4', 'IPv6'] as const;
/** Rules of the Service's own chains, and in those that it shares. */
const parts = ({ chains, shared }: ReturnType<typeof compileService>) => ({ nat: chains.nat, dispatch: shared });
const compile = (entry: ServiceEntry) => parts(compileService(entry, RANGES));

t.test('connections are distributed evenly over the ready endpoints', async (t) => {
  const { nat } = compile(entryOf({ endpoints: ['10.42.0.1', '10.42.0.2', '10.42.0.3'] }));
  const spread = [...nat].find(([name]) => name.startsWith('KUBE-SVC-'))?.[1] ?? [];
  t.match(spread[0], /^! -s 10\.42\.0\.0\/16 -d 10\.43\.0\.5\/32 -p tcp .*KUBE-MARK-MASQ$/);
  t.same(
    spread.slice(1).map((rule) => /--probability (\S+)/.exec(rule)?.[1]),
    ['0.33333333349', '0.50000000000', undefined],
  );
});

t.test('a Service without endpoints is rejected at once', async (t) => {
  const { nat, dispatch } = compile(entryOf({ nodePort: 30080 }));
  t.equal(nat.size, 0);
  t.same(
    dispatch.map(({ table, chain }) => `${table} ${chain}`),
    // Its address is rejected with the rest of the range, without its own rule.
    ['filter KUBE-NODEPORTS-30080'],
  );
  t.ok(dispatch.every(({ rule }) => rule.endsWith('-j REJECT --reject-with icmp-port-unreachable')));
});

t.test('a Service cannot claim addresses of the service CIDR as external addresses', async (t) => {
  const named = ['10.43.0.1', '10.43.255.254', '192.0.2.1'];
  for (const endpoints of [[], ['10.42.0.1']]) {
    const entry = entryOf({ endpoints, spec: { type: 'LoadBalancer', externalIPs: named }, ingress: named });
    const { dispatch } = compile(entry);
    const targets = dispatch.flatMap(({ rule }) => /-d (\S+)/.exec(rule)?.[1] ?? []);
    t.strictSame(
      [...new Set(targets)].sort(),
      endpoints.length > 0 ? ['10.43.0.5/32', '192.0.2.1/32'] : ['192.0.2.1/32'],
    );
    t.equal(entry.externalIPs.length, named.length);
  }
});

t.test('externalTrafficPolicy: Local uses local endpoints only and drops without any', async (t) => {
  const elsewhere = { ip: '10.42.1.1', node: 'node-1' };
  const at = (...endpoints: (string | typeof elsewhere)[]) =>
    compile(entryOf({ nodePort: 30080, endpoints, spec: { externalTrafficPolicy: 'Local' } }));
  const local = [...at('10.42.0.1', elsewhere).nat].find(([name]) => /^KUBE-SVL-[^-]+$/.test(name))?.[1] ?? [];
  t.equal(local.length, 1);
  t.match(local[0], '10.42.0.1:8080');
  t.ok(at(elsewhere).dispatch.some(({ table, rule }) => table === 'filter' && rule.endsWith('-j DROP')));
});

t.test('terminating endpoints serve while no other is ready, but fail the health check', async (t) => {
  const facts = serviceFacts(
    {
      metadata: { namespace: 'd', name: 'w' },
      spec: { clusterIP: '10.43.0.5', ports: [{ port: 80 }] },
    },
    FAMILIES,
  );
  const conditions = { ready: false, serving: true, terminating: true };
  const slice = sliceFacts(
    {
      metadata: { namespace: 'd', labels: { 'kubernetes.io/service-name': 'w' } },
      addressType: 'IPv4',
      ports: [{ port: 80 }],
      endpoints: [{ addresses: ['10.42.0.1'], conditions, nodeName: 'n' }],
    },
    'n',
  );
  const entry = serviceEntry(facts!, [slice], 'IPv4')!;
  t.match([...compile(entry).nat.keys()].join(), 'KUBE-SEP-');
  t.equal(localReadyCount(entry), 0);
  t.equal(localReadyCount(entryOf({ endpoints: ['10.42.0.1', { ip: '10.42.1.1', node: 'node-1' }] })), 1);
});

t.test('headless, ExternalName and Services with service-proxy-name have no rules', async (t) => {
  for (const label of ['service.kubernetes.io/headless', 'service.kubernetes.io/service-proxy-name'])
    t.equal(
      serviceFacts({ metadata: { name: 'a', labels: { [label]: '' } }, spec: { clusterIP: '10.43.0.5' } }, FAMILIES),
      undefined,
    );

  t.equal(serviceFacts({ metadata: { name: 'a' }, spec: { clusterIP: 'None' } }, FAMILIES), undefined);
  t.equal(
    serviceFacts({ metadata: { name: 'a' }, spec: { type: 'ExternalName', externalName: 'example.com' } }, FAMILIES),
    undefined,
  );
});

t.test('invalid packets are dropped and rejects come before pods are allowed', async (t) => {
  const rules = baseChains(CLUSTER_CIDR).filter.get('KUBE-FORWARD') ?? [];
  const at = (part: string): number => rules.findIndex((rule) => rule.includes(part));
  t.match(rules[0], /--ctstate INVALID .*-j DROP$/);
  t.ok(
    at('-j KUBE-SERVICES') < at(`-s ${CLUSTER_CIDR.text}`) && at('-j KUBE-SERVICES') < at(`-d ${CLUSTER_CIDR.text}`),
  );
});

t.test('a change of one Service among thousands writes a few chains', async (t) => {
  const ledger = new Ledger((table, shared) =>
    frameChains(table, shared, { cluster: CLUSTER_CIDR, services: undefined }),
  );
  const write = (entries: ReadonlyMap<string, ServiceEntry | undefined>) => {
    ledger.put(new Map([...entries].map(([key, entry]) => [key, entry && compileService(entry, RANGES)])));
    const change = ledger.pending();
    ledger.written(change);
    return change;
  };
  const one = (index: number, ...endpoints: string[]): [string, ServiceEntry] => [
    `default/s${index}`,
    entryOf({ name: `s${index}`, clusterIP: `10.43.${(index >> 8) + 1}.${index & 255}`, endpoints }),
  ];
  write(new Map(Array.from({ length: 5000 }, (_, index) => one(index, '10.42.0.1', '10.42.0.2'))));
  const change = write(new Map([one(7, '10.42.0.2', '10.42.0.3')]));
  t.ok(change.nat.write.size <= 3, `${change.nat.write.size} chains`);
  t.equal(change.nat.remove.size, 1, 'the chain of the removed endpoint');
  t.ok(isEmpty(write(new Map([one(7, '10.42.0.2', '10.42.0.3')]))));
  const gone = write(new Map([['default/s7', undefined]]));
  t.same([...gone.nat.write.keys()], ['KUBE-SERVICES-10-43-1']);
  t.equal(gone.nat.remove.size, 3);
});

t.test('rules rejected by the kernel are written again with the next change', async (t) => {
  const ledger = new Ledger((table, shared) =>
    frameChains(table, shared, { cluster: CLUSTER_CIDR, services: undefined }),
  );
  const web = new Map([['default/web', compileService(entryOf({ endpoints: ['10.42.0.1'] }), RANGES)]]);
  ledger.written(ledger.pending());
  const before = ledger.put(web);
  const refused = ledger.pending();
  ledger.failed(refused);
  ledger.put(before);
  const without = ledger.pending();
  t.same(
    [...without.nat.remove].sort(),
    [...web.get('default/web')!.chains.nat.keys(), 'KUBE-SERVICES-10-43-0'].sort(),
  );
  t.same([...without.nat.write.keys()], ['KUBE-SERVICES'], 'one table may be written though another was rejected');
  ledger.written(without);
  ledger.put(web);
  const again = [...ledger.pending().nat.write.keys()];
  t.same(again.sort(), [...without.nat.remove, 'KUBE-SERVICES'].sort());
});

const facts = (changes: Partial<Service>): ReturnType<typeof serviceFacts> =>
  serviceFacts(
    {
      metadata: { namespace: 'default', name: 'lb' },
      ...changes,
      spec: { type: 'LoadBalancer', clusterIP: '10.43.0.5', ports: [{ port: 80 }], ...changes.spec },
    },
    FAMILIES,
  );

t.test('fields of a Service are parsed once, and invalid ones are left out', async (t) => {
  const lb = facts({
    spec: {
      loadBalancerSourceRanges: ['10.0.0.0/008\n', ' 192.0.2.77/24', '2001:db8::/32', 'x', ''],
      externalIPs: ['192.0.2.1', '2001:db8::1', '127.0.0.1', 'y'],
      ports: [{ port: 80 }, { port: 70_000 }, { name: 'a"b', port: 81 }],
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 70_000,
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: -1 } },
    },
    status: {
      loadBalancer: { ingress: [{ ip: '203.0.113.7' }, { ip: 'nowhere' }, { ip: '203.0.113.8', ipMode: 'Proxy' }] },
    },
  })!;
  t.same(
    lb.services[0]?.loadBalancerSources?.map(({ text }) => text),
    ['10.0.0.0/8', '192.0.2.0/24'],
    'as the kernel prints them',
  );
  t.same(
    lb.services[0]?.externalIPs.map(({ text }) => text),
    ['192.0.2.1'],
  );
  t.same(
    lb.services[0]?.loadBalancerIPs.map(({ text }) => text),
    ['203.0.113.7'],
  );
  t.same(
    lb.ports.map(({ port }) => port.port),
    [80],
  );
  t.equal(lb.services[0]?.healthCheckNodePort, undefined);
  t.equal(lb.services[0]?.affinitySeconds, undefined);
  t.same(lb.problems, [
    'spec.externalIPs[2] "127.0.0.1" is invalid and ignored',
    'spec.externalIPs[3] "y" is invalid and ignored',
    'status.loadBalancer.ingress[1] "nowhere" is invalid and ignored',
    'spec.loadBalancerSourceRanges[3] "x" is invalid and ignored',
    'session affinity timeout -1 is invalid and ignored',
    'spec.ports[1] is invalid and ignored',
    'spec.ports[2] is invalid and ignored',
  ]);
});

t.test('loadBalancerSourceRanges of another family only admit nobody, /0 admits everybody', async (t) => {
  const sources = (...loadBalancerSourceRanges: string[]) =>
    facts({ spec: { loadBalancerSourceRanges } })?.services[0]?.loadBalancerSources;
  t.equal(sources(), undefined);
  t.equal(sources(' '), undefined);
  t.equal(sources('10.0.0.0/8', '0.0.0.0/0'), undefined);
  t.same(sources('2001:db8::/32'), []);
  const spec: ServiceSpec = { type: 'LoadBalancer', loadBalancerSourceRanges: ['2001:db8::/32'] };
  const { dispatch } = compile(entryOf({ ingress: ['203.0.113.7'], endpoints: ['10.42.0.1'], spec }));
  t.same(
    dispatch
      .filter(({ rule }) => rule.includes('203.0.113.7'))
      .map(({ table, rule }) => `${table} ${rule.split(' ').at(-1)}`),
    ['filter DROP'],
  );
});

t.test('no packet is forwarded to loopback, link-local and other non-routable addresses', async (t) => {
  for (const ip of ['127.0.0.1', '169.254.169.254', '0.0.0.0', '224.0.0.1', '::ffff:127.0.0.1', 'x'])
    t.same(entryOf({ endpoints: [ip] }).ports[0]?.endpoints, [], ip);
  t.equal(entryOf({ endpoints: ['010.42.0.7'] }).ports[0]?.endpoints[0]?.ip.text, '10.42.0.7');
});

t.test('unassigned addresses and ports of the service range are rejected', async (t) => {
  const last = (range: Ranges['services']) => dispatchChains('filter', [], range).get('KUBE-SERVICES')?.at(-1);
  t.match(last(SERVICE_CIDR), /^-d 10\.43\.0\.0\/16 -m addrtype ! --dst-type LOCAL .* -j REJECT/);
  t.equal(last(undefined), undefined);
  t.same(dispatchChains('nat', [], SERVICE_CIDR).get('KUBE-SERVICES'), []);
  const rules = ({ shared }: ReturnType<typeof compileService>) => shared.filter(({ table }) => table === 'filter');
  const entry = entryOf({ endpoints: ['10.42.0.1'] });
  t.same(rules(compileService(entry, RANGES)), [], 'the range has one rule for all of them');
  t.match(rules(compileService(entry, { ...RANGES, services: undefined })), [
    { chain: 'KUBE-SERVICES-10-43-0', rule: /^-d 10\.43\.0\.5\/32 -m addrtype ! --dst-type LOCAL .* -j REJECT/ },
  ]);
});
