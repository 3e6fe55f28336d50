/** Hosts that join: with a valid token, and with every kind of invalid one. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { Cluster, ClusterNode } from '../support/cluster.ts';
import { traces } from '../support/traces.ts';
import { eventually } from '../support/wait.ts';
import type { Node, Pod, Service } from '../../api/types/core/v1.gen.ts';

t.setTimeout(3 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-join' });
cluster.endWith(t);
const second = await ClusterNode.create(cluster, 1);
cluster.nodes.push(second);
await second.startContainerd();

const token = (...args: string[]) =>
  cluster.host.run(cluster.kedge, ['token', ...args, '--kubeconfig', cluster.kubeconfig]);
const nodeNames = async (): Promise<string[]> =>
  (await cluster.get<{ items: Node[] }>('nodes')).items.map(({ metadata }) => metadata?.name ?? '');

/** Starts the second node's agent and returns the sentence with which it fails. */
async function refusal(
  settings: { server: string; token: string; caHash: string },
  more?: Record<string, string>,
): Promise<string> {
  const agent = await second.startAgent(settings, more);
  const before = (await agent.output()).length;
  await agent.ended();
  const lines = (await agent.output()).slice(before).trim().split('\n');
  t.equal(agent.exitCode, 1, 'the agent ends with exit code 1');
  const { level, msg, err } = JSON.parse(lines.at(-1) ?? '') as { level: string; msg: string; err?: unknown };
  t.match({ level, err }, { level: 'fatal', err: undefined }, 'its last line is one sentence without a stack');
  return msg;
}

/** What an agent keeps once it has joined. */
async function certificates(): Promise<string[]> {
  const files = await readdir(path.join(second.directory, 'agent/pki')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return files.filter((file) => file.endsWith('.crt') || file.endsWith('.pem'));
}

t.test('a host that cannot join says why in a sentence and leaves nothing behind', async (t) => {
  const good = await cluster.joinSettings();
  const wrongSecret = good.token.replace(/\..*/, '.0123456789abcdef');
  t.match(
    await refusal({ ...good, token: wrongSecret }),
    /does not accept the token .{6}: it is invalid or has expired/,
  );
  t.match(await refusal({ ...good, token: 'nonsense' }), 'token must be ID.SECRET');
  t.match(
    await refusal({ ...good, caHash: `sha256:${'0'.repeat(64)}` }),
    /the CA of https:\S+ has the hash sha256:\S+, not sha256:0{64}: it is another cluster/,
  );
  t.match(await refusal({ ...good, server: 'https://10.77.0.1:6444' }), /10\.77\.0\.1:6444.*(refused|reach)/i);
  t.match(
    await refusal(good, { 'node-name': cluster.host.name }),
    `the name ${cluster.host.name} is in use by a running node at ${cluster.host.ip}`,
  );
  const expired = await cluster.joinSettings('--ttl', '1s');
  await eventually(
    'the token to expire',
    async () =>
      (await token('list')).stdout.includes('<expired>') || !(await token('list')).stdout.includes(expired.token),
  );
  t.match(await refusal(expired), 'it is invalid or has expired');
  const deleted = await cluster.joinSettings();
  t.match((await token('delete', deleted.token)).stdout, `"${deleted.token.split('.')[0]}" deleted`);
  t.match(await refusal(deleted), 'does not accept the token');
  await t.rejects(
    token('delete', deleted.token),
    /does not exist/,
    'deleting a token again says that it does not exist',
  );

  t.strictSame(await nodeNames(), [cluster.host.name], 'no node was made');
  t.strictSame(await certificates(), [], 'and no certificate kept');
});

t.test('tokens are listed with their remaining lifetime', async (t) => {
  const { stdout: forever } = await token('create', '--ttl', '0', '--description', 'for ever');
  const { stdout } = await token('list');
  t.match(stdout, /^TOKEN +TTL +EXPIRES +DESCRIPTION +EXTRA GROUPS\n/);
  t.match(stdout, new RegExp(`${forever.trim()} +<forever> +<never> +for ever`));
  t.match(stdout, /23h +\d{4}-/);
  await token('delete', forever.trim());
});

t.test('a second host joins with the printed command, and pods and Services are reachable across hosts', async (t) => {
  const { stdout } = await token('create', '--print-join-command');
  t.match(stdout, /^scripts\/install\.sh --server https:\/\/10\.77\.0\.1:6443 --token \S+ --ca-hash sha256:\S+\n$/);
  const words = stdout.trim().split(' ');
  const [server = '', joinToken = '', caHash = ''] = [words[2], words[4], words[6]];
  await second.startAgent({ server, token: joinToken, caHash });
  await cluster.kubectl('wait', '--for=create', '--timeout=30s', `node/${second.name}`);
  await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=30s', `node/${second.name}`);

  for (const node of cluster.nodes) {
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `on-${node.name}`, labels: { app: node.name } },
      spec: {
        nodeName: node.name,
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'web',
            image: 'kedge.local/hello:1.0',
            env: [{ name: 'NODE', value: node.name }],
            command: ['sh', '-c', 'echo $NODE > /www/index.html; exec httpd -f -p 8080 -h /www'],
            readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
          },
        ],
      },
    });
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: node.name },
      spec: { type: 'NodePort', selector: { app: node.name }, ports: [{ port: 80, targetPort: 8080 }] },
    });
  }
  await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=30s', 'pod', '--all');
  const fetch = (from: ClusterNode, url: string) =>
    cluster.kubectl('exec', `on-${from.name}`, '--', 'timeout', '3', 'wget', '-q', '-O', '-', url);
  for (const from of cluster.nodes) {
    for (const to of cluster.nodes) {
      const pod = await cluster.get<Pod>('pod', `on-${to.name}`);
      const service = await cluster.get<Service>('service', to.name);
      const [port] = service.spec?.ports ?? [];
      const where = `from ${from.name} to ${to.name}`;
      t.equal((await fetch(from, `http://${pod.status?.podIP}:8080/`)).stdout, `${to.name}\n`, `pods reach ${where}`);
      await eventually(
        `the cluster IP to respond ${where}`,
        async () => (await fetch(from, `http://${service.spec?.clusterIP}/`)).stdout === `${to.name}\n`,
      );
      await eventually(
        `the node port to respond ${where}`,
        async () => (await from.curl(`http://${to.ip}:${port?.nodePort}/`)) === `${to.name}\n`,
      );
      await eventually(
        `any node's port to respond ${where}`,
        async () => (await from.curl(`http://${from.ip}:${port?.nodePort}/`)) === `${to.name}\n`,
      );
    }
  }
  t.match((await cluster.kubectl('logs', `on-${second.name}`)).stdout, '', 'the node API of the second node responds');

  await second.stopAgent('SIGKILL');
  await second.startAgent();
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'afterwards' },
    spec: {
      nodeName: second.name,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'c', image: 'kedge.local/hello:1.0' }],
    },
  });
  await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=30s', 'pod/afterwards');
  t.pass('a node with a certificate restarts after its token is deleted');
});

t.test('a stopped cluster leaves nothing on the machine', async (t) => {
  const look = await traces(cluster);
  await cluster[Symbol.asyncDispose]();
  await eventually('everything to be removed', async () => (await look()).length === 0, 10).catch(() => undefined);
  t.strictSame(await look(), []);
});
