/** Two hosts, on which the scripts of Kedge's package are all that is run: installed, joined, upgraded and cleaned. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { run, type ProgramError } from '../../agent/host/run.ts';
import { lives, pod } from '../support/pods.ts';
import { SeparateHost } from '../support/separate-host.ts';
import { eventually } from '../support/wait.ts';
import type { Node, Pod } from '../../api/types/core/v1.gen.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

t.setTimeout(5 * 60_000);
const stack = new AsyncDisposableStack();
t.teardown(() => stack.disposeAsync());
const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-e2e-host-'));
stack.defer(() => rm(folder, { recursive: true }));
const { stdout: packed } = await run(process.execPath, [path.join(ROOT, 'scripts/package.ts'), folder], {
  timeoutMs: 120_000,
});
const [tarball = '', debian = ''] = packed.split('\n').map((line) => line.split(': ')[0]!);
const unpacked = path.join(folder, path.basename(tarball, '.tar.gz'));
await run('tar', ['-C', folder, '-xzf', tarball]);
const first = stack.use(await SeparateHost.create({ name: 'e2e-host-0', ip: '10.78.0.1', package: unpacked }));
const second = stack.use(
  await SeparateHost.create({ name: 'e2e-host-1', ip: '10.78.0.2', package: unpacked, hub: first }),
);
const hosts = [first, second];
// Files and empty directories of others are not Kedge's to remove.
await second.run('mkdir', ['-p', '/opt/containerd/bin', '/var/lib/cni/networks/of-others', '/var/log/pods']);
const untouched = await Promise.all(hosts.map((host) => host.traces()));

interface JoinWords {
  readonly server: string;
  readonly token: string;
  readonly 'ca-hash': string;
}

/** A fresh token, with the server and the hash that `kedge token create` prints beside it. */
async function joinWords(...args: string[]): Promise<JoinWords> {
  const { stdout } = await first.run('kedge', ['token', 'create', '--print-join-command', ...args]);
  const [, , server = '', , token = '', , hash = ''] = stdout.trim().split(' ');
  return { server, token, 'ca-hash': hash };
}

const flags = (words: Partial<JoinWords>): string[] =>
  Object.entries(words).flatMap(([name, word]) => [`--${name}`, word]);

/** What `kubectl get ... -o json` lists. */
async function list<T>(kind: string): Promise<T[]> {
  return (JSON.parse(await first.kubectl(['get', kind, '-o', 'json'])) as { items: T[] }).items;
}
const nodes = () => list<Node>('nodes');
const readiness = ({ metadata, status }: Node) => [
  metadata?.name,
  status?.addresses?.find(({ type }) => type === 'InternalIP')?.address,
  status?.conditions?.find(({ type }) => type === 'Ready')?.status,
];

/** The sentence with which a script fails. */
async function refusal(t: Test, host: SeparateHost, script: string, ...args: string[]): Promise<string> {
  const outcome = await host.script(script, ...args).catch((error: ProgramError) => error);
  t.match(outcome, { exitCode: 1, stderr: /^kedge: [^\n]+\n$/ }, 'it fails with one sentence');
  return outcome.stderr;
}

const settings = async (host: SeparateHost): Promise<string> =>
  (await host.run('cat', ['/etc/kedge/agent.yaml'])).stdout;

/** What makes a host with running daemons the node that it is. */
async function membership(host: SeparateHost): Promise<string> {
  const files = ['/etc/kedge', '/var/lib/kedge/agent/pki', '/run/kedge/kedge-agent.pid'];
  return (await host.run('find', [...files, '-type', 'f', '-exec', 'sha256sum', '{}', '+'])).stdout;
}

const MAX_PACKAGE_BYTES = 80e6;

t.test('packages are small, and have Node.js once', async (t) => {
  for (const file of [tarball, debian]) {
    t.ok((await stat(file)).size < MAX_PACKAGE_BYTES, `${file} has less than ${MAX_PACKAGE_BYTES} bytes`);
    const hash = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    t.equal(await readFile(`${file}.sha256`, 'utf8'), `${hash}  ${path.basename(file)}\n`);
  }
  await t.rejects(stat(path.join(unpacked, 'dist/bin/node')), { code: 'ENOENT' });
  const { version } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const { stdout: control } = await run('dpkg-deb', ['--field', debian]);
  t.match(control, `Package: kedge\nVersion: ${version}\nArchitecture: `);
  const { stdout: files } = await run('dpkg-deb', ['--contents', debian]);
  t.match(files, / root\/root .* \.\/usr\/bin\/kedge -> \.\.\/lib\/kedge\/dist\/kedge$/m);
  t.notMatch(files, /^[^l](.{4}|.{7})w|dist\/bin\/node$/m, 'nobody else may write to it');
});

t.test('a host becomes a single-node cluster', async (t) => {
  // Settings that an operator has written before.
  await first.run('mkdir', ['-p', '/etc/kedge']);
  await first.run('tee', ['/etc/kedge/agent.yaml'], { input: 'node-labels: [zone=a]' });
  await first.run('tee', ['/etc/kedge/server.yaml'], { input: 'tls-san: [kube.example.com]' });
  const { stdout } = await first.script('install.sh', '--offline');
  const node = await readFile(path.join(unpacked, 'dist/bin/node'));
  t.ok(node.equals(await readFile(path.join(ROOT, 'dist/bin/node'))), 'with the Node.js that it was built with');
  t.match(stdout, 'node e2e-host-0 is Ready: export KUBECONFIG=/etc/kedge/admin.kubeconfig');
  t.strictSame((await nodes()).map(readiness), [['e2e-host-0', '10.78.0.1', 'True']]);
  const labels = await eventually('its server to call it one of the control plane', async () => {
    const [{ metadata } = {}] = await nodes();
    return metadata?.labels?.['node-role.kubernetes.io/control-plane'] === '' && metadata.labels;
  });
  t.equal(labels['zone'], 'a', 'with the settings of its operator');
  t.notMatch(await settings(first), /token/, 'the token that it joined with is kept nowhere');
  t.equal((await first.run('kedge', ['token', 'list'])).stdout.trim().split('\n').length, 1, 'and has been deleted');
});

t.test('a host is not reset while its agent runs', async (t) => {
  const before = await membership(first);
  const outcome = await first
    .run('kedge', ['reset', '--config', '/etc/kedge/agent.yaml'])
    .catch((error: ProgramError) => error);
  t.match(outcome, {
    exitCode: 1,
    stderr: /^kedge: port 10250 is in use: stop the agent before kedge reset [^\n]+\n$/,
  });
  t.equal(await membership(first), before);
});

t.test('a host that cannot join says why in a sentence, and is not changed', async (t) => {
  const good = await joinWords();
  const { server, token, ...hash } = good;
  t.match(
    await refusal(t, second, 'install.sh', '--server', server),
    /joining needs --server URL, --token TOKEN and --ca-hash HASH/,
  );
  t.match(await refusal(t, second, 'install.sh', ...flags({ server, ...hash }), '--token'), '--token has no value');
  t.match(await refusal(t, second, 'install.sh', ...flags(good), '--force', 'yes'), 'unknown argument "--force"');
  const refusalOf = (wrong: Partial<JoinWords>) => refusal(t, second, 'install.sh', ...flags({ ...good, ...wrong }));
  const wrongSecret = token.replace(/\..*/, '.0123456789abcdef');
  t.match(await refusalOf({ token: wrongSecret }), /does not accept the token .{6}: it is invalid or has expired/);
  t.match(await refusalOf({ token: 'nonsense' }), 'token must be ID.SECRET');
  t.match(await refusalOf({ 'ca-hash': `sha256:${'0'.repeat(64)}` }), /has the hash sha256:\S+, not sha256:0{64}/);
  t.match(await refusalOf({ server: 'https://10.78.0.1:6444' }), 'connection refused');
  t.match(await refusalOf({ server: '10.78.0.1' }), 'server must be like https://10.0.0.1:6443');
  const expired = await joinWords('--ttl', '1s');
  await eventually('the token to expire', async () => {
    const { stdout } = await first.run('kedge', ['token', 'list']);
    return stdout.includes('<expired>') || !stdout.includes(expired.token);
  });
  t.match(await refusalOf(expired), 'it is invalid or has expired');
  await second.run('hostname', [first.name]);
  t.match(await refusalOf({}), `the name ${first.name} is in use by a running node at ${first.ip}`);
  await second.run('hostname', [second.name]);
  t.strictSame(await second.traces(), untouched[1], 'nothing is left of the attempts');
  const before = await membership(first);
  t.match(await refusal(t, first, 'install.sh', ...flags(good)), 'this host runs a cluster of its own');
  t.equal(await membership(first), before);
  t.equal((await nodes()).length, 1, 'no node was made');
});

t.test('a script that is asked for help, or misunderstood, does nothing else', async (t) => {
  const before = await membership(first);
  for (const name of ['install.sh', 'down.sh', 'clean-host.sh'])
    t.match((await first.script(name, '--help')).stdout, /^[A-Z][^#]+\n$/, name);
  for (const name of ['down.sh', 'clean-host.sh'])
    t.match(await refusal(t, first, name, '--force'), `unknown argument "--force": ${name} takes none`);
  t.equal(await membership(first), before);
});

t.test('a host joins with the command printed by the server', async (t) => {
  const { stdout } = await second.script('install.sh', ...flags(await joinWords()));
  t.match(stdout, 'node e2e-host-1 of https://10.78.0.1:6443 is Ready');
  t.strictSame((await nodes()).map(readiness), [
    ['e2e-host-0', '10.78.0.1', 'True'],
    ['e2e-host-1', '10.78.0.2', 'True'],
  ]);
  t.match(await settings(second), /^server: .*\nca-hash: .*\nnode-name: e2e-host-1\n/);
  t.notMatch(await settings(second), /token/);
  const before = await membership(second);
  const other = { ...(await joinWords()), server: 'https://10.78.0.1:6444' };
  t.match(await refusal(t, second, 'install.sh', ...flags(other)), 'connection refused');
  t.equal(await membership(second), before, 'it keeps its server');
});

t.test('an upgrade keeps the pods of both hosts running', async (t) => {
  const manifest = {
    apiVersion: 'v1',
    kind: 'List',
    items: hosts.map(({ name }) => pod(name, {}, { nodeName: name })),
  };
  await first.kubectl(['create', '-f', '-'], { input: JSON.stringify(manifest) });
  await first.kubectl(['wait', '--for=condition=Ready', '--timeout=30s', 'pod', '--all']);
  const pods = async () => (await list<Pod>('pods')).map(lives);
  const agents = () =>
    Promise.all(hosts.map(async (host) => (await host.run('cat', ['/run/kedge/kedge-agent.pid'])).stdout));
  const before = { pods: await pods(), agents: await agents() };
  // As left by an earlier installation.
  await second.run('sed', ['-i', `1i token: ${(await joinWords()).token}`, '/etc/kedge/agent.yaml']);
  for (const host of hosts) t.match((await host.script('install.sh')).stdout, `node ${host.name}`);
  t.notMatch(await settings(second), /token/);
  for (const [index, pid] of (await agents()).entries()) t.not(pid, before.agents[index], 'another agent runs');
  t.strictSame(await pods(), before.pods);
});

/** Leaves a shim without a child, as an interrupted sandbox start does; returns its process id. */
async function leaveShim(host: SeparateHost, address: string): Promise<string> {
  const script = `
    mkdir "$1" && cd "$1" && echo '{}' >config.json && mkfifo log
    setsid cat log >/dev/null 2>&1 </dev/null &
    export TTRPC_ADDRESS=/run/kedge/containerd.sock.ttrpc
    containerd-shim-runc-v2 -namespace k8s.io -id forgotten -address "$2" start`;
  const bundle = `/mnt/bundle-${address.replaceAll('/', '-')}`;
  await host.run('sh', ['-c', script, 'sh', bundle, address]);
  return (
    await host.run('pgrep', ['-f', `^/usr/bin/containerd-shim.* -id forgotten -address ${address}$`])
  ).stdout.trim();
}

t.test('clean-host removes everything, including orphaned shims of a stopped containerd', async (t) => {
  const isThere = (pid: string) =>
    second.run('kill', ['-0', pid]).then(
      () => true,
      () => false,
    );
  const forgotten = await leaveShim(second, '/run/kedge/containerd.sock');
  const ofOthers = await leaveShim(second, '/run/containerd/containerd.sock');
  t.strictSame(await Promise.all([forgotten, ofOthers].map(isThere)), [true, true]);
  await second.run('sh', ['-c', 'kill -9 $(cat /run/kedge/kedge-containerd.pid)']);

  const { stdout } = await second.script('clean-host.sh');
  t.match(stdout, 'clean; the cluster lists the node until kubectl delete node e2e-host-1');
  t.strictSame(await Promise.all([forgotten, ofOthers].map(isThere)), [false, true], 'others keep their shims');
  await second.run('kill', [ofOthers]);
  await eventually("the others' shim to end", async () => !(await isThere(ofOthers)));
  // In the directory when Kedge was removed.
  await second.run('rm', ['-r', '/run/containerd']);

  // It is no node of the cluster that its settings name.
  await second.run('sh', ['-c', 'mkdir /etc/kedge && echo server: https://10.78.0.1:6443 >/etc/kedge/agent.yaml']);
  for (const host of hosts) {
    t.match((await host.script('clean-host.sh')).stdout, 'kedge: clean\n');
    t.strictSame(await host.traces(), untouched[hosts.indexOf(host)]);
  }
});
