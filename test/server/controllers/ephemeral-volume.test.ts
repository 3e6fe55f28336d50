/** Pods with generic ephemeral volumes have claims of their own. */
import t from 'tap';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { events, persistentVolumeClaims, pods } from '../../../client/resources.gen.ts';
import { runDescriptors } from '../../../control-plane/controllers/framework/runner.ts';
import { ephemeralVolumeController } from '../../../control-plane/controllers/storage/ephemeral-volume.ts';
import type {
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PersistentVolumeClaimTemplate,
} from '../../../api/types/core/v1.gen.ts';
import { eventually } from '../../support/wait.ts';
import { pod, silent, TestServer } from '../apiserver/server.ts';

const spec: PersistentVolumeClaimSpec = {
  accessModes: ['ReadWriteOnce'],
  resources: { requests: { storage: '1Gi' } },
  storageClassName: 'fast',
};
const withVolume = (name: string, volumeClaimTemplate: PersistentVolumeClaimTemplate) =>
  pod(name, { volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate } }] }, { namespace: 'apps' });

t.test('a claim is made once for each ephemeral volume, and again when it is deleted', async (t) => {
  await using server = await TestServer.start();
  await using client = new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
  await server.core.api.create(namespaces, { metadata: { name: 'apps' } });
  const claimOf = (name: string, beside = ''): Promise<PersistentVolumeClaim> =>
    eventually(`claim ${name}`, async () => {
      const found = (await client.listAll(persistentVolumeClaims)).find(({ metadata }) => metadata?.name === name);
      return found?.metadata?.uid === beside ? undefined : found;
    });
  const foreign = await client.create(persistentVolumeClaims, {
    metadata: { namespace: 'apps', name: 'taken-scratch' },
    spec,
  });
  const stopping = new AbortController();
  const logger = { ...silent, child: () => silent };
  // Two at once: what one has made, the other leaves.
  const running = [1, 2].map(() =>
    runDescriptors([ephemeralVolumeController], { client, logger, signal: stopping.signal }),
  );
  t.teardown(() => stopping.abort());

  await client.create(
    pods,
    withVolume('web', { metadata: { labels: { app: 'web' }, annotations: { note: 'x' } }, spec }),
  );
  const { uid } = (await client.get(pods, 'apps', 'web')).metadata ?? {};
  const claim = await claimOf('web-scratch');
  t.match(claim, {
    metadata: {
      labels: { app: 'web' },
      annotations: { note: 'x' },
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Pod', name: 'web', uid, controller: true, blockOwnerDeletion: true },
      ],
    },
    spec,
  });
  await client.patch(
    persistentVolumeClaims,
    'apps',
    'web-scratch',
    { metadata: { finalizers: null } },
    { type: 'merge' },
  );
  await client.delete(persistentVolumeClaims, 'apps', 'web-scratch');
  await claimOf('web-scratch', claim.metadata?.uid);

  await client.create(pods, withVolume('taken', { spec }));
  const message = await eventually('an event', async () => {
    const found = (await client.listAll(events)).find(({ reason }) => reason === 'FailedBinding');
    return found?.message;
  });
  t.equal(
    message,
    'ephemeral volume scratch: PVC apps/taken-scratch was not created for pod apps/taken (pod is not owner)',
  );
  t.equal((await claimOf('taken-scratch')).metadata?.uid, foreign.metadata?.uid, "somebody else's claim stays");
  await client.delete(persistentVolumeClaims, 'apps', 'taken-scratch');
  t.match(await claimOf('taken-scratch', foreign.metadata?.uid), {
    metadata: { ownerReferences: [{ name: 'taken' }] },
  });
  stopping.abort();
  await Promise.all(running);
});
