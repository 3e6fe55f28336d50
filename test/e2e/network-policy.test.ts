/** NetworkPolicies as kubectl applies them, between pods of two nodes; with an agent that is killed, and tables that somebody flushes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import type { Event, Pod } from '../../api/types/core/v1.gen.ts';
import type { NetworkPolicySpec } from '../../api/types/networking/v1.gen.ts';
import { Cluster } from '../support/cluster.ts';
import { HELLO_IMAGE } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';

t.setTimeout(10 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-netpol', nodes: 2 });
cluster.endWith(t);
const [first, second] = cluster.nodes;
const NODES: readonly [string, string] = [first!.name, second!.name];

/** Serves HTTP on 8080, and an echo on 9000. */
const SERVER = 'echo hello > /tmp/index.html; nc -ll -p 9000 -e cat & exec httpd -f -p 8080 -h /tmp';
const podOf = (name: string, { namespace = 'default', node = NODES[0], labels = {} } = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, labels: { app: name, ...labels } },
  spec: {
    ...{ nodeName: node, terminationGracePeriodSeconds: 1 },
    containers: [
      {
        ...{ name: 'c', image: HELLO_IMAGE, command: ['sh', '-c', SERVER] },
        ports: [{ name: 'web', containerPort: 8080 }],
        readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
      },
    ],
  },
});
const policyOf = (name: string, spec: NetworkPolicySpec): object => ({
  ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
  ...{ metadata: { name }, spec: { podSelector: {}, ...spec } },
});
const apply = (...items: object[]) => cluster.apply({ apiVersion: 'v1', kind: 'List', items });

/** Pods whose traffic is tried: those of `default` are subject to the policies. */
const CLIENTS = { near: 'default', far: 'default', guest: 'guests' } as const;
type Client = keyof typeof CLIENTS;

await apply(
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'guests', labels: { kind: 'guests' } } },
  podOf('server', {}),
  podOf('near', {}),
  podOf('far', { node: NODES[1] }),
  podOf('guest', { namespace: 'guests', node: NODES[1] }),
  {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'server' } },
    spec: { selector: { app: 'server' }, ports: [{ port: 80, targetPort: 'web' }] },
  },
);
await cluster.kubectl('wait', '--for=condition=Ready', 'pods', '--all', '--timeout=120s');
await cluster.kubectl('wait', '--for=condition=Ready', 'pods', '--all', '-n', 'guests', '--timeout=120s');
const addressOf = async (name: string, namespace = 'default'): Promise<string> =>
  (await cluster.get<Pod>('pod', name, '-n', namespace)).status?.podIP ?? '';
const server = await addressOf('server');

const inPod = async (client: Client, script: string): Promise<string> =>
  (await cluster.kubectl('exec', '-n', CLIENTS[client], client, '--', 'sh', '-c', script)).stdout.trim();
const reaches = async (client: Client, url: string): Promise<boolean> =>
  (await inPod(client, `timeout 1 wget -qO- ${url} || true`)) === 'hello';
/** Which clients reach the server, once that is as expected. */
async function reachedBy(expected: readonly Client[], url = `http://${server}:8080/`): Promise<void> {
  await eventually(`${url} to be reached by ${expected.join(', ') || 'nobody'}`, async () => {
    const found = await Promise.all((Object.keys(CLIENTS) as Client[]).map((client) => reaches(client, url)));
    return found.every((is, index) => is === expected.includes((Object.keys(CLIENTS) as Client[])[index]!));
  });
}
const deletePolicies = () => cluster.kubectl('delete', 'networkpolicies', '--all');
const tables = async (index: number): Promise<string> =>
  (await cluster.nodes[index]!.run('nft', ['list', 'tables'])).stdout;

t.test('ingress: nobody, a namespace, a named port', async (t) => {
  await reachedBy(['near', 'far', 'guest']);
  t.notMatch(await tables(0), 'kedge-policy', 'without policies there is no table');
  const { stderr } = await apply(policyOf('deny-all', { policyTypes: ['Ingress'] }));
  t.equal(stderr, '', 'nothing is said against it');
  await reachedBy([]);
  t.equal(await reaches('near', 'http://server.default:80/'), false, 'nor by the Service');
  t.match((await cluster.get<Pod>('pod', 'server')).status?.conditions, [{}], 'probes of the node go on');

  const guests = { namespaceSelector: { matchLabels: { kind: 'guests' } } };
  await apply(
    policyOf('allow-guests', { podSelector: { matchLabels: { app: 'server' } }, ingress: [{ from: [guests] }] }),
  );
  await reachedBy(['guest']);
  await reachedBy(['guest'], 'http://server.default:80/');
  await cluster.kubectl('label', 'namespace', 'guests', 'kind-');
  await reachedBy([]);
  const web = { podSelector: { matchLabels: { app: 'server' } }, ingress: [{ ports: [{ port: 'web' }] }] };
  await apply(policyOf('allow-web', web));
  await reachedBy(['near', 'far', 'guest']);
  t.equal(await inPod('near', `echo hi | nc -w 1 ${server} 9000 || true`), '', 'another port');
  const ready = await cluster.get<Pod>('pod', 'server');
  t.equal(ready.status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
  await deletePolicies();
  await reachedBy(['near', 'far', 'guest']);
  await eventually('the tables to be gone', async () => !(await tables(0)).includes('kedge-policy'));
});

t.test('egress: DNS and one range', async (t) => {
  const finds = async (): Promise<boolean> =>
    (await inPod('far', 'nslookup server.default.svc.cluster.local. || true')).includes('Name:');
  t.ok(await finds());
  const far = { podSelector: { matchLabels: { app: 'far' } } };
  await apply(policyOf('deny-all', { ...far, policyTypes: ['Egress'] }));
  await reachedBy(['near', 'guest']);
  t.notOk(await finds(), 'DNS is denied, too');
  const dns = {
    to: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }],
    ports: [{ port: 53, protocol: 'UDP' as const }],
  };
  await apply(policyOf('allow-dns', { ...far, egress: [dns], policyTypes: ['Egress'] }));
  await eventually('DNS', finds);
  await reachedBy(['near', 'guest']);
  const range = `${server}/32`;
  await apply(
    policyOf('allow-range', { ...far, egress: [{ to: [{ ipBlock: { cidr: range } }] }], policyTypes: ['Egress'] }),
  );
  await reachedBy(['near', 'far', 'guest']);
  await reachedBy(['near', 'far', 'guest'], 'http://server.default:80/');
  const [network] = server.split('.').slice(0, 3).join('.').split(' ');
  const block = { cidr: `${network}.0/24`, except: [range] };
  await apply(policyOf('allow-range', { ...far, egress: [{ to: [{ ipBlock: block }] }], policyTypes: ['Egress'] }));
  await reachedBy(['near', 'guest']);
  t.ok(await reaches('far', `http://${await addressOf('near')}:8080/`), 'all others of the range');
  await deletePolicies();
});

t.test('an open connection is cut, and goes on when it is allowed again', async (t) => {
  const ticks = `while true; do echo tick; sleep 0.2; done | nc ${server} 9000 >/tmp/heard`;
  await inPod('far', `(${ticks}) </dev/null >/dev/null 2>&1 &`);
  const heard = async (): Promise<number> => Number(await inPod('far', 'wc -l </tmp/heard'));
  const grows = async (): Promise<boolean> => {
    const before = await heard();
    await inPod('far', 'sleep 1');
    return (await heard()) > before;
  };
  await eventually('the connection', grows);
  await apply(policyOf('deny-all', { policyTypes: ['Ingress'] }));
  await eventually('silence', async () => !(await grows()));
  await deletePolicies();
  await eventually('the connection to go on', grows);
  t.pass();
});

t.test('a policy is in force before a pod that it selects runs', async (t) => {
  await apply(policyOf('deny-all', { podSelector: { matchLabels: { app: 'hasty' } }, policyTypes: ['Egress'] }));
  await eventually('the policy', async () => (await cluster.get('networkpolicies')) !== undefined);
  const script = `timeout 1 wget -qO- http://${server}:8080/ || echo kept`;
  for (const name of ['one', 'two', 'three'])
    await apply({
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: 'hasty' } } },
      spec: {
        ...{ nodeName: NODES[1], restartPolicy: 'Never' },
        containers: [{ name: 'c', image: HELLO_IMAGE, command: ['sh', '-c', script] }],
      },
    });
  for (const name of ['one', 'two', 'three']) {
    await cluster.kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', `pod/${name}`, '--timeout=60s');
    t.match((await cluster.kubectl('logs', name)).stdout, 'kept');
  }
  await deletePolicies();
});

t.test('policies outlive the agent, and what others do to the tables', async (t) => {
  await apply(policyOf('deny-all', { policyTypes: ['Ingress'] }));
  await reachedBy([]);
  await first!.stopAgent('SIGKILL');
  t.equal(await reaches('guest', `http://${server}:8080/`), false, 'without an agent');
  await first!.startAgent();
  await eventually(
    'the agent to be back',
    async () => (await cluster.kubectl('wait', '--for=condition=Ready', `node/${first!.name}`, '--timeout=60s')).stdout,
  );
  await reachedBy([]);
  for (const command of ['flush', 'delete']) {
    await first!.run('nft', [command, 'table', 'inet', 'kedge-policy']);
    await eventually('the table to be back', async () => !(await reaches('guest', `http://${server}:8080/`)), 10);
  }
  await deletePolicies();
  await reachedBy(['near', 'far', 'guest']);
});

t.test('a node that cannot enforce a policy says so, and starts no pod that needs it', async (t) => {
  // A program of the name that fails, as on a kernel without nftables.
  const [, node] = cluster.nodes;
  await node!.stopAgent();
  const tools = await mkdtemp(path.join(os.tmpdir(), 'kedge-test-netpol-'));
  t.teardown(() => rm(tools, { recursive: true }));
  await writeFile(path.join(tools, 'nft'), '#!/bin/sh\necho "nf_tables is not there" >&2\nexit 1\n', { mode: 0o755 });
  const search = process.env['PATH'];
  process.env['PATH'] = `${tools}:${search}`;
  await node!.startAgent();
  process.env['PATH'] = search;
  await apply(
    policyOf('deny-all', { podSelector: { matchLabels: { app: 'kept' } }, policyTypes: ['Ingress'] }),
    podOf('kept', { node: node!.name }),
    podOf('free', { node: node!.name }),
  );
  await cluster.kubectl('wait', '--for=condition=Ready', 'pod/free', '--timeout=60s');
  const reasons = async (name: string): Promise<string[]> =>
    (await cluster.get<{ items: Event[] }>('events', `--field-selector=involvedObject.name=${name}`)).items.map(
      ({ reason, message }) => `${reason}: ${message}`,
    );
  await eventually('the events', async () =>
    (await reasons('kept')).some((said) => /^NetworkPolicyNotInForce: .*nf_tables is not there/s.test(said)),
  );
  t.match((await reasons(node!.name)).join('\n'), /NetworkPolicyNotEnforced: .*nf_tables is not there/);
  t.equal(
    (await cluster.get<Pod>('pod', 'kept')).status?.containerStatuses?.[0]?.state?.waiting?.reason,
    'NetworkPolicyNotInForce',
  );
  await rm(path.join(tools, 'nft'));
  await cluster.kubectl('wait', '--for=condition=Ready', 'pod/kept', '--timeout=120s');
  await deletePolicies();
});
