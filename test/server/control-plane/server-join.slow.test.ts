/** `kedge server join`: a second server gets keys and settings from the first one, on one etcd. */
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { run, type ProgramError } from '../../../agent/host/run.ts';
import { SERVER_JOIN_PATH } from '../../../api/domain/server-join.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { loadKubeconfig } from '../../../client/kubeconfig.ts';
import { secrets, serviceAccounts } from '../../../client/resources.gen.ts';
import { Daemon, WITHOUT_TAP } from '../../support/daemon.ts';
import { Etcd } from '../../support/etcd.ts';
import { EtcdTls } from '../../support/etcd-tls.ts';
import { serverProcess } from '../../support/server-process.ts';
import { eventually } from '../../support/wait.ts';

const PROGRAM = path.join(import.meta.dirname, '../../../cli/main.ts');
t.setTimeout(180_000);
const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-server-join-'));
const stack = new AsyncDisposableStack();
t.teardown(() => stack.disposeAsync());
stack.defer(() => rm(folder, { recursive: true, force: true }));
const at = (...names: string[]): string => path.join(folder, ...names);
const tls = stack.use(await EtcdTls.create());
const etcd = stack.use(await Etcd.start({ scheme: 'https', arguments: tls.arguments }));

const KEY = Buffer.alloc(32, 7).toString('base64');
await writeFile(
  at('encryption.yaml'),
  `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers: [{ aesgcm: { keys: [{ name: one, secret: ${KEY} }] } }, { identity: {} }]
`,
);

/** The command, which is not to be run without an end. */
async function kedge(...args: string[]): Promise<string> {
  const [env, ...without] = WITHOUT_TAP;
  const { stdout } = await run(env, [...without, process.execPath, PROGRAM, ...args], { timeoutMs: 60_000 });
  return stdout;
}

async function ready(name: string, daemon: Daemon): Promise<ApiClient> {
  await eventually(`server ${name} to be ready`, async () => {
    const said = await daemon.output();
    if (!daemon.alive) throw new Error(said);
    return said.includes('api-server ready');
  });
  return new ApiClient({ ...(await loadKubeconfig(at(name, 'admin'))) });
}

await mkdir(at('first'));
const first = stack.use(
  serverProcess(
    at('first'),
    ...['--port=0', `--admin-kubeconfig=${at('first', 'admin')}`, '--store=etcd', `--etcd-servers=${etcd.url}`],
    ...[`--etcd-cafile=${tls.client.caFile}`, `--etcd-certfile=${tls.client.certFile}`],
    ...[`--etcd-keyfile=${tls.client.keyFile}`, `--encryption-provider-config=${at('encryption.yaml')}`],
    ...['--service-cidr=10.96.0.0/16', '--cluster-domain=cluster.example'],
  ),
);
const one = stack.use(await ready('first', first));
const { server } = one;

async function words(...more: string[]): Promise<{ token: string; hash: string; line: string }> {
  const create = ['token', 'create', '--kubeconfig', at('first', 'admin'), '--print-join-command', ...more];
  const line = (await kedge(...create)).trim();
  const after = (flag: string): string => line.split(' ')[line.split(' ').indexOf(flag) + 1] ?? '';
  return { token: after('--token'), hash: after('--ca-hash'), line };
}
const join = (name: string, token: string, hash: string, ...more: string[]): Promise<string> => {
  const own = [`--data-dir=${at(name)}`, `--config=${at(`${name}.yaml`)}`, `--admin-kubeconfig=${at(name, 'admin')}`];
  return kedge('server', 'join', `--server=${server}`, `--token=${token}`, `--ca-hash=${hash}`, ...own, ...more);
};
async function refusal(t: Test, joining: Promise<string>, exitCode = 1): Promise<string> {
  const outcome = await joining.then(
    () => Promise.reject(new Error('it has joined')),
    (error: ProgramError) => error,
  );
  t.match(outcome, { exitCode, stderr: /^kedge: [^\n]+\n$/ }, 'it fails with one sentence');
  return outcome.stderr;
}

t.test('who may not join as a server gets nothing, and the host stays as it is', async (t) => {
  const forNodes = await words();
  t.match(await refusal(t, join('other', forNodes.token, forNodes.hash)), /the token \w+ is not for servers/);
  const good = await words('--server', '--ttl=5m');
  t.match(good.line, /install\.sh --control-plane --server https:/);
  const wrong = good.token.replace(/\..*/, '.0123456789abcdef');
  t.match(await refusal(t, join('other', wrong, good.hash)), /it is invalid, has expired or has been used/);
  t.match(await refusal(t, join('other', good.token, `sha256:${'0'.repeat(64)}`)), /has the hash sha256:\S+, not/);
  t.match(
    await refusal(t, join('other', good.token, good.hash, '--service-cidr=10.97.0.0/16', '--allow-privileged')),
    /allow-privileged is true here, but false in the cluster; service-cidr|service-cidr is "10.97.0.0\/16" here, but "10.96.0.0\/16" in the cluster/,
  );
  t.match(await refusal(t, kedge('token', 'create', '--server', '--ttl=0'), 2), /must be between 1s and 24h/);
  await t.rejects(stat(at('other')), { code: 'ENOENT' }, 'nothing is left');
  t.match(await join('another', good.token, good.hash), /has the keys/, 'and the token is still good');
  t.match(await refusal(t, join('other', good.token, good.hash)), /has been used/, 'for one server');
  await t.rejects(one.request('POST', SERVER_JOIN_PATH), { code: 403 }, 'an administrator has no token');
  const bearer = await loadKubeconfig(at('first', 'admin'));
  await using node = new ApiClient({ server, ca: bearer.ca, token: forNodes.token });
  await t.rejects(node.request('POST', SERVER_JOIN_PATH), StatusError, 'nor has a node');
  await using nobody = new ApiClient({ server, ca: bearer.ca });
  await t.rejects(nobody.request('POST', SERVER_JOIN_PATH), StatusError);
});

t.test('a host that has joined is another server of the same cluster', async (t) => {
  const { token, hash } = await words('--server');
  const own = ['--port=0', '--bind-address=127.0.0.1', '--advertise-address=192.0.2.2'];
  // The port is the cluster's, except that a test has one machine.
  await refusal(t, join('second', token, hash, '--port=7443'));
  await join('second', token, hash, ...own);
  for (const name of ['ca.crt', 'ca.key', 'front-proxy-ca.crt', 'front-proxy-ca.key', 'sa.key'])
    t.equal(await readFile(at('second', 'pki', name), 'utf8'), await readFile(at('first', 'pki', name), 'utf8'), name);
  t.strictSame(await readdir(at('second', 'pki')), [
    'ca.crt',
    'ca.key',
    'front-proxy-ca.crt',
    'front-proxy-ca.key',
    'sa.key',
  ]);
  for (const file of [['second', 'pki', 'ca.key'], ['second', 'shared', 'etcd-keyfile'], ['second.yaml']])
    t.equal((await stat(at(...file))).mode & 0o777, 0o600, file.join('/'));
  const settings = await readFile(at('second.yaml'), 'utf8');
  t.match(settings, /^service-cidr: 10\.96\.0\.0\/16$/m);
  t.match(
    settings,
    new RegExp(`^encryption-provider-config: ${at('second', 'shared', 'encryption-provider-config')}$`, 'm'),
  );

  t.match(await join('second', 'aaaaaa.aaaaaaaaaaaaaaaa', hash, ...own), /has the keys/, 'again: without a token');
  // As a crash between the two leaves it.
  await mkdir(at('second', 'joining'));
  await rename(at('second', 'pki'), at('second', 'joining', 'pki'));
  await cp(at('second.yaml'), at('second', 'joining', 'server.yaml'));
  await rm(at('second.yaml'));
  await join('second', '', hash, ...own);
  t.equal(await readFile(at('second.yaml'), 'utf8'), settings, 'what was interrupted is completed');

  await using daemon = new Daemon(process.execPath, [PROGRAM, 'server', '--config', at('second.yaml')], {
    log: at('second.log'),
  });
  await using other = await ready('second', daemon);
  await one.create(secrets, { metadata: { name: 'kept', namespace: 'default' }, data: { a: 'Yg==' } });
  t.equal((await other.get(secrets, 'default', 'kept')).data?.['a'], 'Yg==', 'it reads what the other has encrypted');
  const asked = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [] } };
  const owner = { metadata: { namespace: 'default', name: 'default' } };
  await eventually('the service account', () => one.get(serviceAccounts, 'default', 'default'));
  const path_ = '/api/v1/namespaces/default/serviceaccounts/default/token';
  const { body } = await one.request('POST', path_, { body: { ...asked, ...owner } });
  const { status } = JSON.parse(body) as { status: { token: string } };
  const { ca } = await loadKubeconfig(at('second', 'admin'));
  await using account = new ApiClient({ server: other.server, ca, token: status.token });
  const who = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const { body: said } = await account.request('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
    body: who,
  });
  t.match(said, 'system:serviceaccount:default:default', 'it knows the tokens of the other');
});

t.test('a host that is of another cluster is not changed', async (t) => {
  const { token, hash } = await words('--server');
  const stranger = at('stranger', 'pki');
  await mkdir(stranger, { recursive: true });
  const { createAuthority } = await import('../../../control-plane/pki/signing.ts');
  const { certificate } = await createAuthority('kubernetes', Date.now());
  await writeFile(path.join(stranger, 'ca.crt'), certificate);
  t.match(await refusal(t, join('stranger', token, hash)), /has the certificates of another cluster/);
  t.strictSame(await readdir(at('stranger')), ['pki']);
  t.equal(await readFile(path.join(stranger, 'ca.crt'), 'utf8'), certificate);
});
