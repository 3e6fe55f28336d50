/** Clients that use protobuf, such as kubectl 1.32, against a real api-server with authentication and authorization. */
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import type { Test } from 'tap';
import { certificateRequest } from '../../../agent/join/certificate-request.ts';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { scales } from '../../../api/kinds/autoscaling/scale.ts';
import { certificateSigningRequests } from '../../../api/kinds/certificates/certificate-signing-request.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { serviceAccounts } from '../../../api/kinds/core/service-account.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { deleteOptions } from '../../../api/kinds/meta/delete-options.ts';
import type { RawOptions } from '../../../client/api-calls.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { encodeObject } from '../../support/protobuf-encoder.ts';
import { startServer, type ServedFixture } from '../apiserver-auth/fixture.ts';

const run = promisify(execFile);
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
/** The Accept header of client-go's typed clients. */
const ACCEPT = `${PROTOBUF},application/json`;
const KUBECTL_TIMEOUT_MS = 30_000;
const DEFAULT = '/api/v1/namespaces/default';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

type Kubectl = (...args: string[]) => Promise<string>;

async function kubectlFor(t: Test, { url, pki }: ServedFixture, token = 'admin-token'): Promise<Kubectl> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-kubectl-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const authority = path.join(directory, 'ca.crt');
  await writeFile(authority, pki.ca.certificate);
  const access = [
    ...['--server', url, '--certificate-authority', authority, '--token', token],
    ...['--cache-dir', path.join(directory, 'cache'), '--namespace', 'default'],
  ];
  const env = { ...process.env, HOME: directory, KUBECONFIG: path.join(directory, 'none') };
  return async (...args) => (await run('kubectl', [...access, ...args], { env, timeout: KUBECTL_TIMEOUT_MS })).stdout;
}

/** The response for an object without the fields that differ per creation. */
function lasting(text: string): unknown {
  const object = JSON.parse(text) as { metadata: Record<string, unknown>; spec?: Record<string, unknown> };
  for (const field of ['uid', 'resourceVersion', 'creationTimestamp', 'managedFields']) delete object.metadata[field];
  for (const field of ['clusterIP', 'clusterIPs']) delete object.spec?.[field];
  return object;
}

t.test('objects that kubectl creates in protobuf are equal to those created in JSON', async (t) => {
  const server = await startServer(t);
  const client = server.client({ token: 'admin-token' });
  const kubectl = await kubectlFor(t, server);
  const commands: [collection: string, name: string, ...command: string[]][] = [
    ['/api/v1/namespaces', 'n', 'namespace', 'n'],
    [`${DEFAULT}/configmaps`, 'c', 'configmap', 'c', '--from-literal=k=v'],
    [`${DEFAULT}/secrets`, 's', 'secret', 'generic', 's', '--from-literal=k=ü'],
    [`${DEFAULT}/serviceaccounts`, 'robot', 'serviceaccount', 'robot'],
    [`${DEFAULT}/services`, 'cip', 'service', 'clusterip', 'cip', '--tcp=80:http'],
    [
      '/apis/apps/v1/namespaces/default/deployments',
      'web',
      ...['deployment', 'web', '--image=example.com/app:1', '--port=8080', '--replicas=2', '--', 'sleep', '1'],
    ],
    [`${RBAC}/namespaces/default/roles`, 'r', 'role', 'r', '--verb=get,list', '--resource=pods,deployments.apps'],
    [
      `${RBAC}/namespaces/default/rolebindings`,
      'rb',
      'rolebinding',
      'rb',
      '--role=r',
      '--serviceaccount=default:robot',
    ],
    [`${RBAC}/clusterroles`, 'cr', 'clusterrole', 'cr', '--verb=get', '--non-resource-url=/version'],
    [`${RBAC}/clusterroles`, 'all', 'clusterrole', 'all', '--aggregation-rule=team=a'],
    [`${RBAC}/clusterrolebindings`, 'crb', 'clusterrolebinding', 'crb', '--clusterrole=cr', '--group=developers'],
    ['/apis/scheduling.k8s.io/v1/priorityclasses', 'high', 'priorityclass', 'high', '--value=7', '--description=d'],
  ];
  await Promise.all(
    commands.map(async ([collection, name, ...command]) => {
      const at = command.includes('--') ? command.indexOf('--') : command.length;
      const preview = command.toSpliced(at, 0, '--dry-run=client', '-o', 'json');
      const body = await kubectl('create', ...preview);
      const json = await client.request('POST', collection, { body, query: { dryRun: 'All' } });
      await kubectl('create', ...command);
      const stored = await client.request('GET', `${collection}/${name}`);
      t.strictSame(lasting(stored.body), lasting(json.body), command.join(' '));
    }),
  );
});

t.test('kubectl creates tokens, reviews, approvals and evictions, and gets errors', async (t) => {
  const server = await startServer(t);
  const client = server.client({ token: 'admin-token' });
  const kubectl = await kubectlFor(t, server);
  const alice = await kubectlFor(t, server, 'alice-token');
  await client.create(serviceAccounts, { metadata: { name: 'default', namespace: 'default' } });
  await client.create(namespaces, { metadata: { name: 'taken' } });
  await client.create(nodes, { metadata: { name: 'node-1' } });

  const tokens = async () => {
    const token = await kubectl('create', 'token', 'default', '--duration=2h', '--audience=vault');
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, number>;
    t.strictSame(claims.aud, ['vault']);
    t.equal((claims.exp ?? 0) - (claims.iat ?? 0), 7200);
  };
  const reviews = async () => {
    t.equal(await kubectl('auth', 'can-i', 'create', 'pods'), 'yes\n');
    t.equal(await kubectl('auth', 'can-i', 'get', '/healthz'), 'yes\n');
    // `no` has exit code 1.
    const no = await alice('auth', 'can-i', 'delete', 'nodes', '--all-namespaces').catch((error: unknown) => error);
    t.match(no, { code: 1, stdout: /^no/ });
    t.match(await alice('auth', 'can-i', '--list'), /selfsubjectreviews\.authentication\.k8s\.io/);
    t.match(await alice('auth', 'whoami'), /alice[^]*developers testers/);
  };
  const approval = async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = certificateRequest({ commonName: 'carol', organization: 'testers' }, publicKey, privateKey);
    const request = Buffer.from(pem).toString('base64');
    const csr = {
      metadata: { name: 'csr' },
      spec: { request, signerName: 'example.com/serving', usages: ['digital signature'], expirationSeconds: 3600 },
    };
    await client.request('POST', '/apis/certificates.k8s.io/v1/certificatesigningrequests', { body: csr });
    t.match(await kubectl('certificate', 'approve', 'csr'), /approved/);
    const { spec, status } = await client.get(certificateSigningRequests, '', 'csr');
    t.match(spec, { ...csr.spec, username: 'admin', groups: ['system:masters', 'system:authenticated'] });
    t.match(status?.conditions, [{ type: 'Approved', status: 'True', lastUpdateTime: /^\d{4}-/ }]);
  };
  const eviction = async () => {
    const containers = [{ name: 'c', image: 'example.com/app:1' }];
    await client.create(pods, {
      metadata: { name: 'p', namespace: 'default' },
      spec: { containers, nodeName: 'node-1' },
    });
    await kubectl('drain', 'node-1', '--force', '--grace-period=0');
    t.match(await client.get(nodes, '', 'node-1'), { spec: { unschedulable: true } });
    await t.rejects(client.get(pods, 'default', 'p'), { code: 404 });
  };
  const errors = async () => {
    await t.rejects(kubectl('create', 'namespace', 'taken'), /\(AlreadyExists\): namespaces "taken" already/);
    await t.rejects(kubectl('create', 'configmap', 'No'), /ConfigMap "No" is invalid: metadata\.name/);
    await t.rejects(alice('create', 'namespace', 'x'), /namespaces is forbidden: User "alice"/);
  };
  await Promise.all([tokens(), reviews(), approval(), eviction(), errors()]);
});

t.test('kubectl exposes, scales, runs, labels, explains and deletes', async (t) => {
  const server = await startServer(t);
  const client = server.client({ token: 'admin-token' });
  const kubectl = await kubectlFor(t, server);
  await client.create(serviceAccounts, { metadata: { name: 'default', namespace: 'default' } });
  await kubectl('create', 'deployment', 'web', '--image=example.com/app:1');
  await kubectl('expose', 'deployment', 'web', '--port=80', '--target-port=http');
  await kubectl('scale', 'deployment', 'web', '--replicas=3');
  t.match(await kubectl('get', 'deployment,service'), /deployment\.apps\/web +0\/3[^]*service\/web +ClusterIP/);
  await kubectl('run', 'p', '--image=example.com/app:1', '--restart=Never', '--labels=app=p');
  await kubectl('label', 'pod', 'p', 'tier=x');
  t.equal(await kubectl('get', 'pod', '-l', 'tier=x', '-o', 'name'), 'pod/p\n');
  t.match(await kubectl('explain', 'pod.spec.containers'), /imagePullPolicy/);
  await kubectl('delete', 'pod', 'p', '--now', '--wait=false');
  await kubectl('delete', 'deployment', 'web');
  await t.rejects(kubectl('get', 'deployment', 'web'), /deployments\.apps "web" not found/);
});

t.test('a typed client deletes with preconditions and scales', async (t) => {
  const server = await startServer(t);
  const client = server.client({ token: 'admin-token' });
  await client.create(deployments, {
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  });
  const web = '/apis/apps/v1/namespaces/default/deployments/web';
  const send = (method: 'PUT' | 'DELETE', target: string, { schema }: Kind, object: Record<string, unknown>) =>
    client.request(method, target, { body: encodeObject(schema, object), contentType: PROTOBUF, accept: ACCEPT });

  const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'web', namespace: 'default' } };
  await send('PUT', `${web}/scale`, scales, { ...scale, spec: { replicas: 5 } });
  t.equal((await client.get(deployments, 'default', 'web')).spec?.replicas, 5);
  // DeleteOptions are sent with the apiVersion of the deleted object.
  const options = { apiVersion: 'apps/v1', kind: 'DeleteOptions', propagationPolicy: 'Background' };
  await t.rejects(send('DELETE', web, deleteOptions, { ...options, preconditions: { uid: 'other' } }), { code: 409 });
  await send('DELETE', web, deleteOptions, options);
  await t.rejects(client.get(deployments, 'default', 'web'), { code: 404 });
});

t.test('a client that prefers protobuf gets it, and for what has no encoding JSON', async (t) => {
  const server = await startServer(t);
  const client = server.client({ token: 'admin-token' });
  const configMaps = `${DEFAULT}/configmaps`;
  const answer = async (options: RawOptions, target = configMaps) => client.request('GET', target, options);
  t.match(await answer({ accept: ACCEPT }), { status: 200, headers: { 'content-type': PROTOBUF } });
  const watching = { accept: `${PROTOBUF};stream=watch,${ACCEPT}`, query: { watch: 'true', timeoutSeconds: '1' } };
  t.match(await answer(watching), { status: 200, headers: { 'content-type': `${PROTOBUF};stream=watch` } });
  const cbor = { accept: 'application/cbor,application/json' };
  t.match(await answer(cbor), { status: 200, headers: { 'content-type': 'application/json' } });
  await t.rejects(answer({ accept: 'application/cbor' }), { code: 406 });
  await t.rejects(answer({ accept: ACCEPT }, `${configMaps}/none`), { code: 404, message: /"none" not found/ });

  const post = (body: Buffer, contentType = PROTOBUF) => client.request('POST', configMaps, { body, contentType });
  await t.rejects(post(Buffer.from('{}')), { code: 400, message: /does not appear to be a protobuf message/ });
  await t.rejects(post(Buffer.from('{}'), 'application/cbor'), { code: 415, message: /vnd\.kubernetes\.protobuf/ });
  await t.rejects(post(Buffer.alloc(3 * 1024 * 1024 + 1)), { code: 413 });
  // A Secret sent to configmaps: `kubectl create secret generic s` as it was sent.
  const secret =
    '6b3873000a0c0a027631120653656372657412240a180a017312001a0764656661756c7422002a0032003800420012060a016b1201761a001a002200';
  await t.rejects(post(Buffer.from(secret, 'hex')), { code: 400, message: /cannot be handled as a ConfigMap/ });
  await t.rejects(patch(client), { code: 415 }, 'patches cannot be protobuf');
});

const patch = (client: ApiClient) =>
  client.request('PATCH', `${DEFAULT}/configmaps/a`, { body: Buffer.from('k8s\0'), contentType: PROTOBUF });
