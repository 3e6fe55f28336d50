/** `kedge trace` and `kedge proxy show` on a node whose agent runs, with real pods. */
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
