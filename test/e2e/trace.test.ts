/** What a person finds out on a node with `kedge`: about Services while its agent runs, and about pods also while it does not. */
import path from 'node:path';
import t from 'tap';
import { ProgramError } from '../../agent/host/run.ts';
import { Cluster } from '../support/cluster.ts';
import { HELLO_IMAGE } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';

t.setTimeout(10 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-trace' });
cluster.endWith(t);
const { host } = cluster;
const config = path.join(host.directory, 'agent.yaml');

const podOf = (name: string): object => ({
  ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name } } },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        ...{ name: 'c', image: HELLO_IMAGE },
        command: ['sh', '-c', 'echo hello > /tmp/index.html; exec httpd -f -p 8080 -h /tmp'],
        readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
      },
    ],
  },
});
const serviceOf = (name: string, spec: object): object => ({
  ...{ apiVersion: 'v1', kind: 'Service', metadata: { name } },
  spec: { ports: [{ name: 'web', port: 80, targetPort: 8080 }], ...spec },
});
await cluster.apply({
  ...{ apiVersion: 'v1', kind: 'List' },
  items: [
    ...[podOf('web'), podOf('client')],
    serviceOf('web', { type: 'NodePort', selector: { app: 'web' } }),
    serviceOf('nobody', { selector: { app: 'nobody' } }),
    serviceOf('headless', { clusterIP: 'None', selector: { app: 'web' } }),
    serviceOf('elsewhere', { type: 'ExternalName', externalName: 'example.org' }),
  ],
});
await cluster.kubectl('wait', '--for=condition=Ready', 'pods', '--all', '--timeout=120s');

interface Said {
  readonly code: number;
  readonly text: string;
}
/** What the command says on the node, and how it exits. */
async function kedge(...args: readonly string[]): Promise<Said> {
  let text = '';
  const onStdout = (more: string): void => void (text += more);
  try {
    await host.run(cluster.kedge, [...args, '--config', config], { timeoutMs: 60_000, onStdout });
    return { code: 0, text };
  } catch (error) {
    if (!(error instanceof ProgramError) || error.exitCode === null) throw error;
    return { code: error.exitCode, text: `${text}${error.stderr}` };
  }
}
const trace = (...args: readonly string[]): Promise<Said> => kedge('trace', '--timeout', '3s', ...args);

for (const mode of ['nftables', 'iptables']) {
  t.test(mode, async (t) => {
    await host.stopAgent();
    await cluster.host.startAgent(await cluster.joinSettings(), { 'proxy-mode': mode });
    // A pod is not ready until the agent that has just started has probed it.
    await eventually('the rules to be in force', async () => {
      const { code, text } = await kedge('proxy', 'show', 'web');
      return code === 0 && text.includes('1 of 1 endpoints in use');
    });

    const served = await trace('svc/web', '--from', 'client');
    t.match(served, { code: 0, text: /=> .* accepted by .*:8080 \(pod default\/web\)/ }, served.text);
    t.comment(served.text);
    const fromHost = await trace('svc/web:web');
    t.match(fromHost, { code: 0 }, fromHost.text);
    const nobody = await trace('svc/nobody', '--from', 'default/client');
    t.match(nobody, { code: 2, text: /Service default\/nobody has no endpoints/ }, nobody.text);
    const headless = await trace('svc/headless', '--from', 'client');
    t.match(headless, { code: 0, text: /headless: there are no rules/ }, headless.text);
    const name = await trace('svc/elsewhere');
    t.match(name, { code: 3, text: /a name for example\.org/ }, name.text);
    const missing = await trace('svc/missing');
    t.match(missing, { code: 1, text: /Service default\/missing does not exist/ }, missing.text);

    const listed = await kedge('proxy', 'show', 'default/web');
    t.match(listed, { code: 0, text: /the kernel has all of them, and no other/ }, listed.text);
    t.comment(listed.text);
    const all = await kedge('proxy', 'show', '--all');
    t.match(all, { code: 0, text: /Service default\/kubernetes/ }, all.text);
  });
}

t.test('a connection that a policy forbids', async (t) => {
  const spec = { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'] };
  await cluster.apply({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'closed' },
    spec,
  });
  t.teardown(() => cluster.kubectl('delete', 'networkpolicy', 'closed'));
  const said = await eventually('the policy to be in force', async () => {
    const traced = await trace('svc/web', '--from', 'client');
    return traced.code === 2 && traced;
  });
  t.match(said.text, /=> .*NetworkPolicy default\/closed/, said.text);
  t.comment(said.text);
});

/** What can be asked with a stopped server, and what with a stopped agent, too. */
t.test('pods without an api-server', async (t) => {
  await cluster.apply({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'broken' } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'c', image: HELLO_IMAGE, command: ['sh', '-c', 'echo out of luck; exit 3'] }],
    },
  });
  await eventually('the agent to have seen it fail', async () =>
    (await kedge('ps', 'broken')).text.includes('CrashLoopBackOff'),
  );
  await cluster.server.end();

  const listed = await kedge('ps', '-o', 'wide');
  t.match(listed, { code: 0, text: /default +web +c +Running +yes +0 .* 10\.42\.\d+\.\d+ .*hello:1\.0/ }, listed.text);
  const why = await kedge('why', 'pod', 'broken');
  t.match(why, { code: 2, text: /log: out of luck\n.*\n?=> start: container c has ended with exit code 3/ }, why.text);
  const events = await kedge('events', 'broken', '--warnings');
  t.match(events, { code: 0, text: /Warning +BackOff +pod\/default\/broken/ }, events.text);
  const stats = await kedge('stats', 'default/web');
  t.match(stats, { code: 0, text: /default +web +c +\d+m +[\d.]+[KM]iB/ }, stats.text);
  const examined = await kedge('doctor', '-o', 'json');
  const { findings } = JSON.parse(examined.text) as { findings: { check: string; level: string; found: string }[] };
  t.match(
    findings.find(({ check }) => check === 'node'),
    { level: 'warning', found: /does not answer/ },
    'a server that is gone is no fault of the host',
  );
  t.match(findings.find(({ check }) => check === 'containerd')?.level, 'ok');
  t.match(findings.find(({ check }) => check === 'ports')?.found, /the agent listens at 10250/);

  await host.stopAgent('SIGKILL');
  const alone = await kedge('ps', 'web');
  t.match(alone, { code: 0, text: /default +web +c +Running +- / }, alone.text);
  t.match(await kedge('images'), { code: 0, text: /kedge\.local\/hello:1\.0 +sha256:/ });
  t.match(await kedge('logs', 'broken', '--tail', '1'), { code: 0, text: /^out of luck\n$/ });
  t.match(await kedge('logs', 'absent'), { code: 1, text: /^kedge: no pod absent is on this host/ });
  t.match(await kedge('events'), { code: 1, text: /^kedge: the agent does not answer on this host.*\n$/ });
  t.match(await kedge('why', 'pod', 'broken'), {
    code: 2,
    text: /log: out of luck[^]*=> start: container c has ended/,
  });
  // script(1) gives the command a terminal, and exits as it does.
  const exec = [cluster.kedge, 'exec', '--config', config];
  const inside = 'until stty size | grep -q "33 99"; do :; done; exit 5';
  const typed = [...exec, '-it', 'web', '--', 'sh', '-c', `'${inside}'`].join(' ');
  for (const [code, command, what] of [
    [7, [...exec, 'web', '--', 'sh', '-c', 'exit 7'], 'the exit code of the command'],
    [5, ['script', '-qec', `stty rows 33 cols 99; ${typed}`, '/dev/null'], 'a terminal of the size of ours'],
  ] as const) {
    const [program = '', ...args] = command;
    const ended = await host.run(program, args, { timeoutMs: 60_000 }).then(
      () => 0,
      (error: unknown) => (error instanceof ProgramError ? error.exitCode : error),
    );
    t.equal(ended, code, what);
  }
});
