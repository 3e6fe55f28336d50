/** Claims, volumes and attributes classes are kept while they are used, and go when they are not. */
import t from 'tap';
import { persistentVolumeClaims as claimKind } from '../../../api/kinds/core/persistent-volume-claim.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { isNotFound } from '../../../api/machinery/status-error.ts';
import { ApiClient } from '../../../client/api-client.ts';
import type { Resource } from '../../../client/resource.ts';
import {
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  volumeAttributesClasses,
} from '../../../client/resources.gen.ts';
import { storageObjectInUseProtection } from '../../../control-plane/apiserver/admission/storage-object-in-use-protection.ts';
import { runDescriptors } from '../../../control-plane/controllers/framework/runner.ts';
import { attributesClassProtectionController } from '../../../control-plane/controllers/storage/attributes-class-protection.ts';
import { claimProtectionController } from '../../../control-plane/controllers/storage/claim-protection.ts';
import { volumeProtectionController } from '../../../control-plane/controllers/storage/volume-protection.ts';
import type { PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import { eventually } from '../../support/wait.ts';
import { pod, silent, TestServer } from '../apiserver/server.ts';

const claim = (name: string, volumeAttributesClassName?: string): PersistentVolumeClaim => ({
  metadata: { namespace: 'apps', name },
  spec: {
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: '1Gi' } },
    ...(volumeAttributesClassName && { volumeAttributesClassName }),
  },
});

const using = (name: string, claimName: string, nodeName?: string) => {
  const volumes = [{ name: 'v', persistentVolumeClaim: { claimName } }];
  return pod(name, { volumes, ...(nodeName && { nodeName }) }, { namespace: 'apps' });
};

async function isThere(client: ApiClient, resource: Resource, namespace: string, name: string): Promise<boolean> {
  try {
    await client.get(resource, namespace, name);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

t.test('what is used is kept, and goes when it is not used any more', async (t) => {
  await using server = await TestServer.start({ admission: [storageObjectInUseProtection] });
  await using client = new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
  await server.core.api.create(namespaces, { metadata: { name: 'apps' } });
  // As one that was made before there was admission.
  await server.core.api.create(claimKind, claim('old'));
  for (const name of ['used', 'scheduled-later', 'free']) await client.create(persistentVolumeClaims, claim(name));
  await client.create(persistentVolumeClaims, claim('golden', 'gold'));
  for (const [name, phase] of [
    ['bound', 'Bound'],
    ['available', 'Available'],
  ] as const) {
    const spec = {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce' as const],
      nfs: { server: 's', path: '/' },
    };
    const created = await client.create(persistentVolumes, { metadata: { name }, spec });
    await client.updateStatus(persistentVolumes, { ...created, status: { phase } });
  }
  for (const name of ['gold', 'iron']) {
    await client.create(volumeAttributesClasses, { metadata: { name }, driverName: 'd', parameters: { a: 'b' } });
  }
  await client.create(pods, using('runs', 'used', 'n'));
  await client.create(pods, using('waits', 'scheduled-later'));

  const stop = new AbortController();
  const controllers = [claimProtectionController, volumeProtectionController, attributesClassProtectionController];
  const running = runDescriptors(controllers, { client, logger: silent, signal: stop.signal });
  await eventually('the older claim to be protected', async () => {
    const { metadata } = await client.get(persistentVolumeClaims, 'apps', 'old');
    return metadata?.finalizers?.includes('kubernetes.io/pvc-protection') ?? false;
  });

  const gone = (resource: Resource, namespace: string, name: string) =>
    eventually(`${name} to go`, async () => !(await isThere(client, resource, namespace, name)));
  for (const name of ['used', 'scheduled-later', 'free']) await client.delete(persistentVolumeClaims, 'apps', name);
  for (const name of ['bound', 'available']) await client.delete(persistentVolumes, '', name);
  for (const name of ['gold', 'iron']) await client.delete(volumeAttributesClasses, '', name);
  await Promise.all([
    gone(persistentVolumeClaims, 'apps', 'free'),
    gone(persistentVolumeClaims, 'apps', 'scheduled-later'),
    gone(persistentVolumes, '', 'available'),
    gone(volumeAttributesClasses, '', 'iron'),
  ]);
  t.ok(await isThere(client, persistentVolumeClaims, 'apps', 'used'));
  t.ok(await isThere(client, persistentVolumes, '', 'bound'));
  t.ok(await isThere(client, volumeAttributesClasses, '', 'gold'));

  await client.delete(pods, 'apps', 'runs', { gracePeriodSeconds: 0 });
  await client.delete(persistentVolumeClaims, 'apps', 'golden');
  const volume = await client.get(persistentVolumes, '', 'bound');
  await client.updateStatus(persistentVolumes, { ...volume, status: { phase: 'Released' } });
  await Promise.all([
    gone(persistentVolumeClaims, 'apps', 'used'),
    gone(persistentVolumes, '', 'bound'),
    gone(volumeAttributesClasses, '', 'gold'),
  ]);
  stop.abort(new Error('the test is over'));
  await running;
});
