/** `kedge server` with encryption on etcd, and `kedge secrets-encrypt`, as processes: what etcdctl finds is what upstream writes. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import t from 'tap';
import { ApiClient } from '../../../client/api-client.ts';
import { loadKubeconfig } from '../../../client/kubeconfig.ts';
import { configMaps, secrets } from '../../../client/resources.gen.ts';
import { WITHOUT_TAP } from '../../support/daemon.ts';
import { Etcd } from '../../support/etcd.ts';
import { KmsTestPlugin } from '../../support/kms-plugin.ts';
import { serverProcess } from '../../support/server-process.ts';
import { eventually } from '../../support/wait.ts';

const PROGRAM = path.join(import.meta.dirname, '../../../cli/main.ts');
const run = promisify(execFile);

const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-encrypted-etcd-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));
const etcd = await Etcd.start();
t.teardown(() => etcd[Symbol.asyncDispose]());
const admin = path.join(folder, 'admin');
const file = path.join(folder, 'encryption.yaml');

async function kedge(...args: string[]): Promise<string> {
  const [program, ...without] = WITHOUT_TAP;
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', PROGRAM, 'secrets-encrypt'];
  const child = spawn(program, [...without, ...node, ...args, `--kubeconfig=${admin}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  const [closed, stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  t.equal(closed[0], 0, `${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** What lies in etcd of a Secret, as etcdctl says. */
async function stored(name: string): Promise<Buffer> {
  const key = `/registry/secrets/default/${name}`;
  const { stdout } = await run('etcdctl', [`--endpoints=${etcd.url}`, 'get', key, '--print-value-only'], {
    encoding: 'buffer',
    env: { ...process.env, ETCDCTL_API: '3' },
  });
  return stdout;
}
const prefixOf = async (name: string): Promise<string> =>
  /^k8s:enc:[a-z]+:v[12]:[^:]+:/.exec((await stored(name)).toString('latin1'))?.[0] ?? '';

t.test('keys of the file are turned, and then a service has them', { timeout: 300_000 }, async (t) => {
  const plugin = new KmsTestPlugin(path.join(folder, 'kms.sock'));
  await plugin.start();
  t.teardown(() => plugin.stop());
  const secret = randomBytes(32).toString('base64');
  await writeFile(
    file,
    `# ours
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - secretbox:
          keys:
            - { name: one, secret: ${secret} }
      - identity: {}
`,
    { mode: 0o600 },
  );
  const authorization = path.join(folder, 'authorization.yaml');
  const authorizers = [
    { type: 'Node', name: 'nodes' },
    { type: 'RBAC', name: 'roles' },
  ];
  await writeFile(
    authorization,
    JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthorizationConfiguration', authorizers }),
  );
  await using server = serverProcess(
    folder,
    ...['--port=0', `--admin-kubeconfig=${admin}`, '--store=etcd', `--etcd-servers=${etcd.url}`],
    ...['--roles=apiserver', `--encryption-provider-config=${file}`, `--authorization-config=${authorization}`],
  );
  await eventually('the server to be ready', async () => {
    const said = await server.output();
    if (!server.alive) throw new Error(said);
    return said.includes('api-server ready');
  });
  await using client = new ApiClient({ ...(await loadKubeconfig(admin)) });
  for (const name of ['a', 'b'])
    await client.create(secrets, { metadata: { namespace: 'default', name }, stringData: { password: 'hunter2' } });
  await client.create(configMaps, { metadata: { namespace: 'default', name: 'plain' } });
  t.equal(await prefixOf('a'), 'k8s:enc:secretbox:v1:one:');
  t.notOk((await stored('a')).includes('hunter2'));
  t.match(await kedge('status'), /^secrets: written with secretbox:one, read with secretbox:one, identity$/m);

  const rotated = await kedge('rotate', `--file=${file}`);
  const [, name = ''] = /^put (key-\d{14}) into /m.exec(rotated) ?? [];
  t.match(rotated, /^objects encrypted again: 2$/m);
  t.match(rotated, /^no object uses secretbox:one any more: /m);
  t.equal(await prefixOf('a'), `k8s:enc:secretbox:v1:${name}:`);
  t.match(await readFile(file, 'utf8'), /^# ours\n/);
  t.match(await kedge('status'), /^objects to be encrypted again: 0$/m);

  const before = await readFile(file, 'utf8');
  const provider = `- kms: { apiVersion: v2, name: vault, endpoint: '${plugin.endpoint}' }`;
  await writeFile(`${file}.new`, before.replace('- secretbox:', `${provider}\n      - secretbox:`), { mode: 0o600 });
  await rename(`${file}.new`, file);
  await eventually('the service to be used', async () =>
    (await client.request('GET', '/encryption')).body.includes('"writes":"kms:vault:key-1"'),
  );
  t.match(await kedge('status'), /^objects to be encrypted again: 2$/m);
  t.match(await kedge('reencrypt'), /^objects encrypted again: 2$/m);
  t.equal(await prefixOf('b'), 'k8s:enc:kms:v2:vault:');
  plugin.turn('key-2');
  const turned = await kedge('rotate', `--file=${file}`);
  t.match(turned, /^keys of vault are turned in the service itself$/m);
  t.match(turned, /^objects encrypted again: 2$/m);
  t.match(turned, /^objects stored with kms:vault:key-2: 2$/m);
  t.ok((await stored('b')).includes('key-2'));
  t.match((await client.request('GET', '/livez?verbose')).body, /^\[\+\]kms-providers ok$/m);
  const metrics = (await client.request('GET', '/metrics')).body;
  t.match(metrics, /kms_operations_latency_seconds_count\{provider_name="vault"/);
  t.match(metrics, /^apiserver_authorization_decisions_total\{type="RBAC",name="roles",decision="allowed"\} \d+$/m);
  t.match(metrics, /^apiserver_authorization_config_controller_last_config_info\{.*\} 1$/m);
  t.match((await client.get(secrets, 'default', 'b')).data, { password: Buffer.from('hunter2').toString('base64') });
});
