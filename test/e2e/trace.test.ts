/** What a person finds out on a node with `kedge`: about Services while its agent runs, and about pods also while it does not. */
import { stat } from 'node:fs/promises';
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
  const planted = 'pl4nted-s3cret';
  const lastApplied = { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ env: planted }) };
  const registry = { auths: { 'localhost:1': { username: 'u', password: planted, auth: btoa(`u:${planted}`) } } };
  await cluster.apply({
    ...{ apiVersion: 'v1', kind: 'List' },
    items: [
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'db' }, stringData: { password: planted } },
      {
        ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pull' }, type: 'kubernetes.io/dockerconfigjson' },
        stringData: { '.dockerconfigjson': JSON.stringify(registry) },
      },
      {
        ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'broken', annotations: lastApplied } },
        spec: {
          terminationGracePeriodSeconds: 1,
          imagePullSecrets: [{ name: 'pull' }],
          containers: [
            {
              ...{ name: 'c', image: HELLO_IMAGE, command: ['sh', '-c', 'echo out of luck; exit 3', planted] },
              env: [
                { name: 'PASSWORD', value: planted },
                { name: 'FROM', valueFrom: { secretKeyRef: { name: 'db', key: 'password' } } },
              ],
              volumeMounts: [{ name: 'db', mountPath: '/db' }],
            },
          ],
          volumes: [{ name: 'db', secret: { secretName: 'db' } }],
        },
      },
      {
        ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'imageless' } },
        spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image: 'localhost:1/absent:1' }] },
      },
    ],
  });
  const isBackingOff = async (): Promise<boolean> => (await kedge('ps', 'broken')).text.includes('CrashLoopBackOff');
  await eventually('the agent to have seen it fail', isBackingOff);
  await cluster.server.end();

  const listed = await kedge('ps', '-o', 'wide');
  t.match(listed, { code: 0, text: /default +web +c +Running +yes +0 .* 10\.42\.\d+\.\d+ .*hello:1\.0/ }, listed.text);
  // It runs for a moment now and then.
  const why = await eventually('the pod to be down', async () => {
    const said = await kedge('why', 'pod', 'broken');
    return said.code === 2 && said;
  });
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

  const bundle = path.join(host.directory, 'bundle.tar.gz');
  const packed = await kedge('bundle', '--output', bundle);
  t.match(packed, { code: 0, text: /bundle\.tar\.gz: \d+ files/ }, packed.text);
  t.match(await kedge('bundle', '--output', bundle), { code: 1, text: /kedge: cannot write .*EEXIST/ });
  t.equal((await stat(bundle)).mode & 0o777, 0o600);
  const names = (await host.run('tar', ['-tzf', bundle])).stdout;
  for (const name of [
    'node.json',
    'pods.json',
    'runtime.json',
    'doctor.json',
    'nftables.txt',
    'missing.txt',
    'segment-1',
  ])
    t.ok(names.includes(name), `${name} in ${names}`);
  const { stdout: content } = await host.run('tar', ['-xzOf', bundle]);
  t.match(content, /"name": "broken"[^]*"PASSWORD"/, 'the pod is in it');
  t.match(content, /"nodeInfo"/, 'and the Node as the agent has it');
  for (const secret of [planted, btoa(planted), btoa(`u:${planted}`), 'PRIVATE KEY', 'eyJhbGciOi'])
    t.notOk(content.includes(secret), `${secret} is not in the bundle`);

  // Not while it creates the next container, which has no log yet.
  await eventually('it to wait for its next start', isBackingOff);
  await host.stopAgent('SIGKILL');
  const story = await kedge('replay', '--pod', 'broken');
  t.match(story.text, /plan: set up its volumes \(.*\); create its sandbox \(it has none\)/, story.text);
  t.match(story.text, /default\/broken +CreateContainer c took .*\n[^]*StartContainer c took/);
  t.match(story.text, /container c exited with 3.*; restart in \d+ s because of back-off/);
  t.match((await kedge('replay', '--pod', 'default/imageless')).text, /PullImage localhost:1\/absent:1 failed after/);
  t.match((await kedge('replay', '--node')).text, /the agent has started[^]*rules of ip kube-proxy .*took/);
  t.match(
    (await kedge('replay', '--node')).text,
    /log \(warn\): api-server unreachable/,
    'as it was when the server ended',
  );
  const exits = (await kedge('replay', '--kind', 'exit', '-o', 'json')).text.split('\n').filter(Boolean);
  t.ok(
    exits.some((line) => (JSON.parse(line) as { exitCode?: number }).exitCode === 3),
    'a record per line',
  );
  const { stdout: raw } = await host.run('sh', ['-c', `cat ${path.join(host.directory, 'agent/recorder')}/*`]);
  for (const secret of [planted, btoa(planted), 'eyJhbGciOi'])
    t.notOk(raw.includes(secret), `no ${secret} is recorded`);

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
