import t from 'tap';
import { baseChains, compileService } from '../../agent/proxy/iptables-rules.ts';
import { isEmpty, RuleBook } from '../../agent/proxy/rule-book.ts';
import {
  localReadyCount,
  serviceEntry,
  serviceFacts,
  sliceFacts,
  type ServiceEntry,
} from '../../agent/proxy/service-table.ts';
import { staleEntries } from '../../agent/proxy/conntrack.ts';

const CIDR = '10.42.0.0/16';

interface Shape {
  readonly protocol?: 'TCP' | 'UDP';
  readonly nodePort?: number;
  readonly endpoints?: readonly string[];
  readonly ready?: boolean;
  readonly spec?: object;
}
/** A Service as the api-server and the EndpointSlice controller would have it. */
function service(
  name: string,
  clusterIP: string,
  { protocol = 'TCP', nodePort, endpoints = [], ready = true, spec }: Shape = {},
): ServiceEntry {
  const facts = serviceFacts({
    metadata: { namespace: 'default', name },
    spec: {
      type: nodePort ? 'NodePort' : 'ClusterIP',
      clusterIP,
      ports: [{ name: 'web', port: 80, nodePort, protocol }],
      ...spec,
    },
  });
  const slice = sliceFacts(
    {
      metadata: { namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: 'web', port: 8080, protocol }],
      endpoints: endpoints.map((ip, index) => ({ addresses: [ip], conditions: { ready }, nodeName: `node-${index}` })),
    },
    'node-0',
  );
  if (!facts) throw new Error('a Service without rules');
  return serviceEntry(facts, [slice]);
}

t.test('connections are spread evenly over the ready endpoints', async (t) => {
  const { nat } = compileService(
    service('web', '10.43.0.5', { endpoints: ['10.42.0.1', '10.42.0.2', '10.42.0.3'] }),
    CIDR,
  );
  const spread = [...nat].find(([name]) => name.startsWith('KUBE-SVC-'))?.[1] ?? [];
  t.match(spread[0], /^! -s 10\.42\.0\.0\/16 -d 10\.43\.0\.5\/32 -p tcp .*KUBE-MARK-MASQ$/);
  t.same(
    spread.slice(1).map((rule) => /--probability (\S+)/.exec(rule)?.[1]),
    ['0.3333333333', '0.5000000000', undefined],
  );
});

t.test('a Service that nobody serves is refused at once', async (t) => {
  const { nat, dispatch } = compileService(service('web', '10.43.0.5', { nodePort: 30080 }), CIDR);
  t.equal(nat.size, 0);
  t.same(
    dispatch.map(({ table, chain }) => `${table} ${chain}`),
    ['filter KUBE-SERVICES-10-43-0', 'filter KUBE-NODEPORTS-30080'],
  );
  t.ok(dispatch.every(({ rule }) => rule.endsWith('-j REJECT --reject-with icmp-port-unreachable')));
});

t.test('an externalTrafficPolicy of Local keeps to this node and drops where it has no endpoint', async (t) => {
  const spec = { externalTrafficPolicy: 'Local' };
  const here = compileService(
    service('web', '10.43.0.5', { nodePort: 30080, endpoints: ['10.42.0.1', '10.42.1.1'], spec }),
    CIDR,
  );
  const local = [...here.nat].find(([name]) => /^KUBE-SVL-[^-]+$/.test(name))?.[1] ?? [];
  t.equal(local.length, 1);
  t.match(local[0], '10.42.0.1:8080');
  const elsewhere = service('web', '10.43.0.5', { nodePort: 30080, endpoints: ['10.42.0.1'], spec });
  const moved = {
    ...elsewhere,
    ports: elsewhere.ports.map((port) => ({ ...port, endpoints: port.endpoints.map((e) => ({ ...e, local: false })) })),
  };
  t.ok(compileService(moved, CIDR).dispatch.some(({ table, rule }) => table === 'filter' && rule.endsWith('-j DROP')));
});

t.test('endpoints that terminate serve on while no other is ready, but no load balancer is sent there', async (t) => {
  const facts = serviceFacts({
    metadata: { namespace: 'd', name: 'w' },
    spec: { clusterIP: '10.43.0.5', ports: [{ port: 80 }] },
  });
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
  const entry = serviceEntry(facts!, [slice]);
  t.match([...compileService(entry, CIDR).nat.keys()].join(), 'KUBE-SEP-');
  t.equal(localReadyCount(entry), 0);
  t.equal(localReadyCount(service('web', '10.43.0.5', { endpoints: ['10.42.0.1', '10.42.1.1'] })), 1);
});

t.test(
  'headless and ExternalName Services have no rules, and neither have those that a label leaves to others',
  async (t) => {
    for (const label of ['service.kubernetes.io/headless', 'service.kubernetes.io/service-proxy-name'])
      t.equal(
        serviceFacts({ metadata: { name: 'a', labels: { [label]: '' } }, spec: { clusterIP: '10.43.0.5' } }),
        undefined,
      );

    t.equal(serviceFacts({ metadata: { name: 'a' }, spec: { clusterIP: 'None' } }), undefined);
    t.equal(
      serviceFacts({ metadata: { name: 'a' }, spec: { type: 'ExternalName', externalName: 'example.com' } }),
      undefined,
    );
  },
);

t.test(
  'what belongs to no connection is dropped, and what Services refuse refused, before pods are let through',
  async (t) => {
    const rules = baseChains(CIDR).filter.get('KUBE-FORWARD') ?? [];
    const at = (part: string): number => rules.findIndex((rule) => rule.includes(part));
    t.match(rules[0], /--ctstate INVALID .*-j DROP$/);
    t.ok(at('-j KUBE-SERVICES') < at(`-s ${CIDR}`) && at('-j KUBE-SERVICES') < at(`-d ${CIDR}`));
  },
);

t.test('a change of one Service among thousands writes a handful of chains', async (t) => {
  const book = new RuleBook(CIDR);
  const many = new Map(
    Array.from({ length: 5000 }, (_, index): [string, ServiceEntry] => [
      `default/s${index}`,
      service(`s${index}`, `10.43.${(index >> 8) + 1}.${index & 255}`, { endpoints: ['10.42.0.1', '10.42.0.2'] }),
    ]),
  );
  book.update(many);
  const change = book.update(
    new Map([['default/s7', service('s7', '10.43.1.7', { endpoints: ['10.42.0.2', '10.42.0.3'] })]]),
  );
  t.ok(change.nat.write.size <= 3, `${change.nat.write.size} chains`);
  t.equal(change.nat.remove.size, 1, 'the chain of the endpoint that has gone');
  t.ok(
    isEmpty(
      book.update(
        new Map(
          [['default/s7', many.get('default/s7')]].map(([key]) => [
            key as string,
            service('s7', '10.43.1.7', { endpoints: ['10.42.0.2', '10.42.0.3'] }),
          ]),
        ),
      ),
    ),
  );
  const gone = book.update(new Map([['default/s7', undefined]]));
  t.same([...gone.nat.write.keys()], ['KUBE-SERVICES-10-43-1']);
  t.equal(gone.nat.remove.size, 3);
});

t.test('UDP flows to an endpoint that has gone, and from before there was one, are ended', async (t) => {
  const none = service('dns', '10.43.0.10', { protocol: 'UDP' });
  const one = service('dns', '10.43.0.10', { protocol: 'UDP', endpoints: ['10.42.0.1'] });
  t.same(staleEntries(none, one), [['-p', 'udp', '--orig-dst', '10.43.0.10', '--dport', '80']]);
  t.same(staleEntries(one, none), [['-p', 'udp', '--orig-dst', '10.43.0.10', '--dst-nat', '10.42.0.1']]);
  t.same(staleEntries(one, one), []);
});
