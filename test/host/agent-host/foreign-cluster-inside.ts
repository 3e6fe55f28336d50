/**
 * A node of a control plane that grants a kubelet's permissions as upstream and no more. Run by foreign-cluster.test.ts in a network
 * namespace of its own: its routes are deleted with it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { clusterRanges } from '../../../api/domain/cluster-ranges.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { endpointSlices } from '../../../api/kinds/discovery/endpoint-slice.ts';
import { clusterRoleBindings } from '../../../api/kinds/rbac/cluster-role-binding.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { Informer } from '../../../client/informer.ts';
import { listRoutes } from '../../../agent/host/links.ts';
import { obtainIdentity, obtainServingCertificate } from '../../../agent/join/join.ts';
import { clientCredentials, NodeCertificates } from '../../../agent/join/node-certificates.ts';
import { proxierRightMissing } from '../../../agent/join/proxier-right.ts';
import { Nft } from '../../../agent/network/netfilter/nft.ts';
import { PodNetwork } from '../../../agent/network/pod-network.ts';
import { NodeApiState } from '../../../agent/node/node-api-state.ts';
import { NodeRegistration } from '../../../agent/node/node-registration.ts';
import type { NodeDescription } from '../../../agent/node/node-status.ts';
import { startControlPlane, type ControlPlane } from '../../support/signing-control-plane.ts';
import { eventually } from '../../support/wait.ts';
import type { Node, NodeCondition } from '../../../api/types/core/v1.gen.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const { signal } = new AbortController();
const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });
ip('link', 'set', 'lo', 'up');

interface Joined {
  readonly plane: ControlPlane;
  readonly client: ApiClient;
  readonly certificates: NodeCertificates;
  readonly directory: string;
}

/** A node that has joined, where its group is bound to nothing but what upstream binds it to. */
async function joinForeign(t: Test, nodeName: string): Promise<Joined> {
  const plane = await startControlPlane();
  const directory = await mkdtemp(join(tmpdir(), 'agent-host-foreign-'));
  const certificates = new NodeCertificates(join(directory, 'pki'));
  const { ca, client: pair } = await obtainIdentity(
    {
      ...{ server: plane.server, token: await plane.token(Date.now() + 3_600_000), caHash: plane.pki.caHash },
      ...{ nodeName, certificates, logger: silent, self: async () => ({ machineId: 'm', addresses: ['10.9.0.1'] }) },
    },
    signal,
  );
  const client = new ApiClient({ server: plane.server, ...clientCredentials(ca, pair) });
  await plane.admin.delete(clusterRoleBindings, '', 'kedge:node-proxier');
  t.teardown(async () => {
    await client[Symbol.asyncDispose]();
    await plane[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  return { plane, client, certificates, directory };
}

const nodeObject = (name: string, podCIDR: string, address: string): Node => ({
  metadata: { name },
  spec: { podCIDR },
  status: { addresses: [{ type: 'InternalIP', address }] },
});

test('a node that may not list Nodes has a network for its pods, and logs the missing permission once', async (t) => {
  const { plane, client, directory } = await joinForeign(t, 'self');
  ip('link', 'add', 'lan0', 'type', 'bridge');
  ip('addr', 'add', '10.9.0.1/24', 'dev', 'lan0');
  ip('link', 'set', 'lan0', 'up');
  const errors: string[] = [];
  const warnings: string[] = [];
  const logger = {
    ...silent,
    warn: (_: object, message: string) => void warnings.push(message),
    error: (_: object, message: string) => void errors.push(message),
  };
  const onForbidden = proxierRightMissing(logger);
  let forbidden = 0;
  let deleted = 0;
  const cniConfDir = join(directory, 'net.d');
  const network = new PodNetwork({
    ...{ client, nodeName: 'self', cniConfDir, bridgeName: 'kt0', mtu: 0, stateDir: directory, hostRoutes: true },
    ...{ vxlan: 'auto', vxlanPort: 8472, nft: new Nft(new AbortController().signal) },
    podRanges: clusterRanges('10.42.0.0/16'),
    onConfigured: () => undefined,
    onNodeDeleted: () => void deleted++,
    onForbidden: () => {
      forbidden++;
      onForbidden();
    },
    logger,
  });
  const slices = new Informer({ client, resource: endpointSlices, logger, onForbidden });
  const stop = new AbortController();
  const running = Promise.all([network.run(stop.signal), slices.run(stop.signal)]);

  await plane.admin.create(nodes, nodeObject('self', '10.42.7.0/24', '10.9.0.1'));
  await plane.admin.create(nodes, nodeObject('other', '10.42.8.0/24', '10.9.0.2'));
  await network.configured;
  t.match(await readFile(join(cniConfDir, '10-kedge.conflist'), 'utf8'), '10.42.7.0/24');
  await eventually('both to be refused', () => forbidden > 1);
  t.same(errors.length, 1);
  t.match(
    errors[0],
    /nodes lack the role system:node-proxier.*kubectl create clusterrolebinding kedge:node-proxier --clusterrole=system:node-proxier --group=system:nodes$/,
  );
  t.same(warnings, [], 'and of nothing else');
  const route = async () => (await listRoutes('IPv4')).find(({ dst }) => dst === '10.42.8.0/24');
  t.equal(await route(), undefined);

  await plane.admin.create(clusterRoleBindings, {
    metadata: { name: 'kedge:node-proxier' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:node-proxier' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:nodes' }],
  });
  t.match(await eventually('the route', route), { gateway: '10.9.0.2' }, 'once it may, it routes');
  await slices.hasSynced();
  await plane.admin.delete(nodes, '', 'self');
  await eventually('the deletion to be seen', () => deleted === 1);
  stop.abort();
  await running;
});

const description: NodeDescription = {
  ...{ name: 'self', addresses: ['10.9.0.1'], addressing: 'own', port: 10250 },
  runtimeVersion: 'containerd://1.6.20',
  facts: { osImage: 'Debian', kernelVersion: '6.1', machineId: 'm', systemUuid: 'u', bootId: 'b' },
  ...{ capacity: { pods: '110' }, allocatable: { pods: '110' } },
};

test('a node whose serving certificate is not approved reports it in a condition', async (t) => {
  const { plane, client, certificates } = await joinForeign(t, 'self');
  plane.verdict = 'wait';
  const state = new NodeApiState();
  const registration = new NodeRegistration({
    ...{ client, description, labels: {}, annotations: {}, taints: [], record: () => undefined, logger: silent },
    observe: async () => ({
      ...{ problems: [], pressure: {}, images: [], features: { supplementalGroupsPolicy: false } },
      nodeApi: state.verdict(Date.now()),
      volumesInUse: [],
      devices: { capacity: {}, allocatable: {} },
    }),
  });
  const stop = new AbortController();
  await registration.register(stop.signal);
  const running = registration.run(stop.signal);
  const warnings: string[] = [];
  const logger = { ...silent, warn: (_: object, message: string) => void warnings.push(message) };
  const obtaining = obtainServingCertificate(client, certificates, 'self', ['10.9.0.1'], logger, signal, (trouble) => {
    state.setProblem(trouble);
    registration.wake();
  });
  const condition = (type: string, reason: string) =>
    eventually(`the condition ${type} with reason ${reason}`, async () => {
      const { status } = await plane.admin.get<Node>(nodes, '', 'self');
      return status?.conditions?.find((one: NodeCondition) => one.type === type && one.reason === reason);
    });

  const pending = await condition('NodeAPIUnavailable', 'ServingCertificatePending');
  const [, request = ''] = /kubectl certificate approve (node-csr-serving-\w+)\)$/.exec(pending.message ?? '') ?? [];
  t.equal(pending.status, 'True');
  t.match(pending.message, /^logs, exec, attach, port-forward and metrics of this node are unavailable: /);
  t.match(warnings, [`certificate signing request is pending approval: kubectl certificate approve ${request}`]);
  t.match(await condition('Ready', 'KubeletReady'), { status: 'True' }, 'its pods do not wait for that');

  plane.verdict = 'sign';
  await plane.judge(request);
  const { validToMs } = await obtaining;
  state.served(validToMs);
  registration.wake();
  t.match(await condition('NodeAPIUnavailable', 'NodeAPIServed'), { status: 'False' });
  t.match(state.verdict(validToMs), { status: 'True' }, 'until the certificate ends');
  stop.abort();
  await running;
});
