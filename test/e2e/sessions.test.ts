/** Sessions with pods, of the clients that users have: attach, debug, proxy and drains of kubectl, and all of client-node. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import t from 'tap';
import type { Pod } from '../../api/types/core/v1.gen.ts';
import { Cluster } from '../support/cluster.ts';
import { stockKubectls } from '../support/stock-clients.ts';
import { eventually } from '../support/wait.ts';

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill();
  await exit;
}

const INSIDE = path.resolve(import.meta.dirname, 'client-node-inside.ts');
t.setTimeout(5 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-session' });
cluster.endWith(t);

/** The pod of examples/hello.yaml without its Deployment, with a probe that is logged each second. */
const hello = (name: string): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: name } },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'web',
        image: 'kedge.local/hello:1.0',
        readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
      },
    ],
  },
});

async function startHello(name: string): Promise<void> {
  await cluster.apply(hello(name));
  await cluster.kubectl('wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s');
}

t.test('client-node executes, follows logs, forwards ports and attaches', async (t) => {
  await startHello('client-node');
  const { stdout } = await cluster.host.run(process.execPath, [INSIDE, cluster.kubeconfig, 'client-node']);
  t.match(JSON.parse(stdout), {
    ran: {
      stdout: 'out\n',
      stderr: 'err\n',
      status: {
        status: 'Failure',
        reason: 'NonZeroExitCode',
        details: { causes: [{ reason: 'ExitCode', message: '7' }] },
      },
    },
    piped: { stdout: 'through the pipe', status: { status: 'Success' } },
    log: /^\d{4}-\S+Z .*response:200\n$/,
    page: 'Hello from Kedge\n',
    attached: /response:200/,
  });
});

for (const { version, minor, program } of await stockKubectls()) {
  const kubectl = async (...args: string[]): Promise<string> =>
    (await cluster.kubectlWith({ program }, ...args)).stdout;
  /** Starts kubectl, and resolves with it when its output has a match. */
  const start = async (pattern: RegExp, ...args: string[]) => {
    const enter = [`--net=/run/netns/${cluster.host.netns}`, program, '--kubeconfig', cluster.kubeconfig];
    const child = spawn('nsenter', [...enter, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const match = await eventually(`kubectl ${args.join(' ')}`, () => pattern.exec(output), 30);
    return { match, [Symbol.asyncDispose]: () => ended(child) };
  };
  const pod = `hello-${minor}`;

  t.test(`kubectl ${version}: attach, proxy, and the drain of a node`, async (t) => {
    await startHello(pod);

    {
      // The httpd of the image logs to stderr.
      await using attached = await start(/response:\d+/, 'attach', pod);
      t.equal(attached.match[0], 'response:200');
    }
    {
      await using proxy = await start(/127\.0\.0\.1:(\d+)/, 'proxy', '--port=0');
      const at = `http://127.0.0.1:${proxy.match[1]}/api/v1/namespaces/default/pods/${pod}`;
      t.match(JSON.parse(await cluster.host.curl(at)), { kind: 'Pod', metadata: { name: pod } });
      t.equal(await cluster.host.curl(`${at}:8080/proxy/`), 'Hello from Kedge\n');
      t.match(
        await cluster.host.curl(`${at}/attach`),
        'Forbidden',
        "kubectl's proxy leaves sessions to its user's shell",
      );
    }
    const { name } = cluster.host;
    t.match(
      await kubectl('drain', name, '--force', `--pod-selector=app=${pod}`, '--timeout=60s'),
      `pod/${pod} evicted`,
    );
    t.match(await kubectl('get', 'node', name), 'SchedulingDisabled');
    await kubectl('uncordon', name);
  });

  if (minor < 32) continue;
  t.test(`kubectl ${version}: debug runs another container in the pod, and a copy of it`, async (t) => {
    await startHello(pod);
    const image = '--image=kedge.local/hello:1.0';
    const script = ['--', 'sh', '-c', 'ls /proc/1/root/www; hostname'];
    await kubectl('debug', pod, image, '--target=web', '--container=look', '--profile=general', ...script);
    await eventually('the debugger to end', async () => {
      const { status } = await cluster.get<Pod>('pod', pod);
      return status?.ephemeralContainerStatuses?.some(({ name, state }) => name === 'look' && state?.terminated);
    });
    t.equal(await kubectl('logs', pod, '-c', 'look'), `index.html\n${pod}\n`, "the target's files and the pod's name");
    await kubectl('debug', pod, `--copy-to=${pod}-copy`, '--set-image=*=kedge.local/hello:1.0', '--profile=general');
    await kubectl('wait', '--for=condition=Ready', `pod/${pod}-copy`, '--timeout=30s');
    await kubectl('delete', 'pod', pod, `${pod}-copy`);
  });
}
