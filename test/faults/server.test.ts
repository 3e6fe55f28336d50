/** The server is killed in the middle of its work, at its first start, and finds its files damaged. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { Cluster } from '../support/cluster.ts';
import { Daemon } from '../support/daemon.ts';
import { HELLO_IMAGE, lives } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';
import type { ConfigMap, Pod, Service } from '../../api/types/core/v1.gen.ts';

t.setTimeout(4 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-server' });
cluster.endWith(t);
const node = cluster.host;
const out = async (...args: string[]): Promise<string> => (await cluster.kubectl(...args)).stdout;

const deployment = (image: string, version: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'web',
            image,
            env: [{ name: 'VERSION', value: version }],
            command: ['sh', '-c', 'echo $VERSION > /www/index.html; exec httpd -f -p 8080 -h /www'],
            readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
});
const page = (url: string) => node.curl(url).catch(() => '');

/** A writer that creates objects one after the other, and returns the acknowledged ones. */
async function write(writer: number, signal: AbortSignal): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let i = 0; !signal.aborted; i++) {
    const name = `w${writer}-${i}`;
    try {
      await cluster.kubectl('create', 'configmap', name, '--from-literal=made=yes', '--request-timeout=5s');
      acknowledged.push(name);
      await cluster.kubectl('label', 'configmap', name, 'changed=yes', '--request-timeout=5s');
      acknowledged.push(`${name} changed`);
    } catch {
      // Not acknowledged: it may be there or not.
    }
  }
  return acknowledged;
}

t.test('a server killed under load loses no acknowledged write and recovers', async (t) => {
  await cluster.apply(deployment(HELLO_IMAGE, 'one'));
  const ports = [{ port: 80, targetPort: 8080 }];
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { type: 'NodePort', selector: { app: 'web' }, ports },
  });
  await cluster.kubectl('rollout', 'status', 'deploy/web', '--timeout=60s');
  const service = await cluster.get<Service>('service', 'web');
  const url = `http://${service.spec?.clusterIP}/`;
  const nodePort = `http://${node.ip}:${service.spec?.ports?.[0]?.nodePort}/`;
  await eventually('the Service to respond', async () => (await page(url)) === 'one\n');

  const seen = new Set<string>();
  const watching = spawn(
    'nsenter',
    [
      ...[
        `--net=/run/netns/${node.netns}`,
        process.execPath,
        path.resolve(import.meta.dirname, '../support/watcher.ts'),
      ],
      cluster.kubeconfig,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  createInterface({ input: watching.stdout }).on('line', (line) => seen.add(line));
  t.teardown(() => watching.kill());

  const stop = new AbortController();
  const writers = [0, 1, 2, 3].map((writer) => write(writer, stop.signal));
  for (let kills = 0; kills < 3; kills++) {
    const before = seen.size;
    await eventually('writes to succeed', () => seen.size >= before + 8);
    await cluster.server.end('SIGKILL');
    t.equal(await page(url), 'one\n', 'cluster IPs go on without the server');
    t.equal(await page(nodePort), 'one\n', 'and so do node ports');
    await cluster.startServer();
  }
  stop.abort();
  const acknowledged = (await Promise.all(writers)).flat();

  const { items } = await cluster.get<{ items: ConfigMap[] }>('configmaps', '-l', 'made!=no');
  const there = new Set(
    items.flatMap(({ metadata }) => [
      metadata?.name ?? '',
      ...(metadata?.labels?.['changed'] ? [`${metadata.name} changed`] : []),
    ]),
  );
  t.ok(acknowledged.length > 20, `${acknowledged.length} writes were acknowledged`);
  t.strictSame(
    acknowledged.filter((write) => !there.has(write)),
    [],
    'every acknowledged write is there',
  );
  await eventually('the watch to have seen all of them', () => acknowledged.every((write) => seen.has(write)));
});

t.test('a rollout during which the server died completes, and Services keep their addresses', async (t) => {
  const before = await cluster.get<Service>('service', 'web');
  await cluster.apply(deployment(HELLO_IMAGE, 'two'));
  await eventually('the rollout to be half done', async () => {
    const { items } = await cluster.get<{ items: Pod[] }>('pods', '-l', 'app=web');
    return new Set(items.map(({ metadata }) => metadata?.labels?.['pod-template-hash'])).size === 2;
  });
  await cluster.server.end('SIGKILL');
  await cluster.startServer();
  await cluster.kubectl('rollout', 'status', 'deploy/web', '--timeout=60s');
  const after = await cluster.get<Service>('service', 'web');
  t.strictSame([after.spec, after.metadata?.uid], [before.spec, before.metadata?.uid]);
  const url = `http://${after.spec?.clusterIP}/`;
  await eventually('the new version to respond', async () => (await page(url)) === 'two\n');
  await eventually(
    'the old pods to be gone',
    async () => (await out('get', 'pods', '-o', 'name')).trim().split('\n').length === 3,
  );
  const pods = await cluster.get<{ items: Pod[] }>('pods', '-l', 'app=web');
  t.ok(
    pods.items.flatMap(lives).every(({ restartCount }) => restartCount === 0),
    'no container was started again',
  );

  await cluster.apply({
    ...before,
    metadata: { name: 'other' },
    spec: { ports: before.spec?.ports?.map(({ port }) => ({ port })), type: 'NodePort' },
  });
  const other = await cluster.get<Service>('service', 'other');
  t.not(other.spec?.clusterIP, after.spec?.clusterIP, 'allocated addresses are not allocated again');
  t.not(other.spec?.ports?.[0]?.nodePort, after.spec?.ports?.[0]?.nodePort);
  t.match(await out('exec', 'deploy/web', '--', 'hostname'), /^web-/, 'the way to the nodes is open again');
});

t.test('a server killed during its first start starts again, and names a corrupt file', async (t) => {
  const data = path.join(cluster.directory, 'second');
  const kubeconfig = path.join(cluster.directory, 'second.kubeconfig');
  const portFile = path.join(cluster.directory, 'second.port');
  const start = () =>
    new Daemon(
      cluster.kedge,
      [
        'server',
        '--data-dir',
        data,
        '--port',
        '0',
        '--port-file',
        portFile,
        '--admin-kubeconfig',
        kubeconfig,
        '--bind-address',
        '127.0.0.1',
      ],
      { netns: node.netns, log: path.join(cluster.directory, 'second.log') },
    );
  // From before the first key to after the first objects of the bootstrap.
  for (const ms of [150, 250, 350, 450, 600, 800]) {
    const server = start();
    // The moment of the kill is what is tried here; there is no condition to wait for.
    // eslint-disable-next-line kedge/fixed-waits
    await Promise.race([new Promise((resolve) => setTimeout(resolve, ms)), server.ended()]);
    t.ok(server.alive, `the server still runs after ${ms} ms`);
    await server.end('SIGKILL');
  }
  const server = start();
  const second = (...args: string[]) => node.run('kubectl', ['--kubeconfig', kubeconfig, ...args]);
  await eventually('the server to be ready', () => second('get', '--raw', '/readyz'));
  for (const [kind, name] of [
    ['namespace', 'kube-node-lease'],
    ['clusterrole', 'system:node-bootstrapper'],
    ['service', 'kubernetes'],
  ] as const)
    await eventually(`${kind} ${name}`, () => second('get', kind, name));
  await second('create', 'configmap', 'kept');
  await server.end();

  const key = path.join(data, 'pki/sa.key');
  const refusal = async (message: RegExp): Promise<void> => {
    const from = (await server.output()).length;
    const refused = start();
    await refused.ended();
    const lines = (await refused.output()).slice(from).trim().split('\n');
    t.equal(refused.exitCode, 1);
    t.equal(lines.length, 1, 'one message');
    t.match(JSON.parse(lines[0] ?? ''), { level: 'fatal', err: undefined, msg: message });
  };
  const text = await readFile(key);
  await truncate(key, Math.floor(text.length / 2));
  await refusal(new RegExp(`^${key} .*private key`));
  await rm(key);
  await refusal(new RegExp(`^${key} is missing, but ${path.join(data, 'store')} holds a cluster`));
  await writeFile(key, text);
  await rm(path.join(data, 'store/format'));
  await refusal(/is damaged: its file "format" is gone/);
});
