import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { leases } from '../../../api/kinds/coordination/lease.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { clientCertificate, obtainIdentity, obtainServingCertificate, renew } from '../../../agent/join/join.ts';
import { checkNameIsFree } from '../../../agent/join/name-check.ts';
import { clientCredentials, NodeCertificates } from '../../../agent/join/node-certificates.ts';
import { ClusterCas } from '../../../agent/join/cluster-cas.ts';
import { keepRenewed } from '../../../agent/join/rotation.ts';
import { Heartbeat } from '../../../agent/node/heartbeat.ts';
import { NodeRegistration } from '../../../agent/node/node-registration.ts';
import { addressingBy, cloudAnnotations, cloudTaints } from '../../../agent/node/cloud-provider.ts';
import type { NodeDescription, NodeObservation } from '../../../agent/node/node-status.ts';
import { startControlPlane, type ControlPlane } from '../../support/signing-control-plane.ts';
import { eventually } from '../../support/wait.ts';
import type { Node } from '../../../api/types/core/v1.gen.ts';

const logger = { debug() {}, info() {}, warn() {}, error() {} };
const { signal } = new AbortController();
const HOUR_MS = 3_600_000;

let plane: ControlPlane;
test('a real api-server is there', async (t) => {
  plane = await startControlPlane();
  t.teardown(() => undefined);
});

const ADDRESSES = ['10.0.0.9', 'fd00::9'];
const self = async () => ({ machineId: 'machine-1', addresses: ['10.0.0.1'] });

interface Joining {
  readonly certificates: NodeCertificates;
  readonly identity: (more?: Partial<Parameters<typeof obtainIdentity>[0]>) => ReturnType<typeof obtainIdentity>;
}

async function joining(t: Test, nodeName: string, token: string): Promise<Joining> {
  const directory = await mkdtemp(join(tmpdir(), 'agent-host-join-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const certificates = new NodeCertificates(join(directory, 'pki'));
  const options = { server: plane.server, token, caHash: plane.pki.caHash, nodeName, self, certificates, logger };
  return { certificates, identity: (more = {}) => obtainIdentity({ ...options, ...more }, signal) };
}

const clientOf = (t: Test, { ca, client }: Awaited<ReturnType<typeof obtainIdentity>>): ApiClient => {
  const api = new ApiClient({ server: plane.server, ...clientCredentials(ca, client) });
  t.teardown(() => api[Symbol.asyncDispose]());
  return api;
};

test('a node joins with a token, and does not need it afterwards', async (t) => {
  const { certificates, identity } = await joining(t, 'one', await plane.token(Date.now() + HOUR_MS));
  const first = await identity();
  t.equal(first.isNew, true);
  const leaf = new X509Certificate(first.client.certificate);
  t.equal(leaf.subject, 'O=system:nodes\nCN=system:node:one');
  t.equal((await stat(join(certificates.directory, 'client.pem'))).mode & 0o777, 0o600);
  t.same((await readdir(certificates.directory)).sort(), ['ca.crt', 'client.pem'], 'no partial files are left');

  const again = await identity({ token: '', caHash: '' });
  t.equal(again.isNew, false);
  t.equal(again.client.certificate, first.client.certificate);
  const serving = await obtainServingCertificate(clientOf(t, again), certificates, 'one', ADDRESSES, logger, signal);
  t.match(
    new X509Certificate(serving.certificate).subjectAltName,
    /DNS:one, IP Address:10\.0\.0\.9, IP Address:FD00:0:0:0:0:0:0:9$/,
  );
  t.strictSame((await certificates.read('serving'))?.names, ['one', ...ADDRESSES]);
  await t.rejects(identity({ token: '', nodeName: 'other' }), /has joined as system:node:one; .* a token is required/);
});

test('obstacles to joining are reported in one sentence', async (t) => {
  const good = await plane.token(Date.now() + HOUR_MS);
  const { certificates, identity } = await joining(t, 'two', good);
  const fails = (more: object, message: RegExp): Promise<unknown> => t.rejects(identity(more), { message });
  await fails({ token: '' }, /has not joined yet: --token and --ca-hash are required/);
  await fails({ token: 'nonsense' }, /token must be ID\.SECRET/);
  await fails({ caHash: '' }, /--ca-hash is required with --token/);
  await fails({ caHash: 'abc' }, /ca-hash must be/);
  await fails({ caHash: `sha256:${'0'.repeat(64)}` }, /has the hash sha256:[0-9a-f]{64}, not sha256:0{64}/);
  await fails({ token: 'aaaaaa.bbbbbbbbbbbbbbbb' }, /does not accept the token aaaaaa: it is invalid or has expired/);
  await fails({ token: await plane.token(Date.now() - 1000) }, /it is invalid or has expired/);
  await fails({ server: 'http://x' }, /server must be like https/);
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as { port: number };
  silent.close();
  await fails({ server: `https://127.0.0.1:${port}` }, /connection refused/);
  plane.verdict = 'deny';
  await fails({}, /node-csr-client-\w+ was denied: the test says so/);
  plane.verdict = 'sign';
  t.same(await readdir(certificates.directory), [], 'nothing is kept of a failed attempt');
  t.equal((await identity()).isNew, true, 'joining succeeds after the failed attempts');
});

test('a node of another cluster joins the cluster that it is told to join', async (t) => {
  const { certificates, identity } = await joining(t, 'three', await plane.token(Date.now() + HOUR_MS));
  const warnings: string[] = [];
  const listening = { ...logger, warn: (_: object, message: string) => void warnings.push(message) };
  await identity();
  const mistyped = { caHash: `sha256:${'0'.repeat(64)}`, logger: listening };
  await t.rejects(identity(mistyped), /it is another cluster, or the connection is intercepted/);
  await t.rejects(identity({ ...mistyped, token: '' }), /has joined another cluster than the one given by ca-hash/);
  t.same(warnings, [], 'another cluster is not mentioned unless it was seen');
  await certificates.writeCa(plane.pki.serving.certificate);
  const before = await certificates.read('client');
  await t.rejects(identity({ token: 'aaaaaa.bbbbbbbbbbbbbbbb', logger: listening }), /does not accept the token/);
  t.match(warnings, [/node certificate is from another cluster/]);
  t.same(await certificates.read('client'), before, 'it keeps its identity until it has joined');
  t.equal((await identity()).isNew, true);
  await writeFile(join(certificates.directory, 'client.pem'), 'cut short');
  await t.rejects(identity(), /has no valid certificate and key .* remove it and join again/);
});

test('a certificate is renewed before it expires, and the client switches to the new one', async (t) => {
  plane.lifetimeSeconds = 2;
  const { certificates, identity } = await joining(t, 'four', await plane.token(Date.now() + HOUR_MS));
  const first = await identity();
  const client = clientOf(t, first);
  const stop = new AbortController();
  const renewed = Promise.withResolvers<string>();
  plane.lifetimeSeconds = 3600;
  // Issued in the past, so that its renewal is due at once.
  const running = keepRenewed(
    'client',
    first.client,
    (asking) => renew(client, 'client', certificates, clientCertificate('four'), logger, asking),
    async (pair) => {
      await client.replaceCredentials(clientCredentials(first.ca, pair));
      renewed.resolve(pair.certificate);
    },
    new ClusterCas(first.ca, certificates, logger),
    logger,
    stop.signal,
  );
  const certificate = await renewed.promise;
  stop.abort();
  await running;
  t.not(certificate, first.client.certificate);
  t.equal((await certificates.read('client'))?.certificate, certificate);
  await eventually('the first certificate to expire', () => Date.now() > first.client.validToMs);
  await t.resolves(client.list(nodes), 'the first certificate has expired');
});

const description: NodeDescription = {
  name: 'five',
  addresses: ['10.0.0.5'],
  addressing: 'own',
  port: 10250,
  facts: { osImage: 'Debian', kernelVersion: '6.1', machineId: 'machine-5', systemUuid: 'u', bootId: 'b' },
  runtimeVersion: 'containerd://1.6.20',
  capacity: { cpu: '2', memory: '1Gi', pods: '110' },
  allocatable: { cpu: '2', memory: '1Gi', pods: '110' },
};

const CALM: NodeObservation = {
  problems: [],
  pressure: {},
  images: [],
  features: { supplementalGroupsPolicy: false },
  nodeApi: { status: 'False', reason: 'NodeAPIServed', message: '' },
  volumesInUse: [],
  devices: { capacity: {}, allocatable: {} },
};

test('the node registers, updates its status, registers again when deleted, and detects name conflicts', async (t) => {
  const { identity } = await joining(t, 'five', await plane.token(Date.now() + HOUR_MS));
  const client = clientOf(t, await identity());
  let observation: NodeObservation = { ...CALM, problems: ['no network yet'] };
  const recorded: string[][] = [];
  const registration = new NodeRegistration({
    client,
    description,
    labels: { zone: 'a' },
    annotations: {},
    taints: [{ key: 'k', effect: 'NoSchedule' }],
    observe: async () => observation,
    record: (reason, message) => recorded.push([reason, message]),
    logger,
  });
  const heartbeat = new Heartbeat({ client, nodeName: 'five', nodeUid: () => registration.uid, logger });
  const stop = new AbortController();
  await registration.register(stop.signal);
  const running = Promise.all([registration.run(stop.signal), heartbeat.run(stop.signal)]);
  const get = (): Promise<Node> => plane.admin.get(nodes, '', 'five');
  const readiness = (node: Node): string | undefined =>
    node.status?.conditions?.find(({ type }) => type === 'Ready')?.status;

  const first = await get();
  t.match(first.metadata?.labels, { zone: 'a', 'kubernetes.io/hostname': 'five', 'kubernetes.io/os': 'linux' });
  t.match(first.spec?.taints, [{ key: 'k', effect: 'NoSchedule' }]);
  t.equal(readiness(first), 'False');
  observation = { ...observation, problems: [] };
  registration.wake();
  const ready = await eventually('the node to be ready', async () => {
    const node = await get();
    return readiness(node) === 'True' && node;
  });
  t.match(ready.status?.nodeInfo, { machineID: 'machine-5', containerRuntimeVersion: 'containerd://1.6.20' });
  await eventually('the event', () => recorded.some(([reason]) => reason === 'NodeReady'));
  t.notOk(
    recorded.some(([reason]) => reason === 'NodeNotReady'),
    'an initial NotReady causes no event',
  );
  const lease = await eventually('the Lease', () => plane.admin.get(leases, 'kube-node-lease', 'five'));
  t.match(lease, {
    spec: { holderIdentity: 'five', leaseDurationSeconds: 40 },
    metadata: { ownerReferences: [{ uid: first.metadata?.uid }] },
  });

  await t.resolves(
    checkNameIsFree(client, 'five', { machineId: 'machine-5', addresses: ['10.0.0.5', 'fd00::5'] }, signal),
  );
  await t.rejects(
    checkNameIsFree(client, 'five', { machineId: 'machine-6', addresses: ['10.0.0.6'] }, signal),
    /the name five is in use by a running node at 10\.0\.0\.5/,
  );
  const twin = await joining(t, 'six', await plane.token(Date.now() + HOUR_MS));
  const before = await twin.identity();
  await t.rejects(twin.identity({ nodeName: 'five' }), /the name five is in use/);
  t.same(await twin.certificates.read('client'), before.client, 'the second heartbeat keeps the transition time');
  t.same((await readdir(twin.certificates.directory)).sort(), ['ca.crt', 'client.pem']);

  await plane.admin.delete(nodes, '', 'five');
  registration.forget();
  const second = await eventually('the node to register again', async () => {
    const node = await get();
    return node.metadata?.uid !== first.metadata?.uid && node;
  });
  t.equal(readiness(second), 'True');

  await plane.admin.patch(
    nodes,
    '',
    'five',
    {
      status: { conditions: [{ type: 'NetworkUnavailable', status: 'False' }] },
    },
    { type: 'strategic', subresource: 'status' },
  );
  // As the node lifecycle controller does after missing heartbeats, with a clock that is ahead of this one.
  const aheadMs = Date.now() + HOUR_MS;
  const unknown = { type: 'Ready', status: 'Unknown', lastTransitionTime: timeOf(aheadMs) };
  const { status: lostStatus } = await plane.admin.patch<Node>(
    nodes,
    '',
    'five',
    { status: { conditions: [unknown] } },
    { type: 'strategic', subresource: 'status' },
  );
  t.equal(lostStatus?.conditions?.find(({ type }) => type === 'Ready')?.status, 'Unknown');
  const found = await eventually('the node to be ready again', async () => {
    const node = await get();
    return readiness(node) === 'True' && node;
  });
  t.equal(
    found.status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime,
    timeOf(aheadMs),
    'ready again at once, but no earlier than it became unknown',
  );

  observation = { ...observation, problems: ['trouble'] };
  registration.wake();
  const last = await eventually('the node not to be ready', async () => {
    const node = await get();
    return readiness(node) === 'False' && node;
  });
  t.ok(
    last.status?.conditions?.some(({ type }) => type === 'NetworkUnavailable'),
    'others’ conditions stay',
  );
  stop.abort();
  await running;
});

test('what a cloud has said of a node stays', async (t) => {
  const { identity } = await joining(t, 'eight', await plane.token(Date.now() + HOUR_MS));
  const client = clientOf(t, await identity());
  const settings = { cloudProvider: 'external', nodeIp: '10.0.0.8' };
  let problems: string[] = ['no network yet'];
  const registration = new NodeRegistration({
    ...{ client, labels: {}, record: () => undefined, logger },
    description: { ...description, name: 'eight', addresses: ['10.0.0.8'], addressing: addressingBy(settings) },
    annotations: cloudAnnotations(settings),
    taints: cloudTaints(settings),
    observe: async () => ({ ...CALM, problems }),
  });
  const stop = new AbortController();
  const first = await registration.register(stop.signal);
  const running = registration.run(stop.signal);
  t.match(first.metadata?.annotations, { 'alpha.kubernetes.io/provided-node-ip': '10.0.0.8' });
  t.match(first.spec?.taints, [{ key: 'node.cloudprovider.kubernetes.io/uninitialized', value: 'true' }]);
  t.match(first.status?.addresses, [{ address: '10.0.0.8' }, { address: 'eight' }]);
  const addresses = [{ type: 'InternalIP', address: '192.0.2.8' }];
  await plane.admin.patch(nodes, '', 'eight', { spec: { taints: [] } });
  await plane.admin.patch(nodes, '', 'eight', { status: { addresses } }, { subresource: 'status' });
  problems = [];
  registration.wake();
  const ready = await eventually('the node to be ready', async () => {
    const node = await plane.admin.get(nodes, '', 'eight');
    return node.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True' && node;
  });
  t.strictSame(ready.status?.addresses, addresses);
  t.equal(ready.spec?.taints, undefined);
  stop.abort();
  await running;
});

test('stops the api-server', () => plane[Symbol.asyncDispose]());
