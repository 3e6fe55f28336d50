import { generateKeyPairSync } from 'node:crypto';
import { test } from 'tap';
import { certificateRequest } from '../../../agent/join/certificate-request.ts';
import { certificateSigningRequests } from '../../../api/kinds/certificates/certificate-signing-request.ts';
import { leases } from '../../../api/kinds/coordination/lease.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { persistentVolumes } from '../../../api/kinds/core/persistent-volume.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { secrets } from '../../../api/kinds/core/secret.ts';
import { serviceAccounts } from '../../../api/kinds/core/service-account.ts';
import { services } from '../../../api/kinds/core/service.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { clusterRoleBindings } from '../../../api/kinds/rbac/cluster-role-binding.ts';
import { csiDrivers } from '../../../api/kinds/storage/csi-driver.ts';
import type { CSIDriver } from '../../../api/types/storage/v1.gen.ts';
import { eventually } from '../../support/wait.ts';
import { createAll, nodeClient, refusal, startServer } from './fixture.ts';
import type { TokenRequest } from '../../../api/types/authentication/v1.gen.ts';
import type { Node, PersistentVolume, Pod } from '../../../api/types/core/v1.gen.ts';

const MIRROR = { 'kubernetes.io/config.mirror': 'hash' };

const container = { name: 'c', image: 'c' };
const runningOn = (nodeName: string, name: string, spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { namespace: 'apps', name },
  spec: { containers: [container], nodeName, serviceAccountName: 'web', ...spec },
});

test('a node can read what its pods reference, until they are deleted', async (t) => {
  const fixture = await startServer(t);
  const { core } = fixture;
  const names = ['volume', 'env', 'envfrom', 'pull', 'projected', 'foreign', 'unused'];
  await createAll(core, namespaces, { metadata: { name: 'apps' } });
  await createAll(core, secrets, ...names.map((name) => ({ metadata: { namespace: 'apps', name } })));
  await createAll(core, configMaps, ...names.map((name) => ({ metadata: { namespace: 'apps', name } })));
  await createAll(core, serviceAccounts, { metadata: { namespace: 'apps', name: 'web' } });
  const [pod] = await createAll(
    core,
    pods,
    runningOn('a', 'mine', {
      containers: [{ ...container, env: [{ name: 'E', valueFrom: { secretKeyRef: { name: 'env', key: 'k' } } }] }],
      initContainers: [{ ...container, name: 'i', envFrom: [{ secretRef: { name: 'envfrom' } }] }],
      imagePullSecrets: [{ name: 'pull' }],
      volumes: [
        { name: 'v', secret: { secretName: 'volume' } },
        {
          name: 'p',
          projected: {
            sources: [
              { secret: { name: 'projected' } },
              { configMap: { name: 'projected' } },
              { serviceAccountToken: { path: 'token' } },
              { serviceAccountToken: { path: 'vault', audience: 'vault' } },
            ],
          },
        },
        { name: 'c', csi: { driver: 'csi.example.com' } },
      ],
    }),
    runningOn('b', 'theirs', { volumes: [{ name: 'v', secret: { secretName: 'foreign' } }] }),
    runningOn('', 'pending', { volumes: [{ name: 'v', secret: { secretName: 'unused' } }] }),
  );
  const a = await nodeClient(fixture, 'a');
  for (const name of ['volume', 'env', 'envfrom', 'pull', 'projected']) {
    t.equal((await a.get(secrets, 'apps', name)).metadata?.name, name);
  }
  for (const name of ['foreign', 'unused']) {
    t.match(await refusal(a.get(secrets, 'apps', name)), {
      code: 403,
      message: `secrets "${name}" is forbidden: User "system:node:a" cannot get resource "secrets" in API group "" in the namespace "apps": no relationship found between node 'a' and this object`,
    });
  }
  t.ok(await a.get(configMaps, 'apps', 'projected'));
  t.equal((await refusal(a.get(configMaps, 'apps', 'env'))).code, 403);
  t.equal((await refusal(a.list(secrets, { namespace: 'apps' }))).code, 403);
  t.equal((await a.list(secrets, { namespace: 'apps', fieldSelector: 'metadata.name=volume' })).items.length, 1);
  t.equal((await refusal(a.update(secrets, { metadata: { namespace: 'apps', name: 'volume' } }))).code, 403);

  t.equal((await a.list(pods)).items.length, 3, 'what NetworkPolicies are about');
  t.equal((await a.list(namespaces)).items.length, 5);
  t.equal((await refusal(a.get(pods, 'apps', 'theirs'))).code, 403);
  // Without that role it is the Node authorizer that decides.
  await core.api.delete(clusterRoleBindings, '', 'kedge:network-policy-reader');
  await eventually('the right to be gone', async () => (await refusal(a.list(namespaces))).code === 403);
  t.equal((await a.list(pods, { fieldSelector: 'spec.nodeName=a' })).items.length, 1);
  t.match(await refusal(a.list(pods)), { code: 403, message: /can only list\/watch pods with spec.nodeName/ });
  t.equal((await refusal(a.list(pods, { fieldSelector: 'spec.nodeName=b' }))).code, 403);
  t.ok(await a.get(pods, 'apps', 'mine'));
  t.equal((await refusal(a.get(pods, 'apps', 'theirs'))).code, 403);
  t.ok(await a.list(services), 'nodes may read all Services');
  t.equal((await refusal(a.delete(namespaces, '', 'default'))).code, 403);

  const bound = (name: string, uid?: string, audiences?: string[]): TokenRequest => ({
    spec: { audiences, boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid } },
  });
  const token = (body: TokenRequest, account = 'web') =>
    a.createSubresource<TokenRequest>(serviceAccounts, 'apps', account, 'token', body);
  const issued = await token(bound('mine', pod?.metadata?.uid));
  t.match(issued.status?.token, /^ey/);
  t.match(await refusal(token({ spec: {} })), { code: 403, message: /node requested token not bound to a pod/ });
  t.match(await refusal(token(bound('mine'))), { code: 403, message: /without a uid/ });
  t.match(await refusal(token(bound('theirs', core.api.get(pods, 'apps', 'theirs')?.metadata?.uid))), {
    code: 403,
    message: /bound to a pod scheduled on a different node/,
  });
  t.equal((await refusal(token(bound('mine', pod?.metadata?.uid), 'other'))).code, 403);
  t.ok((await token(bound('mine', pod?.metadata?.uid, ['vault']))).status?.token, "for the pod's audience");
  t.match(await refusal(token(bound('mine', pod?.metadata?.uid, ['bank']))), {
    code: 403,
    message: /error validating audience "bank": csidriver.storage.k8s.io "csi.example.com" not found$/,
  });
  const driver = { metadata: { name: 'csi.example.com' }, spec: { tokenRequests: [{ audience: 'disk' }] } };
  await createAll<CSIDriver>(core, csiDrivers, driver);
  t.ok((await token(bound('mine', pod?.metadata?.uid, ['disk']))).status?.token, "for its CSI driver's audience");
  t.match(await refusal(token(bound('mine', pod?.metadata?.uid, ['bank']))), {
    code: 403,
    message:
      'serviceaccounts "web" is forbidden: audience "bank" not found in pod spec volume, system:node:a is not authorized to request tokens for this audience',
  });
  t.match(await refusal(token(bound('mine', pod?.metadata?.uid, ['vault', 'bank']))), {
    code: 403,
    message: /node may only request 0 or 1 audiences/,
  });
  const asPod = fixture.client({ token: issued.status?.token });
  t.equal((await refusal(asPod.list(pods))).code, 403, 'authenticated, but not authorized');

  await a.delete(pods, 'apps', 'mine', { gracePeriodSeconds: 0 });
  t.equal((await refusal(a.get(secrets, 'apps', 'volume'))).code, 403, 'the pod is deleted');
  t.equal((await refusal(asPod.list(pods))).code, 401, 'its token is rejected');
});

test('a node may write its own Node and its own pods only', async (t) => {
  const fixture = await startServer(t);
  const { core } = fixture;
  await createAll(core, namespaces, { metadata: { name: 'apps' } });
  await createAll(core, serviceAccounts, { metadata: { namespace: 'apps', name: 'default' } });
  await createAll(core, pods, runningOn('a', 'mine'), runningOn('b', 'theirs'));
  const a = await nodeClient(fixture, 'a');
  const says = async (call: Promise<unknown>) => (await refusal(call)).message;

  t.match(await says(a.create(nodes, { metadata: { name: 'b' } })), 'node "a" is not allowed to modify node "b"');
  t.match(
    await says(
      a.create(nodes, { metadata: { name: 'a', labels: { 'node-restriction.kubernetes.io/trust': 'high' } } }),
    ),
    'node "a" is not allowed to set the following labels: node-restriction.kubernetes.io/trust',
  );
  const labels = { 'kubernetes.io/hostname': 'a', 'example.com/rack': '1', 'node.kubernetes.io/x': 'y' };
  const node = await a.create<Node>(nodes, { metadata: { name: 'a', labels } });
  t.same(node.spec?.taints, [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }], 'not ready at first');
  const patched = (patch: object) => says(a.patch(nodes, '', 'a', patch));
  t.match(
    await patched({ metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } } }),
    'is not allowed to modify labels: node-role.kubernetes.io/control-plane',
  );
  t.match(await patched({ spec: { taints: [] } }), 'node "a" is not allowed to modify taints');
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid: 'gone' };
  t.match(await patched({ metadata: { ownerReferences: [owner] } }), 'is not allowed to modify ownerReferences');
  t.equal(await patched({ metadata: { labels: { 'example.com/rack': '2' } } }), 'the call succeeded');
  t.ok(await a.updateStatus(nodes, { ...(await a.get<Node>(nodes, '', 'a')), status: { phase: 'Running' } }));
  await createAll(core, nodes, { metadata: { name: 'b' } });
  t.match(await says(a.patch(nodes, '', 'b', { metadata: { labels: { x: 'y' } } })), 'not allowed to modify node "b"');
  t.match(await says(a.delete(nodes, '', 'a')), 'cannot delete resource "nodes"');

  const lease = (namespace: string, name: string) => a.create(leases, { metadata: { namespace, name } });
  t.ok(await lease('kube-node-lease', 'a'));
  t.match(await says(lease('kube-node-lease', 'b')), 'same name as the requesting node');
  t.match(await says(lease('default', 'a')), 'can only access leases in the "kube-node-lease" system namespace');

  const status = (name: string, change: object = {}) =>
    says(a.patch(pods, 'apps', name, { status: { phase: 'Running' }, ...change }, { subresource: 'status' }));
  t.equal(await status('mine'), 'the call succeeded');
  t.match(await status('theirs'), 'node "a" can only update pod status for pods with spec.nodeName set to itself');
  t.match(await status('mine', { metadata: { labels: { app: 'other' } } }), 'cannot update labels through pod status');
  const claims = { status: { resourceClaimStatuses: [{ name: 'c', resourceClaimName: 'other' }] } };
  t.match(await status('mine', claims), 'node "a" cannot update resource claim statues');
  t.match(
    await says(a.delete(pods, 'apps', 'theirs')),
    'node "a" can only delete pods with spec.nodeName set to itself',
  );

  const mirror = (spec: object, metadata: object = {}): Promise<string> => {
    const controller = { apiVersion: 'v1', kind: 'Node', name: 'a', uid: node.metadata?.uid ?? '', controller: true };
    const named = { namespace: 'apps', name: 'static-a', annotations: MIRROR, ownerReferences: [controller] };
    const pod = { metadata: { ...named, ...metadata }, spec: { nodeName: 'a', containers: [container], ...spec } };
    return says(a.create<Pod>(pods, pod));
  };
  t.match(await mirror({}, { annotations: {} }), 'node "a" can only create mirror pods');
  t.match(await mirror({ nodeName: 'b' }), 'can only create pods with spec.nodeName set to itself');
  t.match(await mirror({}, { ownerReferences: [] }), 'with an owner reference set to itself');
  const stranger = { apiVersion: 'v1', kind: 'Node', name: 'a', uid: 'other', controller: true };
  t.match(await mirror({}, { ownerReferences: [stranger] }), 'node a UID mismatch: expected other got ');
  const references: [spec: object, resource: string][] = [
    [{ resourceClaims: [{ name: 'c', resourceClaimName: 'c' }] }, 'resourceclaims'],
    [{ volumes: [{ name: 'v', csi: { driver: 'd' } }] }, 'csidrivers (via CSI volumes)'],
    [{ volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] }, 'persistentvolumeclaims'],
  ];
  for (const [spec, resource] of references)
    t.match(await mirror(spec), `node "a" can not create pods that reference ${resource}`);
  const notForMirrorPods: [spec: object, refusal: string][] = [
    [{ serviceAccountName: 'web' }, 'may not reference service accounts'],
    [{ volumes: [{ name: 'v', secret: { secretName: 's' } }] }, 'may not reference secrets'],
    [{ imagePullSecrets: [{ name: 's' }] }, 'may not reference secrets'],
    [
      { volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] },
      'may not use ServiceAccountToken volume projections',
    ],
  ];
  for (const [spec, refusal] of notForMirrorPods) t.match(await mirror(spec), `a mirror pod ${refusal}`);
  t.equal(await mirror({}), 'the call succeeded');

  const request = (commonName: string): Promise<string> => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = certificateRequest({ commonName, organization: 'system:nodes' }, publicKey, privateKey);
    const spec = {
      request: Buffer.from(pem).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usages: ['digital signature' as const, 'client auth' as const],
    };
    return says(a.create(certificateSigningRequests, { metadata: { generateName: 'csr-' }, spec }));
  };
  t.match(await request('system:node:b'), 'can only create a node CSR with CN=system:node:a');
  t.equal(await request('system:node:a'), 'the call succeeded');
});

test('a node may see the volumes that are its own directories, and release those that are due', async (t) => {
  const fixture = await startServer(t);
  const volume = (name: string, node: string, by = 'kedge.io/local-path'): PersistentVolume => ({
    metadata: {
      name,
      labels: { 'kedge.io/local-path-node': node },
      annotations: { 'pv.kubernetes.io/provisioned-by': by },
      finalizers: ['kedge.io/local-path', 'example.com/other'],
    },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Delete',
      hostPath: { path: '/data' },
    },
  });
  const { api } = fixture.core;
  await createAll(
    fixture.core,
    persistentVolumes,
    ...[volume('mine', 'a'), volume('theirs', 'b'), volume('live', 'a'), volume('foreign', 'a', 'example.com/disks')],
    ...[volume('bound', 'a'), volume('kept', 'a')],
  );
  const change = async (
    name: string,
    update: (found: PersistentVolume) => PersistentVolume,
  ): Promise<PersistentVolume> => {
    const found = api.get(persistentVolumes, '', name);
    if (!found) throw new Error(`no volume ${name}`);
    return update(found);
  };
  await api.updateStatus(
    persistentVolumes,
    await change('bound', (found) => ({ ...found, status: { phase: 'Bound' } })),
  );
  await api.update(
    persistentVolumes,
    await change('kept', (found) => ({ ...found, spec: { ...found.spec, persistentVolumeReclaimPolicy: 'Retain' } })),
  );
  for (const name of ['mine', 'theirs', 'foreign', 'bound', 'kept']) await api.delete(persistentVolumes, '', name);
  const a = await nodeClient(fixture, 'a');
  const says = async (call: Promise<unknown>) => (await refusal(call)).message;
  const seen = await a.list(persistentVolumes, { labelSelector: 'kedge.io/local-path-node=a' });
  t.same(
    seen.items.map(({ metadata }) => metadata?.name),
    ['bound', 'foreign', 'kept', 'live', 'mine'],
  );
  for (const labelSelector of [
    undefined,
    'kedge.io/local-path-node=b',
    'kedge.io/local-path-node',
    'kedge.io/local-path-node!=a',
    'kedge.io/local-path-node in (a,b)',
    'other=a',
  ])
    t.match(await says(a.list(persistentVolumes, { labelSelector })), 'can only get individual resources of this type');
  t.match(await says(a.get(persistentVolumes, '', 'mine')), 'no relationship found', 'no pod of it uses that');

  const finalizers = ['example.com/other'];
  const release = (name: string, more: object = {}, metadata: object = {}) =>
    says(a.patch(persistentVolumes, '', name, { metadata: { finalizers, ...metadata }, ...more }, { type: 'merge' }));
  t.match(await release('theirs'), "no relationship found between node 'a' and this object");
  t.match(await release('foreign'), "no relationship found between node 'a' and this object");
  for (const name of ['live', 'bound', 'kept'])
    t.match(await release(name), 'node "a" can only update volumes that are its own directories and are being deleted');
  const others = 'is not allowed to update fields other than the finalizer kedge.io/local-path';
  t.match(await release('mine', { spec: { capacity: { storage: '2Gi' } } }), others);
  t.match(await release('mine', {}, { finalizers: [] }), others);
  t.match(await release('mine', {}, { labels: { 'kedge.io/local-path-node': 'b' } }), others);
  t.match(await says(a.delete(persistentVolumes, '', 'mine')), 'can only get individual resources of this type');
  t.match(
    await says(a.patch(persistentVolumes, '', 'mine', { status: { phase: 'Bound' } }, { subresource: 'status' })),
    'can only get individual resources of this type',
  );
  t.equal(await release('mine'), 'the call succeeded');
  t.same(api.get(persistentVolumes, '', 'mine')?.metadata?.finalizers, ['example.com/other']);
});

test('a node that is asked to remove the directory of an nfs volume may see and release it', async (t) => {
  const fixture = await startServer(t);
  const volume = (name: string, node: string): PersistentVolume => ({
    metadata: {
      name,
      labels: { 'kedge.io/nfs-node': node },
      annotations: { 'pv.kubernetes.io/provisioned-by': 'kedge.io/nfs' },
      finalizers: ['kedge.io/nfs', 'kedge.io/local-path'],
    },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteMany'],
      persistentVolumeReclaimPolicy: 'Delete',
      nfs: { server: 'nas', path: '/share/a' },
    },
  });
  const { api } = fixture.core;
  await createAll(fixture.core, persistentVolumes, volume('mine', 'a'), volume('theirs', 'b'), volume('live', 'a'));
  for (const name of ['mine', 'theirs']) await api.delete(persistentVolumes, '', name);
  const a = await nodeClient(fixture, 'a');
  const seen = await a.list(persistentVolumes, { labelSelector: 'kedge.io/nfs-node=a' });
  t.same(
    seen.items.map(({ metadata }) => metadata?.name),
    ['live', 'mine'],
  );
  const one = { labelSelector: 'kedge.io/nfs-node=a', fieldSelector: 'metadata.name=mine' };
  t.same(
    (await a.list(persistentVolumes, one)).items.map(({ metadata }) => metadata?.name),
    ['mine'],
    'before each attempt',
  );
  const says = async (call: Promise<unknown>) => (await refusal(call)).message;
  t.match(await says(a.list(persistentVolumes, { labelSelector: 'kedge.io/nfs-node=b' })), 'can only get individual');
  const release = (name: string, finalizers: string[]) =>
    says(a.patch(persistentVolumes, '', name, { metadata: { finalizers } }, { type: 'merge' }));
  t.match(await release('theirs', ['kedge.io/local-path']), "no relationship found between node 'a' and this object");
  t.match(await release('live', ['kedge.io/local-path']), 'and are being deleted');
  t.match(await release('mine', ['kedge.io/nfs']), 'other than the finalizer kedge.io/nfs');
  t.equal(await release('mine', ['kedge.io/local-path']), 'the call succeeded');
});
