/** Compiled policies in a real kernel: real sockets in network namespaces, in both IP families. */
import net from 'node:net';
import t, { type Test } from 'tap';
import { run } from '../../../agent/host/run.ts';
import { Nft } from '../../../agent/network/netfilter/nft.ts';
import { PolicyTable, removePolicyTable } from '../../../agent/network/policy/policy-table.ts';
import type { NetworkPolicySpec } from '../../../api/types/networking/v1.gen.ts';
import { contentOf, policyOf, type ClusterShape } from '../../support/policy-objects.ts';
import { entryOf, SERVICE_CIDR } from '../../support/service-entries.ts';
import { eventually } from '../../support/wait.ts';
import { backendOf, enterNamespace, ip, makeNode, NODE_ADDRESS, TESTED_MODES } from './pod-namespaces.ts';
import { makeDualStack, NODE_ADDRESS_6, TalkingPod } from './talking-pods.ts';

enterNamespace();

const DNS = '10.43.0.10';
const nft = new Nft(new AbortController().signal);
let web: TalkingPod;
let client: TalkingPod;
let stranger: TalkingPod;

t.before(async () => {
  await makeNode();
  await makeDualStack();
  // The rules of Services have the kernel follow connections from the start.
  for (const program of ['iptables', 'ip6tables'])
    await run(program, ['-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'INVALID', '-j', 'DROP']);
  web = await TalkingPod.start(t, 2);
  client = await TalkingPod.start(t, 3);
  stranger = await TalkingPod.start(t, 4);
});

const PORTS = [
  { name: 'http', containerPort: 8080, protocol: 'TCP' },
  { name: 'http', containerPort: 8080, protocol: 'UDP' },
] as const;

const clusterOf = (policies: ClusterShape['policies'], changed: Partial<ClusterShape> = {}): ClusterShape => ({
  policies,
  namespaces: { default: { team: 'own' }, other: { team: 'other' } },
  pods: [
    { labels: { app: 'web' }, ips: web.addresses, ports: PORTS },
    { labels: { app: 'client' }, ips: client.addresses },
    { namespace: 'other', labels: { app: 'client' }, ips: stranger.addresses },
  ],
  ...changed,
});

/** A table that is removed with the test. */
function tableOf(t: Test): { put: (...specs: NetworkPolicySpec[]) => Promise<boolean>; table: PolicyTable } {
  const table = new PolicyTable(nft, 'cni0');
  t.teardown(() => removePolicyTable(nft));
  const put = (...specs: NetworkPolicySpec[]): Promise<boolean> =>
    table.apply(
      contentOf(
        clusterOf(
          specs.map((spec, index) => policyOf(spec, { name: `policy-${index}` })),
          { dns: [DNS] },
        ),
      ),
    );
  return { put, table };
}

const WEB = { matchLabels: { app: 'web' } };
const CLIENT = { matchLabels: { app: 'client' } };

/** What the node itself hears of a pod. */
function askFromNode(host: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port: 8080 });
    socket.setTimeout(700, () => socket.destroy(new Error('nothing')));
    socket.on('data', (data) => {
      resolve(String(data));
      socket.destroy();
    });
    socket.on('error', (error) => resolve(error.message));
  });
}

for (const [index, family] of (['IPv4', 'IPv6'] as const).entries()) {
  const at = (pod: TalkingPod): string => pod.addresses[index]!;
  const nodeAddress = [NODE_ADDRESS, NODE_ADDRESS_6][index]!;

  t.test(`${family}: a pod that a policy isolates is reached by its node and by those that rules name`, async (t) => {
    const { put } = tableOf(t);
    await put();
    t.equal(await client.connect(at(web)), at(client), 'without policies everybody is let in');

    await put({ podSelector: WEB, policyTypes: ['Ingress'] });
    t.equal(await client.connect(at(web)), 'nothing');
    t.equal(await client.ask(at(web)), 'nothing');
    t.equal(await askFromNode(at(web)), nodeAddress, 'the node may probe it');
    t.equal(await web.connect(at(client)), at(web), 'it connects itself, and hears the answers');
    t.equal(await client.connect(at(stranger)), at(client), 'others are not concerned');

    await put({ podSelector: WEB, ingress: [{ from: [{ podSelector: CLIENT }], ports: [{ port: 8080 }] }] });
    t.equal(await client.connect(at(web)), at(client));
    t.equal(await client.connect(at(web), 8081), 'nothing', 'another port');
    t.equal(await client.ask(at(web)), 'nothing', 'another protocol');
    t.equal(await stranger.connect(at(web)), 'nothing', 'the same labels in another namespace');

    const other = { matchLabels: { team: 'other' } };
    await put(
      { podSelector: WEB, ingress: [{ from: [{ namespaceSelector: other }], ports: [{ port: 'http' }] }] },
      { podSelector: WEB, ingress: [{ ports: [{ port: 8000, endPort: 8081, protocol: 'UDP' }] }] },
    );
    t.equal(await stranger.connect(at(web)), at(stranger), 'the port that is called http');
    t.equal(await stranger.connect(at(web), 8081), 'nothing');
    t.equal(await client.connect(at(web)), 'nothing');
    t.equal(await client.ask(at(web)), 'hello', 'what any policy allows is allowed');
  });

  t.test(`${family}: what a pod may connect to`, async (t) => {
    const { put } = tableOf(t);
    await put({ podSelector: CLIENT, policyTypes: ['Egress'] });
    t.equal(await client.connect(at(web)), 'nothing');
    t.equal(await client.connect(nodeAddress, 9), 'nothing', 'not even its node');
    t.equal(await web.connect(at(client)), at(web), 'it answers');
    t.equal(await askFromNode(at(client)), nodeAddress);

    await put({ podSelector: CLIENT, egress: [{ to: [{ podSelector: WEB }], ports: [{ port: 'http' }] }] });
    t.equal(await client.connect(at(web)), at(client), 'the port that its pods call http');
    t.equal(await client.connect(at(web), 8081), 'nothing');
    t.equal(await client.connect(at(stranger)), 'nothing');

    await put({ podSelector: CLIENT, egress: [{ ports: [{ port: 'http', protocol: 'UDP' }] }] });
    t.equal(await client.ask(at(web)), 'hello', 'the port of that name in any pod');
    t.equal(await client.connect(at(web)), 'nothing');

    const cidr = ['10.42.0.0/24', 'fd00:42::/64'][index]!;
    const except = [['10.42.0.4/32'], ['fd00:42::4/127']][index]!;
    await put({ podSelector: CLIENT, egress: [{ to: [{ ipBlock: { cidr, except } }] }] });
    t.equal(await client.connect(at(web)), at(client));
    t.equal(await client.connect(at(stranger)), 'nothing', 'an exception');
    t.equal(await client.connect(nodeAddress, 9), 'ECONNREFUSED', 'its node is in the block');
  });

  t.test(`${family}: a connection that a policy forbids is cut in both directions`, async (t) => {
    const { put } = tableOf(t);
    const connection = await client.open(at(web));
    const flow = await client.flow(at(web));
    t.equal(await client.write(connection, 'before'), 'before');
    await put({ podSelector: WEB, policyTypes: ['Ingress'] });
    t.equal(await client.write(connection, 'after'), 'nothing');
    const heard = client.heard(flow);
    await web.push('news');
    t.equal(await heard, 'nothing', 'nor is anything heard of the other end');
    await put();
    // TCP repeats what was dropped when it sees fit.
    await eventually('it to go on without the policy', async () =>
      /after|again/.test(await client.write(connection, 'again')),
    );
  });

  t.test(`${family}: no other kind of packet is a way around a policy`, async (t) => {
    const { put } = tableOf(t);
    const ping = (host: string): Promise<boolean> =>
      client.run('busybox', 'ping', '-c1', '-W1', host).then(
        () => true,
        () => false,
      );
    await put({ podSelector: WEB, ingress: [{ ports: [{ port: 8080 }] }] });
    t.equal(await ping(at(web)), false, 'a rule with ports is of TCP, UDP and SCTP');
    await put({ podSelector: WEB, ingress: [{ from: [{ podSelector: CLIENT }] }] });
    t.equal(await ping(at(web)), true);
    await put({ podSelector: WEB, policyTypes: ['Ingress'] });
    t.equal(await ping(at(web)), false);
    const linkLocal = (await web.run('ip', '-6', '-o', 'addr', 'show', 'scope', 'link', 'dev', 'eth0')).stdout;
    const [address] = /fe80::[0-9a-f:]+/.exec(linkLocal) ?? [];
    t.equal(await client.connect(`${address}%eth0`), 'nothing', "the bridge's own addresses");
    const heard = web.count();
    await client.ask('10.42.0.255');
    t.equal(await web.count(), await heard, 'a broadcast');
    await put();
    t.equal(await client.connect(`${address}%eth0`).then((said) => said.startsWith('fe80')), true);
    await client.ask('10.42.0.255');
    t.equal(Number(await web.count()), Number(await heard) + 1);
  });
}

for (const mode of TESTED_MODES) {
  t.test(`a Service is judged by the endpoint that it leads to, in mode ${mode}`, async (t) => {
    const { put } = tableOf(t);
    const backend = backendOf(mode);
    const endpoints = [web.addresses[0]!];
    const entry = entryOf({ clusterIP: '10.43.0.5', port: 80, targetPort: 8080, endpoints });
    await backend.sync({ services: new Map([['default/web', entry]]), serviceRange: SERVICE_CIDR });
    t.teardown(() => backend.remove());
    const [address] = client.addresses;
    await put({ podSelector: WEB, ingress: [{ from: [{ podSelector: CLIENT }], ports: [{ port: 8080 }] }] });
    t.equal(await client.connect('10.43.0.5', 80), address, "its port is the pod's, its client the pod itself");
    t.equal(await stranger.connect('10.43.0.5', 80), 'nothing');
    const udp = entryOf({
      ...{ name: 'udp', clusterIP: '10.43.0.6', port: 53, targetPort: 8080, protocol: 'UDP' },
      endpoints,
    });
    await backend.sync({ services: new Map([['default/udp', udp]]), serviceRange: SERVICE_CIDR });
    const arrived = await web.count();
    t.equal(await stranger.ask('10.43.0.6', 53), 'nothing');
    t.equal(await web.count(), arrived, 'what is forbidden does not arrive at all');
    await put(
      { podSelector: WEB, policyTypes: ['Ingress', 'Egress'] },
      { podSelector: CLIENT, egress: [{ to: [{ podSelector: WEB }], ports: [{ port: 80 }] }] },
    );
    t.equal(await client.connect('10.43.0.5', 80), 'nothing', 'the port of the Service is not the one that counts');
    t.equal((await web.connect('10.43.0.5', 80)) === 'nothing', false, 'a pod reaches itself by its Service');
    await put({ podSelector: CLIENT, egress: [{ to: [{ podSelector: WEB }], ports: [{ port: 8080 }] }] });
    t.equal(await client.connect('10.43.0.5', 80), address);
  });
}

t.test('the DNS of the cluster is what the usual rule for it allows', async (t) => {
  const { put } = tableOf(t);
  await ip('addr', 'add', `${DNS}/32`, 'dev', 'lo');
  t.teardown(() => ip('addr', 'del', `${DNS}/32`, 'dev', 'lo'));
  // Nobody listens: what comes through is refused.
  const isReached = async (port: number): Promise<boolean> => (await client.connect(DNS, port)) === 'ECONNREFUSED';
  await put({ podSelector: CLIENT, policyTypes: ['Egress'] });
  t.equal(await isReached(53), false);
  const kubeDns = {
    namespaceSelector: {},
    podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
  };
  await put({ podSelector: CLIENT, egress: [{ to: [kubeDns], ports: [{ port: 53, protocol: 'TCP' }] }] });
  t.equal(await isReached(53), true);
  t.equal(await isReached(6443), false);
  await put({ podSelector: CLIENT, egress: [{ to: [kubeDns], ports: [{ port: 'dns-tcp', protocol: 'TCP' }] }] });
  t.equal(await isReached(53), true, 'by the name of its port');
});

t.test('connections that the kernel does not follow reach no isolated pod', async (t) => {
  const { put } = tableOf(t);
  const notTracked = ['-t', 'raw', '-A', 'PREROUTING', '-p', 'udp', '-j', 'CT', '--notrack'];
  await run('iptables', notTracked);
  t.teardown(() => run('iptables', ['-t', 'raw', '-F']));
  const [address] = web.addresses;
  t.equal(await client.ask(address!), 'hello');
  await put({ podSelector: WEB, ingress: [{ ports: [{ port: 8080, protocol: 'UDP' }] }] });
  t.equal(await client.ask(address!), 'nothing', 'what cannot be judged is dropped');
  await put({ podSelector: WEB, ingress: [{}] });
  t.equal(await client.ask(address!), 'hello', 'unless everything is allowed');
});

t.test('the table follows changes one by one, and is whole again when somebody has flushed it', async (t) => {
  const { put, table } = tableOf(t);
  const policy = { podSelector: WEB, ingress: [{ from: [{ podSelector: CLIENT }] }] };
  t.equal(await put(policy), true);
  t.equal(await put(policy), false, 'nothing has changed');
  t.equal(await table.verify(), true);
  t.equal(await client.connect(web.addresses[0]!), client.addresses[0]);
  // The client gets other labels.
  const pods = clusterOf([]).pods.map((pod, index) => (index === 1 ? { ...pod, labels: { app: 'none' } } : pod));
  t.equal(
    await table.apply(contentOf(clusterOf([policyOf(policy, { name: 'policy-0' })], { pods, dns: [DNS] }))),
    true,
  );
  t.equal(await client.connect(web.addresses[0]!), 'nothing');

  for (const command of ['flush table inet kedge-policy', 'delete table inet kedge-policy', 'flush ruleset']) {
    await run('nft', command.split(' '));
    t.equal(await client.connect(web.addresses[0]!), client.addresses[0], command);
    t.equal(await table.verify(), false);
    await put({ podSelector: WEB, policyTypes: ['Ingress'] });
    t.equal(await client.connect(web.addresses[0]!), 'nothing');
    t.equal(await table.verify(), true);
  }

  t.comment('another agent begins with what the first has left');
  await new PolicyTable(nft, 'cni0').apply(contentOf(clusterOf([policyOf({ ingress: [{}] })])));
  t.equal(await client.connect(web.addresses[0]!), client.addresses[0]);
  await put();
  const { stdout } = await run('nft', ['list', 'tables']);
  t.notMatch(stdout, 'kedge-policy', 'no policy, no table');
});

t.test('what a policy is called and what it asks for stays in its own rules', async (t) => {
  const { table } = tableOf(t);
  const hostile = '" drop; flush ruleset; add rule x "\n\u{1f4a3}';
  const policies = [
    policyOf({ ingress: [{ from: [{ ipBlock: { cidr: '::/0', except: ['::fffe:0:0/96'] } }] }] }, { name: hostile }),
    policyOf({ ingress: [{ from: [{ podSelector: { matchLabels: { [hostile]: hostile } } }] }] }, { name: 'b' }),
    policyOf(
      {
        egress: [{ ports: [{ port: hostile }, { port: 80, endPort: 90 }, { port: 85, endPort: 91 }, { port: 92 }] }],
        policyTypes: ['Egress'],
      },
      { name: 'c' },
    ),
    policyOf({ ingress: [{ ports: [{ port: '1; drop', endPort: 5 }] }] }, { name: 'd' }),
    policyOf(
      {
        ingress: [
          {
            from: [
              { ipBlock: { cidr: '0.0.0.0/0', except: ['0.0.0.0/1', '128.0.0.0/2', '160.0.0.0/8'] } },
              { ipBlock: { cidr: '10.0.0.0/8' } },
              { ipBlock: { cidr: '} ; drop' } },
            ],
          },
        ],
      },
      { name: 'x'.repeat(253), namespace: 'default' },
    ),
  ];
  const pods = clusterOf([]).pods.map((pod) => ({ ...pod, labels: { [hostile]: hostile } }));
  t.equal(await table.apply(contentOf(clusterOf(policies, { pods }))), true, 'the kernel takes it');
  const { stdout } = await run('nft', ['list', 'table', 'inet', 'kedge-policy']);
  t.notMatch(stdout, 'flush ruleset;');
  t.match(stdout, /comment "default\/\? drop\? flush ruleset\? add rule x \?\?/);
});

t.test('the kernel takes what policies say of SCTP', async (t) => {
  const { put, table } = tableOf(t);
  const wrote = await put({
    podSelector: WEB,
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ from: [{ podSelector: CLIENT }], ports: [{ protocol: 'SCTP', port: 7777 }] }],
    egress: [{ ports: [{ protocol: 'SCTP', port: 9000, endPort: 9010 }] }],
  });
  t.ok(wrote);
  t.ok(await table.verify());
  const { stdout } = await run('nft', ['list', 'ruleset']);
  t.match(stdout, /sctp.* 7777/);
  t.match(stdout, /sctp.* 9000-9010/);
});
