/** The cluster's DNS, asked by pods of two nodes; with an agent that is killed, and a cluster that decides to have its DNS elsewhere. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import type { Service } from '../../api/types/core/v1.gen.ts';
import { Cluster, type ClusterNode } from '../support/cluster.ts';
import { Daemon } from '../support/daemon.ts';
import { HELLO_IMAGE, pod } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';

t.setTimeout(10 * 60_000);
const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-test-dns-'));
const resolvConf = path.join(directory, 'resolv.conf');
await writeFile(resolvConf, 'nameserver 127.0.0.1\n');
const cluster = await Cluster.start({ name: 'e2e-dns', nodes: 2, agent: { 'resolv-conf': resolvConf } });
cluster.endWith(t);
const OUTSIDE = 'outside.example';
const upstreams = cluster.nodes.map(
  ({ netns, name }) =>
    new Daemon(process.execPath, [path.join(import.meta.dirname, 'dns-upstream-inside.ts'), OUTSIDE, '192.0.2.80'], {
      ...{ netns, log: path.join(directory, `${name}.log`) },
    }),
);
t.teardown(async () => {
  for (const upstream of upstreams) await upstream.end();
  await rm(directory, { recursive: true });
});
for (const upstream of upstreams)
  await eventually('the DNS server of the node', async () => (await upstream.output()).includes('serving'));

const CLUSTER_DNS = '10.43.0.10';
const ALL = 'web-all.default.svc.cluster.local';
const inPod = async (name: string, ...command: string[]): Promise<string> =>
  (await cluster.kubectl('exec', name, '--', ...command)).stdout;
/** The addresses that nslookup finds in a pod, of a whole name; rejects for a name that does not exist. */
async function lookup(from: string, name: string): Promise<string[]> {
  const words = await inPod(from, 'nslookup', `${name}.`);
  return [...words.matchAll(/^Name:.*\nAddress: (\S+)/gm)].map(([, address = '']) => address).sort();
}
/** The address that a program finds for a name as people write it: by the search path of the pod. */
async function found(from: string, name: string): Promise<string | undefined> {
  const words = await inPod(from, 'sh', '-c', 'ping -c 1 -W 1 "$0" 2>&1 || true', name);
  return /^PING \S+ \(([\d.]+)\)/m.exec(words)?.[1];
}
/** Arguments: server, name. */
const LOOKUP = `
  const { Resolver } = require('node:dns').promises;
  const resolver = new Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([process.argv[1]]);
  resolver.resolve4(process.argv[2]).then(String, ({ code }) => code).then(console.log);
`;
const addressesOf = async (node: ClusterNode): Promise<string> =>
  (await node.run('ip', ['-4', '-o', 'address', 'show', 'dev', 'lo'])).stdout;

const clients = cluster.nodes.map(({ name }, index) => ({ name: `client-${index}`, node: name }));
for (const { name, node } of clients) await cluster.apply(pod(name, {}, { nodeName: node }));
const server = {
  name: 'c',
  image: HELLO_IMAGE,
  command: ['sh', '-c', 'hostname > /tmp/index.html; exec httpd -f -p 8080 -h /tmp'],
};
await cluster.apply({
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'web' },
      spec: {
        ...{ replicas: 2, serviceName: 'web-all', podManagementPolicy: 'Parallel' },
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: { terminationGracePeriodSeconds: 1, containers: [server] },
        },
      },
    },
    ...[
      { name: 'web', spec: { ports: [{ name: 'http', port: 80, targetPort: 8080 }] } },
      { name: 'web-all', spec: { clusterIP: 'None', ports: [{ name: 'http', port: 8080 }] } },
    ].map(({ name, spec }) => ({
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name } },
      spec: { selector: { app: 'web' }, ...spec },
    })),
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'elsewhere' } },
      spec: { type: 'ExternalName', externalName: OUTSIDE },
    },
  ],
});
await cluster.kubectl('rollout', 'status', 'statefulset/web', '--timeout=120s');
for (const { name } of clients) await cluster.kubectl('wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s');

t.test('kube-dns is found where tools look for it', async (t) => {
  const service = await cluster.get<Service>('service', 'kube-dns', '-n', 'kube-system');
  t.match(service.spec, {
    clusterIP: CLUSTER_DNS,
    ports: [{ name: 'dns', protocol: 'UDP', port: 53 }, { name: 'dns-tcp' }],
  });
  t.match((await cluster.kubectl('cluster-info')).stdout, /DNS.* is running at /);
  // A firewall of the host that lets nothing in from other links.
  for (const node of cluster.nodes)
    await node.run('iptables', ['-A', 'INPUT', '!', '-i', 'lo', '-d', CLUSTER_DNS, '-j', 'DROP']);
  for (const node of cluster.nodes) t.match(await addressesOf(node), `inet ${CLUSTER_DNS}/32 scope host lo`);
});

t.test('pods of each node find Services, pods and what is outside', async (t) => {
  const { spec } = await cluster.get<Service>('service', 'web');
  const ips = (
    await cluster.kubectl('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].status.podIP}')
  ).stdout.split(' ');
  for (const { name } of clients) {
    t.equal(await found(name, 'web'), spec?.clusterIP);
    t.equal(await found(name, 'kubernetes.default'), '10.43.0.1');
    t.strictSame(await lookup(name, 'kubernetes.default.svc.cluster.local'), ['10.43.0.1']);
    await eventually('all endpoints', async () => (await lookup(name, ALL)).join() === ips.toSorted().join());
    for (const index of [0, 1]) {
      const address = await found(name, `web-${index}.web-all`);
      t.equal((await inPod(name, 'wget', '-qO-', `http://${address}:8080/`)).trim(), `web-${index}`);
    }
    t.strictSame(await lookup(name, OUTSIDE), ['192.0.2.80']);
    t.equal(await found(name, 'elsewhere'), '192.0.2.80');
    t.match(await inPod(name, 'nslookup', '10.43.0.1'), 'kubernetes.default.svc.cluster.local');
    await t.rejects(lookup(name, 'nobody.default.svc.cluster.local'), /exit code 1/);
    t.equal(await found(name, 'nobody'), undefined);
  }
  const asked = (await Promise.all(upstreams.map((upstream) => upstream.output()))).join('');
  t.notMatch(asked, /cluster\.local/, 'no name of the cluster leaves it');
});

t.test('a pod that is gone is no longer among the endpoints', async (t) => {
  await cluster.kubectl('scale', 'statefulset/web', '--replicas=1');
  for (const { name } of clients) await eventually('one endpoint', async () => (await lookup(name, ALL)).length === 1);
  t.equal(await found('client-0', 'web-1.web-all'), undefined);
});

t.test('after a kill of the agent there is DNS again, and without the api-server as well', async (t) => {
  const [, node] = cluster.nodes;
  await node!.stopAgent('SIGKILL');
  const ask = (): Promise<string> =>
    node!.run(process.execPath, ['-e', LOOKUP, CLUSTER_DNS, OUTSIDE]).then(({ stdout }) => stdout.trim());
  t.match(await ask(), /ETIMEOUT/, 'a resolver waits, and is not told that nobody is there');
  await cluster.server.end('SIGKILL');
  await node!.startAgent();
  await eventually('names outside of the cluster', async () => (await ask()) === '192.0.2.80');
  await cluster.startServer();
  await eventually('names of the cluster', async () => (await found('client-1', 'web')) !== undefined);
});

t.test('a cluster that has its DNS elsewhere keeps the address for it', async () => {
  const label = 'service.kubernetes.io/service-proxy-name';
  await cluster.kubectl('label', 'service', 'kube-dns', '-n', 'kube-system', `${label}-`);
  for (const node of cluster.nodes)
    await eventually('the address to be given back', async () => !(await addressesOf(node)).includes(CLUSTER_DNS));
  await cluster.kubectl('label', 'service', 'kube-dns', '-n', 'kube-system', `${label}=kedge-dns`);
  for (const { name } of clients)
    await eventually('DNS to be back', async () => (await found(name, 'web')) !== undefined);
});

t.test('kedge reset gives the address back', async (t) => {
  const [, node] = cluster.nodes;
  await node!.stopAgent();
  t.match(await addressesOf(node!), CLUSTER_DNS, 'an agent that stops leaves it');
  await node!.run(cluster.kedge, ['reset', '--config', path.join(node!.directory, 'agent.yaml')], {
    timeoutMs: 120_000,
  });
  t.notMatch(await addressesOf(node!), CLUSTER_DNS);
  t.notMatch((await node!.run('iptables-save', ['-t', 'filter'])).stdout, /KEDGE/);
});
