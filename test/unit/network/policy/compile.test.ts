/** What the compiled table says of connections, by the API's documentation: row by row, and of random clusters. */
import { test } from 'tap';
import { NO_CONTENT, changes } from '../../../../agent/network/policy/table-content.ts';
import type { LabelSelector } from '../../../../api/types/meta/v1.gen.ts';
import type {
  IPBlock,
  NetworkPolicy,
  NetworkPolicyIngressRule,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
} from '../../../../api/types/networking/v1.gen.ts';
import { Cidr, IpAddress } from '../../../../api/domain/address.ts';
import { Random } from '../../../fuzz/random.ts';
import { contentOf, policyOf, type ClusterShape, type PodShape } from '../../../support/policy-objects.ts';
import { isAllowed, SimulatedTable, type Connection } from '../../../support/simulated-table.ts';

const app = (name: string): LabelSelector => ({ matchLabels: { app: name } });
const WEB: PodShape = {
  labels: { app: 'web' },
  ips: ['10.42.0.2', 'fd00:42::2'],
  ports: [
    { name: 'http', containerPort: 8080 },
    { name: 'dns', containerPort: 5353, protocol: 'UDP' },
  ],
};
const CLIENT: PodShape = { labels: { app: 'client' }, ips: ['10.42.0.3', 'fd00:42::3'] };
const FAR: PodShape = {
  namespace: 'other',
  labels: { app: 'client' },
  ips: ['10.42.1.3', 'fd00:42:1::3'],
  ports: [{ name: 'http', containerPort: 9090 }],
  node: 'node-1',
};
const HOST: PodShape = { labels: { app: 'client' }, ips: ['192.0.2.1'], hostNetwork: true };
const NAMESPACES = { default: { team: 'own' }, other: { team: 'other' } };

/** `tcp 10.42.0.3 > 10.42.0.2:80` */
function connectionOf(text: string): Connection {
  const [, protocol = '', from = '', to = '', port = '0'] =
    /^(\w+) (\S+) > (?:\[?([\da-f.:]+?)\]?)(?:@(\d+))?$/.exec(text) ?? [];
  return { protocol: protocol as Connection['protocol'], from, to, port: Number(port) };
}

const ROWS: readonly {
  readonly title: string;
  readonly specs: readonly NetworkPolicySpec[];
  readonly allowed: readonly string[];
  readonly denied: readonly string[];
}[] = [
  {
    title: 'a policy without rules lets nobody in, and says nothing of what pods send',
    specs: [{ podSelector: app('web') }],
    allowed: ['tcp 10.42.0.2 > 10.42.0.3@80', 'tcp 10.42.1.3 > 10.42.0.3@80', 'tcp 10.42.0.2 > 10.42.0.2@80'],
    denied: ['tcp 10.42.0.3 > 10.42.0.2@80', 'icmp fd00:42::3 > fd00:42::2', 'tcp 192.0.2.1 > 10.42.0.2@80'],
  },
  {
    title: 'an empty rule lets everybody in, by every protocol',
    specs: [{ podSelector: app('web'), ingress: [{}] }],
    allowed: ['tcp 192.0.2.9 > 10.42.0.2@80', 'icmp fd00:42:1::3 > fd00:42::2'],
    denied: [],
  },
  {
    title: "pods by their labels are those of the policy's own namespace",
    specs: [{ podSelector: app('web'), ingress: [{ from: [{ podSelector: app('client') }] }] }],
    allowed: ['tcp 10.42.0.3 > 10.42.0.2@80', 'udp fd00:42::3 > fd00:42::2@80', 'icmp 10.42.0.3 > 10.42.0.2'],
    denied: ['tcp 10.42.1.3 > 10.42.0.2@80', 'tcp 192.0.2.1 > 10.42.0.2@80'],
  },
  {
    title: 'a namespace and labels have to match both',
    specs: [
      {
        podSelector: app('web'),
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'other' } }, podSelector: app('client') }] }],
      },
    ],
    allowed: ['tcp 10.42.1.3 > 10.42.0.2@80'],
    denied: ['tcp 10.42.0.3 > 10.42.0.2@80'],
  },
  {
    title: 'a namespace alone is all of its pods',
    specs: [{ ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'other' } } }] }] }],
    allowed: ['tcp 10.42.1.3 > 10.42.0.2@80', 'tcp fd00:42:1::3 > fd00:42::3@1'],
    denied: ['tcp 10.42.0.3 > 10.42.0.2@80', 'tcp 10.42.0.2 > 10.42.0.3@80'],
  },
  {
    title: "ports, ranges that overlap, and a name of the pod's own",
    specs: [
      {
        podSelector: app('web'),
        ingress: [
          { ports: [{ port: 80, endPort: 90 }, { port: 85, endPort: 100 }, { port: 443 }, { port: 'http' }] },
          { ports: [{ port: 'dns', protocol: 'UDP' }, { protocol: 'SCTP' }, { port: 'none' }] },
        ],
      },
    ],
    allowed: [
      ...['tcp 10.42.0.3 > 10.42.0.2@80', 'tcp 10.42.0.3 > 10.42.0.2@100', 'tcp 10.42.0.3 > 10.42.0.2@443'],
      ...['tcp fd00:42::3 > fd00:42::2@8080', 'udp 10.42.0.3 > 10.42.0.2@5353', 'sctp 10.42.0.3 > 10.42.0.2@7'],
    ],
    denied: [
      ...['tcp 10.42.0.3 > 10.42.0.2@79', 'tcp 10.42.0.3 > 10.42.0.2@101', 'udp 10.42.0.3 > 10.42.0.2@80'],
      ...['tcp 10.42.0.3 > 10.42.0.2@5353', 'icmp 10.42.0.3 > 10.42.0.2'],
    ],
  },
  {
    title: 'a name of a port is looked up in each pod that is connected to',
    specs: [
      {
        podSelector: app('client'),
        egress: [{ to: [{ namespaceSelector: {} }], ports: [{ port: 'http' }] }],
        policyTypes: ['Egress'],
      },
    ],
    allowed: ['tcp 10.42.0.3 > 10.42.0.2@8080', 'tcp fd00:42::3 > fd00:42:1::3@9090'],
    denied: ['tcp 10.42.0.3 > 10.42.0.2@9090', 'tcp 10.42.0.3 > 10.42.1.3@8080', 'tcp 10.42.0.3 > 192.0.2.1@8080'],
  },
  {
    title: 'a name of a port in a range of addresses',
    specs: [
      {
        podSelector: app('client'),
        egress: [{ to: [{ ipBlock: { cidr: '10.42.0.0/24' } }], ports: [{ port: 'http' }] }],
        policyTypes: ['Egress'],
      },
    ],
    allowed: ['tcp 10.42.0.3 > 10.42.0.2@8080'],
    denied: ['tcp 10.42.0.3 > 10.42.1.3@9090'],
  },
  {
    title: 'a range without its exceptions, which may touch and overlap',
    specs: [
      {
        podSelector: app('client'),
        egress: [
          { to: [{ ipBlock: { cidr: '10.42.0.0/16', except: ['10.42.1.0/25', '10.42.1.128/25', '10.42.1.0/30'] } }] },
          { to: [{ ipBlock: { cidr: '::/0', except: ['fd00::/8', '::fffe:0:0/96'] } }] },
        ],
        policyTypes: ['Egress'],
      },
    ],
    allowed: ['tcp 10.42.0.3 > 10.42.0.2@1', 'tcp fd00:42::3 > 2001:db8::1@1', 'tcp 10.42.0.3 > 10.42.2.0@1'],
    denied: ['tcp 10.42.0.3 > 10.42.1.3@1', 'tcp 10.42.0.3 > 10.43.0.1@1', 'tcp fd00:42::3 > fd00:42::2@1'],
  },
  {
    title: 'what one policy allows no other takes back',
    specs: [
      { podSelector: app('web'), policyTypes: ['Ingress', 'Egress'] },
      { podSelector: app('web'), ingress: [{ ports: [{ port: 80 }] }] },
      { podSelector: {}, ingress: [{ ports: [{ port: 81 }] }] },
    ],
    allowed: ['tcp 10.42.0.3 > 10.42.0.2@80', 'tcp 10.42.0.3 > 10.42.0.2@81'],
    denied: ['tcp 10.42.0.3 > 10.42.0.2@82', 'tcp 10.42.0.2 > 192.0.2.9@1', 'tcp 10.42.0.2 > 10.42.0.3@81'],
  },
  {
    title: 'both ends have a say',
    specs: [
      { podSelector: app('web'), ingress: [{ from: [{ podSelector: app('client') }] }] },
      { podSelector: app('client'), egress: [{ ports: [{ port: 80 }] }], policyTypes: ['Egress'] },
    ],
    allowed: ['tcp 10.42.0.3 > 10.42.0.2@80'],
    denied: ['tcp 10.42.0.3 > 10.42.0.2@81', 'tcp 10.42.1.3 > 10.42.0.2@80'],
  },
  {
    title: 'rules of a direction that the policy is not about say nothing',
    specs: [{ podSelector: app('web'), ingress: [{}], egress: [{ ports: [{ port: 80 }] }], policyTypes: ['Ingress'] }],
    allowed: ['tcp 10.42.0.2 > 10.42.0.3@81'],
    denied: [],
  },
  {
    title: 'without policyTypes, rules of egress say that it is about egress',
    specs: [{ podSelector: app('web'), egress: [{ ports: [{ port: 80 }] }] }],
    allowed: ['tcp 10.42.0.2 > 10.42.0.3@80'],
    denied: ['tcp 10.42.0.2 > 10.42.0.3@81', 'tcp 10.42.0.3 > 10.42.0.2@80'],
  },
  {
    title: 'the DNS of the cluster is a pod in kube-system',
    specs: [
      {
        egress: [
          {
            to: [
              {
                namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
                podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
              },
            ],
            ports: [{ port: 53, protocol: 'UDP' }],
          },
        ],
        policyTypes: ['Egress'],
      },
    ],
    allowed: ['udp 10.42.0.3 > 10.43.0.10@53'],
    denied: ['tcp 10.42.0.3 > 10.43.0.10@53', 'udp 10.42.0.3 > 10.43.0.11@53'],
  },
  {
    title: 'what is invalid allows nothing, and a selector of pods that is invalid isolates all',
    specs: [
      {
        podSelector: { matchExpressions: [{ key: 'a', operator: 'Near', values: ['b'] }] },
        ingress: [
          { from: [{ ipBlock: { cidr: '10.42.0.0/33' } }, { ipBlock: { cidr: '10.0.0.0/8', except: ['x'] } }, {}] },
          { from: [{ podSelector: { matchExpressions: [{ key: 'a', operator: 'Near' }] } }] },
          { ports: [{ port: 90, endPort: 80 }, { port: 'http', endPort: 80 }, { port: 70_000 }, { port: 0 }] },
          { ports: [{ port: 80, protocol: 'ICMP' as 'TCP' }, { endPort: 80 }] },
        ],
      },
    ],
    allowed: [],
    denied: ['tcp 10.42.0.3 > 10.42.0.2@80', 'tcp 10.42.0.2 > 10.42.0.3@85', 'tcp 10.42.0.3 > 10.42.0.2@8080'],
  },
];

for (const { title, specs, allowed, denied } of ROWS)
  test(title, (t) => {
    const policies = specs.map((spec, index) => policyOf(spec, { name: `policy-${index}` }));
    const namespaces = { ...NAMESPACES, 'kube-system': { 'kubernetes.io/metadata.name': 'kube-system' } };
    const content = contentOf({ policies, namespaces, pods: [WEB, CLIENT, FAR, HOST], dns: ['10.43.0.10'] });
    for (const text of allowed) t.equal(isAllowed(content, connectionOf(text)), true, text);
    for (const text of denied) t.equal(isAllowed(content, connectionOf(text)), false, text);
    t.end();
  });

test('pods that no policy selects cost nothing, and rules of the same kind share sets and chains', (t) => {
  t.equal(contentOf({ policies: [], pods: [WEB, CLIENT] }), NO_CONTENT);
  const elsewhere = policyOf({ podSelector: app('none') });
  t.equal(contentOf({ policies: [elsewhere], pods: [WEB, CLIENT] }), NO_CONTENT);
  const pods = Array.from({ length: 50 }, (_, index): PodShape => ({
    labels: { app: 'web', n: String(index) },
    ips: [`10.42.0.${index}`],
  }));
  const from = [{ podSelector: app('web') }];
  const policies = [1, 2, 3].map((n) => policyOf({ ingress: [{ from, ports: [{ port: n }] }] }, { name: `p-${n}` }));
  const { chains, sets } = contentOf({ policies, pods });
  t.equal(chains.size, 1);
  t.same([...sets.keys()].map((name) => name.replace(/[\da-f]{32}/, '')).sort(), ['pods--v4', 'self-v4', 'self-v6']);
  t.end();
});

/** The API's documentation, read plainly: no selectors, sets or rules of the agent's. */
class Reading {
  readonly #cluster: ClusterShape;
  constructor(cluster: ClusterShape) {
    this.#cluster = cluster;
  }

  allows(connection: Connection): boolean {
    const [from, to] = [this.#podAt(connection.from), this.#podAt(connection.to)];
    if (connection.from === connection.to && (this.#isLocal(from) || this.#isLocal(to))) return true;
    return (
      (!this.#isLocal(from) || this.#allowsOne('Egress', from!, to, connection.to, connection)) &&
      (!this.#isLocal(to) || this.#allowsOne('Ingress', to!, from, connection.from, connection))
    );
  }

  #isLocal = (pod: PodShape | undefined): boolean => pod !== undefined && (pod.node ?? 'node-0') === 'node-0';
  #podAt = (address: string): PodShape | undefined =>
    this.#cluster.pods.find(({ ips, hostNetwork }) => !hostNetwork && ips.includes(address));

  #allowsOne(
    type: 'Ingress' | 'Egress',
    own: PodShape,
    peer: PodShape | undefined,
    address: string,
    connection: Connection,
  ): boolean {
    const policies = this.#cluster.policies.filter(
      ({ metadata, spec }) =>
        metadata?.namespace === (own.namespace ?? 'default') &&
        spec?.policyTypes?.includes(type) &&
        matches(spec.podSelector ?? {}, own.labels ?? {}),
    );
    if (policies.length === 0) return true;
    const target = type === 'Ingress' ? own : peer;
    return policies.some((policy) => {
      const rules: NetworkPolicyIngressRule[] =
        type === 'Ingress'
          ? (policy.spec?.ingress ?? [])
          : (policy.spec?.egress ?? []).map(({ to, ports }) => ({ from: to, ports }));
      return rules.some(
        ({ from = [], ports = [] }) =>
          (from.length === 0 || from.some((one) => this.#isPeer(one, policy, peer, address))) &&
          (ports.length === 0 || ports.some((port) => isPort(port, target, connection))),
      );
    });
  }

  #isPeer(
    { ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer,
    policy: NetworkPolicy,
    pod: PodShape | undefined,
    address: string,
  ): boolean {
    if (ipBlock) return isInBlock(ipBlock, address);
    if (!pod) return false;
    const namespace = pod.namespace ?? 'default';
    const isThere = namespaceSelector
      ? matches(namespaceSelector, this.#cluster.namespaces?.[namespace] ?? {})
      : namespace === policy.metadata?.namespace;
    return isThere && matches(podSelector ?? {}, pod.labels ?? {});
  }
}

const isInBlock = ({ cidr, except = [] }: IPBlock, address: string): boolean => {
  const parsed = IpAddress.parse(address)!;
  return Cidr.parse(cidr)!.contains(parsed) && !except.some((one) => Cidr.parse(one)!.contains(parsed));
};

function isPort(
  { protocol = 'TCP', port, endPort }: NetworkPolicyPort,
  target: PodShape | undefined,
  connection: Connection,
): boolean {
  if (protocol.toLowerCase() !== connection.protocol) return false;
  if (port === undefined) return true;
  if (typeof port === 'number') return connection.port >= port && connection.port <= (endPort ?? port);
  return (target?.ports ?? []).some(
    (one) => one.name === port && (one.protocol ?? 'TCP') === protocol && one.containerPort === connection.port,
  );
}

function matches(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector,
  labels: Readonly<Record<string, string>>,
): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === 'In') return value !== undefined && values.includes(value);
      if (operator === 'NotIn') return value === undefined || !values.includes(value);
      return (operator === 'Exists') === (value !== undefined);
    })
  );
}

class RandomCluster {
  readonly #random: Random;
  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  #pick = <T>(...values: readonly T[]): T => values[this.#random.below(values.length)]!;
  #some = <T>(limit: number, make: () => T): T[] => Array.from({ length: this.#random.below(limit + 1) }, make);

  cluster(): ClusterShape {
    const namespaces = { a: { team: 'x' }, b: { team: 'y' }, c: {} };
    const pods = Array.from({ length: 3 + this.#random.below(8) }, (_, index) => this.#pod(index));
    const policies = Array.from({ length: this.#random.below(6) }, (_, index) => this.#policy(index));
    return { namespaces, pods, policies };
  }

  #labels = (): Record<string, string> => ({
    ...(this.#random.chance(2) && { app: this.#pick('web', 'db') }),
    ...(this.#random.chance(2) && { tier: this.#pick('1', '2') }),
  });

  #pod(index: number): PodShape {
    const ports = this.#some(2, () => ({
      ...{ name: this.#pick('http', 'dns'), containerPort: this.#pick(80, 81, 53) },
      protocol: this.#pick<'TCP' | 'UDP'>('TCP', 'UDP'),
    }));
    const node = this.#pick('node-0', 'node-0', 'node-1');
    const ips = [
      `10.42.${node.at(-1)}.${index}`,
      ...(this.#random.chance(2) ? [`fd00:42:${Number(node.at(-1)) + 1}::${index + 1}`] : []),
    ];
    const distinct = ports.filter(
      ({ name, protocol }, at) => ports.findIndex((one) => one.name === name && one.protocol === protocol) === at,
    );
    return { namespace: this.#pick('a', 'b', 'c'), labels: this.#labels(), ips, ports: distinct, node };
  }

  #selector = (): LabelSelector =>
    this.#pick<LabelSelector>(
      {},
      { matchLabels: { app: this.#pick('web', 'db') } },
      { matchExpressions: [{ key: 'tier', operator: this.#pick('In', 'NotIn'), values: [this.#pick('1', '2')] }] },
      { matchExpressions: [{ key: 'app', operator: this.#pick('Exists', 'DoesNotExist') }] },
    );

  #peer(): NetworkPolicyPeer {
    switch (this.#random.below(4)) {
      case 0:
        return { podSelector: this.#selector() };
      case 1:
        return { namespaceSelector: this.#pick({}, { matchLabels: { team: this.#pick('x', 'y') } }) };
      case 2:
        return { podSelector: this.#selector(), namespaceSelector: { matchLabels: { team: this.#pick('x', 'y') } } };
      default:
        return {
          ipBlock: this.#pick<IPBlock>(
            { cidr: '10.42.0.0/16', except: [this.#pick('10.42.1.0/24', '10.42.0.4/30')] },
            { cidr: `10.42.0.${this.#random.below(12)}/32` },
            { cidr: 'fd00:42::/32', except: ['fd00:42:1::/48'] },
            { cidr: '0.0.0.0/0' },
          ),
        };
    }
  }

  #port = (): NetworkPolicyPort => ({
    protocol: this.#pick('TCP', 'UDP', 'SCTP'),
    ...this.#pick<NetworkPolicyPort>(
      {},
      { port: this.#pick(80, 81, 53) },
      { port: 53, endPort: 80 },
      { port: this.#pick('http', 'dns') },
    ),
  });

  #policy(index: number): NetworkPolicy {
    const rules = () =>
      this.#some(2, () => [this.#some(2, () => this.#peer()), this.#some(3, () => this.#port())] as const);
    const spec: NetworkPolicySpec = {
      podSelector: this.#selector(),
      ingress: rules().map(([from, ports]) => ({ from, ports })),
      egress: rules().map(([to, ports]) => ({ to, ports })),
      policyTypes: this.#pick(['Ingress'], ['Egress'], ['Ingress', 'Egress']),
    };
    return policyOf(spec, { namespace: this.#pick('a', 'b', 'c'), name: `policy-${index}` });
  }

  *connections({ pods }: ClusterShape): Iterable<Connection> {
    const addresses = [...pods.flatMap(({ ips }) => ips), '192.0.2.9', '2001:db8::9'];
    for (const from of addresses)
      for (const to of addresses) {
        if (from.includes(':') !== to.includes(':')) continue;
        const protocol = this.#pick<Connection['protocol']>('tcp', 'tcp', 'udp', 'sctp', 'icmp');
        yield { from, to, protocol, port: protocol === 'icmp' ? 0 : this.#pick(80, 81, 53, 60) };
      }
  }
}

test('random clusters: the rules decide as the documentation reads, and one table becomes the next', (t) => {
  let judged = 0;
  let denied = 0;
  const table = new SimulatedTable();
  for (let seed = 1; seed <= 200; seed++) {
    const random = new RandomCluster(seed);
    const cluster = random.cluster();
    const content = contentOf(cluster);
    table.run(changes('inet kedge-policy', table.content, content));
    const reading = new Reading(cluster);
    for (const connection of random.connections(cluster)) {
      const expected = reading.allows(connection);
      judged++;
      if (!expected) denied++;
      const found = [isAllowed(content, connection), isAllowed(table.content, connection)];
      if (found.every((one) => one === expected)) continue;
      t.fail(`seed ${seed}: ${JSON.stringify(connection)} is ${expected ? 'denied' : 'allowed'}`, { cluster });
      t.end();
      return;
    }
  }
  t.ok(judged > 10_000 && denied > judged / 10 && denied < judged * 0.9, `${denied} of ${judged} denied`);
  t.end();
});
