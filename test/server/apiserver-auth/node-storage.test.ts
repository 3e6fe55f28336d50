/** What agents may read and write of storage and devices. */
import { test } from 'tap';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { persistentVolumeClaims } from '../../../api/kinds/core/persistent-volume-claim.ts';
import { persistentVolumes } from '../../../api/kinds/core/persistent-volume.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { secrets } from '../../../api/kinds/core/secret.ts';
import { serviceAccounts } from '../../../api/kinds/core/service-account.ts';
import { csiDrivers } from '../../../api/kinds/storage/csi-driver.ts';
import { resourceClaims } from '../../../api/kinds/resource/resource-claim.ts';
import { resourceSlices } from '../../../api/kinds/resource/resource-slice.ts';
import { volumeAttachments } from '../../../api/kinds/storage/volume-attachment.ts';
import type { Resource } from '../../../client/resource.ts';
import * as resources from '../../../client/resources.gen.ts';
import type { TokenRequest } from '../../../api/types/authentication/v1.gen.ts';
import type { PersistentVolume } from '../../../api/types/core/v1.gen.ts';
import { createAll, nodeClient, refusal, startServer } from './fixture.ts';

const inApps = (name: string) => ({ namespace: 'apps', name });
const claim = (name: string) => ({
  metadata: inApps(name),
  spec: { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage: '1Gi' } } },
});
const volume = (name: string, claimName: string) => ({
  metadata: { name },
  spec: {
    ...{ capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce' as const] },
    ...{ nfs: { server: 's', path: '/' }, claimRef: inApps(claimName) },
  },
});
const attachment = (name: string, nodeName: string) => ({
  metadata: { name },
  spec: { attacher: 'd.io', nodeName, source: { persistentVolumeName: 'v' } },
});
const slice = (name: string, nodeName: string) => ({
  metadata: { name },
  spec: { driver: 'd.io', nodeName, pool: { name: 'p', generation: 1, resourceSliceCount: 1 } },
});

test('a node reads what of storage and devices concerns it', async (t) => {
  const fixture = await startServer(t);
  const { core } = fixture;
  await createAll(core, namespaces, { metadata: { name: 'apps' } });
  await createAll(core, persistentVolumeClaims, claim('mine'), claim('foreign'));
  await createAll(core, persistentVolumes, volume('mine', 'mine'), volume('foreign', 'foreign'));
  await createAll(core, volumeAttachments, attachment('mine', 'a'), attachment('foreign', 'b'));
  await createAll(core, resourceSlices, slice('mine', 'a'), slice('foreign', 'b'));
  const [pod] = await createAll(core, pods, {
    metadata: inApps('p'),
    spec: {
      containers: [{ name: 'c', image: 'i' }],
      nodeName: 'a',
      volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'mine' } }],
    },
  });
  for (const [name, uid] of [
    ['mine', pod?.metadata?.uid ?? ''],
    ['foreign', 'of another pod'],
  ] as const) {
    const made = await core.api.create(resourceClaims, { metadata: inApps(name), spec: { devices: {} } });
    const reservedFor = [{ resource: 'pods', name: 'p', uid }];
    await core.api.updateStatus(resourceClaims, { ...made, status: { allocation: { devices: {} }, reservedFor } });
  }
  const node = await nodeClient(fixture, 'a');
  const asked: readonly (readonly [Resource, string])[] = [
    [resources.persistentVolumes, ''],
    [resources.volumeAttachments, ''],
    [resources.resourceSlices, ''],
    [resources.persistentVolumeClaims, 'apps'],
    [resources.resourceClaims, 'apps'],
  ];
  for (const [resource, namespace] of asked) {
    t.equal((await node.get(resource, namespace, 'mine')).metadata?.name, 'mine', resource.plural);
    const { code, message } = await refusal(node.get(resource, namespace, 'foreign'));
    t.equal(code, 403, resource.plural);
    t.match(message, "no relationship found between node 'a' and this object");
  }
  t.equal((await refusal(node.list(resources.persistentVolumes))).code, 403);
  t.equal((await refusal(node.list(resources.resourceSlices))).code, 403);
  const fieldSelector = 'spec.nodeName=a';
  const { items } = await node.list(resources.resourceSlices, { fieldSelector });
  t.strictSame(
    items.map(({ metadata }) => metadata?.name),
    ['mine'],
  );
});

const secret = (namespace: string, name: string) => ({ metadata: { namespace, name } });
const disk = (name: string, claimName: string, csi: object) => {
  const { metadata, spec } = volume(name, claimName);
  return { metadata, spec: { ...spec, nfs: undefined, csi: { driver: 'd.io', volumeHandle: name, ...csi } } };
};

test('a node reads the Secrets that the volumes of its pods are mounted with', async (t) => {
  const fixture = await startServer(t);
  const { core } = fixture;
  await createAll(core, namespaces, ...['apps', 'drivers'].map((name) => ({ metadata: { name } })));
  const names = ['publish', 'stage', 'expand', 'attach', 'foreign', 'unbound'];
  await createAll(core, secrets, ...names.map((name) => secret('drivers', name)), secret('apps', 'files'));
  const ref = (name: string) => ({ namespace: 'drivers', name });
  const { spec } = volume('files', 'files');
  await createAll(
    core,
    persistentVolumes,
    disk('mine', 'mine', {
      ...{ nodePublishSecretRef: ref('publish'), nodeStageSecretRef: ref('stage'), nodeExpandSecretRef: ref('expand') },
      controllerPublishSecretRef: ref('attach'),
    }),
    disk('foreign', 'foreign', { nodePublishSecretRef: ref('foreign') }),
    // The namespace is that of the claim.
    {
      metadata: { name: 'files' },
      spec: { ...spec, nfs: undefined, azureFile: { shareName: 's', secretName: 'files' } },
    },
  );
  const mounting = (name: string, nodeName: string, ...claims: string[]) => ({
    metadata: inApps(name),
    spec: {
      ...{ containers: [{ name: 'c', image: 'i' }], nodeName },
      volumes: claims.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
    },
  });
  await createAll(core, pods, mounting('p', 'a', 'mine', 'files'), mounting('q', 'b', 'foreign'));
  const node = await nodeClient(fixture, 'a');
  for (const name of ['publish', 'stage', 'expand'])
    t.equal((await node.get(resources.secrets, 'drivers', name)).metadata?.name, name);
  t.equal((await node.get(resources.secrets, 'apps', 'files')).metadata?.name, 'files');
  for (const name of ['attach', 'foreign', 'unbound'])
    t.equal((await refusal(node.get(resources.secrets, 'drivers', name))).code, 403, name);
  await core.api.delete(persistentVolumes, '', 'files');
  t.equal((await refusal(node.get(resources.secrets, 'apps', 'files'))).code, 403, 'the volume is gone');
});

test('a node gets tokens for the audiences of the drivers that serve the claims of a pod', async (t) => {
  const fixture = await startServer(t);
  const { core } = fixture;
  await createAll(core, namespaces, { metadata: { name: 'apps' } });
  await createAll(core, serviceAccounts, { metadata: inApps('default') });
  const bound = (name: string, volumeName: string) => ({ ...claim(name), spec: { ...claim(name).spec, volumeName } });
  await createAll(
    core,
    persistentVolumeClaims,
    bound('data', 'disk'),
    bound('p-scratch', 'old'),
    bound('lost', 'gone'),
  );
  const { spec } = volume('old', 'p-scratch');
  await createAll<PersistentVolume>(core, persistentVolumes, disk('disk', 'data', {}), {
    metadata: { name: 'old' },
    spec: { ...spec, nfs: undefined, cinder: { volumeID: 'x' } },
  });
  const serving = (name: string, audience: string) => ({ metadata: { name }, spec: { tokenRequests: [{ audience }] } });
  await createAll(core, csiDrivers, serving('d.io', 'disks'), serving('cinder.csi.openstack.org', 'cinders'));
  const template = { spec: claim('p-scratch').spec };
  const [pod] = await createAll(core, pods, {
    metadata: inApps('p'),
    spec: {
      ...{ containers: [{ name: 'c', image: 'i' }], nodeName: 'a', serviceAccountName: 'default' },
      volumes: [
        { name: 'lost', persistentVolumeClaim: { claimName: 'lost' } },
        { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
        { name: 'scratch', ephemeral: { volumeClaimTemplate: template } },
      ],
    },
  });
  const node = await nodeClient(fixture, 'a');
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: pod?.metadata?.uid };
  const token = (audience: string) => {
    const body: TokenRequest = { spec: { audiences: [audience], boundObjectRef } };
    return node.createSubresource<TokenRequest>(resources.serviceAccounts, 'apps', 'default', 'token', body);
  };
  for (const audience of ['disks', 'cinders']) t.match((await token(audience)).status?.token, /^ey/, audience);
  t.match(await refusal(token('bank')), {
    code: 403,
    message: /error validating audience "bank": persistentvolume "gone" not found$/,
  });
});

test('a node writes of storage and devices what is its own', async (t) => {
  const fixture = await startServer(t);
  const { core } = fixture;
  await createAll(core, namespaces, { metadata: { name: 'apps' } });
  await createAll(core, persistentVolumeClaims, claim('c'));
  await createAll(core, resourceSlices, slice('foreign', 'b'));
  await createAll(core, pods, {
    metadata: inApps('p'),
    spec: {
      containers: [{ name: 'c', image: 'i' }],
      nodeName: 'a',
      volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }],
    },
  });
  const node = await nodeClient(fixture, 'a');
  const status = (patch: object) =>
    node.patch(resources.persistentVolumeClaims, 'apps', 'c', patch, { subresource: 'status' });
  t.match(await status({ status: { capacity: { storage: '2Gi' } } }), { status: { capacity: { storage: '2Gi' } } });
  for (const patch of [{ metadata: { finalizers: null, labels: { a: 'b' } } }, { status: { phase: 'Lost' } }]) {
    const { code, message } = await refusal(status(patch));
    t.equal(code, 403);
    t.match(message, 'node "a" is not allowed to update fields other than status.quantity and status.conditions');
  }
  await node.create(resources.resourceSlices, slice('mine', 'a'));
  t.match(await refusal(node.create(resources.resourceSlices, slice('other', 'b'))), {
    code: 403,
    message: /can only create ResourceSlice with the same NodeName as the requesting node/,
  });
  t.equal((await refusal(node.delete(resources.resourceSlices, '', 'foreign'))).code, 403);
  t.equal((await refusal(node.deleteCollection(resources.resourceSlices))).code, 403);
  await node.deleteCollection(resources.resourceSlices, { fieldSelector: 'spec.nodeName=a' });
  t.strictSame(
    core.api.list(resourceSlices).map(({ metadata }) => metadata?.name),
    ['foreign'],
  );
  await node.create(resources.csiNodes, { metadata: { name: 'a' }, spec: { drivers: [] } });
  t.match(await refusal(node.create(resources.csiNodes, { metadata: { name: 'b' }, spec: { drivers: [] } })), {
    code: 403,
    message: /can only access CSINode with the same name as the requesting node/,
  });
});
