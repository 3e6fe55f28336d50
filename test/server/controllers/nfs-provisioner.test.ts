/** The nfs provisioner beside the binder, against a real api-server; nodes and their agents are what the test says. */
import t from 'tap';
import { NFS_CLIENT, NFS_FINALIZER, NFS_NODE } from '../../../api/domain/nfs-volumes.ts';
import { own } from '../../../api/machinery/own.ts';
import { isNotFound } from '../../../api/machinery/status-error.ts';
import type { PersistentVolume } from '../../../api/types/core/v1.gen.ts';
import { nodes, persistentVolumeClaims, persistentVolumes, storageClasses } from '../../../client/resources.gen.ts';
import { nfsProvisioner } from '../../../control-plane/controllers/storage/nfs/nfs.ts';
import { volumeBinderController } from '../../../control-plane/controllers/storage/volume-binder/volume-binder.ts';
import { eventually } from '../../support/wait.ts';
import { NAMESPACE as namespace, RunningControllers } from './running-controllers.ts';

t.setTimeout(120_000);

async function start() {
  const running = await RunningControllers.start(volumeBinderController, nfsProvisioner);
  const { client } = running;
  const volume = async (name: string): Promise<PersistentVolume | undefined> => {
    try {
      return await client.get(persistentVolumes, '', name);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };
  return {
    running,
    client,
    volume,
    addClass: (name: string, parameters: Record<string, string>) =>
      client.create(storageClasses, { metadata: { name }, provisioner: 'kedge.io/nfs', parameters }),
    async addNode(name: string, hasClient: boolean): Promise<void> {
      await client.create(nodes, { metadata: { name, annotations: { [NFS_CLIENT]: `${hasClient}` } } });
      const status = { conditions: [{ type: 'Ready' as const, status: 'True' as const }] };
      await client.patch(nodes, '', name, { status }, { type: 'merge', subresource: 'status' });
    },
    addClaim: (name: string, storageClassName: string) =>
      client.create(persistentVolumeClaims, {
        metadata: { namespace, name },
        spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Gi' } }, storageClassName },
      }),
    bound: (name: string): Promise<string> =>
      eventually(`claim ${name} to be bound`, async () => {
        const { spec, status } = await client.get(persistentVolumeClaims, namespace, name);
        return status?.phase === 'Bound' ? spec?.volumeName : undefined;
      }),
    /** Deletes the claim; resolves with the node that is asked to remove the directory. */
    async deleteClaim(name: string, volumeName: string): Promise<string> {
      await client.delete(persistentVolumeClaims, namespace, name);
      return eventually(`a node to be asked`, async () => own((await volume(volumeName))?.metadata?.labels, NFS_NODE));
    },
  };
}

t.test('a claim gets a directory of the share; an agent that can mount it is asked to remove it', async (t) => {
  const cluster = await start();
  await using running = cluster.running;
  await cluster.addNode('a', false);
  await cluster.addNode('b', true);
  await cluster.addClass('files', {
    server: 'nas',
    share: '/srv',
    subDir: '${pvc.metadata.namespace}/${pvc.metadata.name}',
  });
  await cluster.addClaim('data', 'files');
  const name = await cluster.bound('data');
  t.match(await cluster.volume(name), {
    metadata: { finalizers: [NFS_FINALIZER] },
    spec: { nfs: { server: 'nas', path: '/srv/apps/data' }, accessModes: ['ReadWriteMany'], storageClassName: 'files' },
  });
  await eventually('an event', async () =>
    (await running.events('PersistentVolumeClaim')).some((each) => each.endsWith(`provisioned volume ${name}`)),
  );
  t.equal(await cluster.deleteClaim('data', name), 'b');
  t.match(await cluster.volume(name), { metadata: { deletionTimestamp: /./, finalizers: [NFS_FINALIZER] } });
  await cluster.client.patch(persistentVolumes, '', name, { metadata: { finalizers: null } });
  await eventually('the volume to be gone', async () => (await cluster.volume(name)) === undefined);
});

t.test('a node that goes is not waited for; controllers that are restarted go on', async (t) => {
  const cluster = await start();
  await using running = cluster.running;
  await cluster.addNode('a', true);
  await cluster.addNode('b', true);
  await cluster.addClass('files', { server: 'nas', share: '/srv' });
  await cluster.addClaim('data', 'files');
  const name = await cluster.bound('data');
  t.equal(await cluster.deleteClaim('data', name), 'a');
  await running.restart(async () => void (await cluster.client.delete(nodes, '', 'a')));
  const asked = async () => own((await cluster.volume(name))?.metadata?.labels, NFS_NODE);
  await eventually('the other one to be asked', async () => (await asked()) === 'b');
});

t.test('a directory that is another volume too is not removed', async (t) => {
  const cluster = await start();
  await using running = cluster.running;
  await cluster.addNode('a', true);
  await cluster.addClass('files', { server: 'nas', share: '/srv', subDir: 'shared' });
  for (const claim of ['one', 'two']) await cluster.addClaim(claim, 'files');
  const [one, two] = [await cluster.bound('one'), await cluster.bound('two')];
  await cluster.client.delete(persistentVolumeClaims, namespace, 'one');
  await eventually('the first volume to be gone', async () => (await cluster.volume(one)) === undefined);
  t.match(await cluster.volume(two), { spec: { nfs: { path: '/srv/shared' } } });
  t.equal(await cluster.deleteClaim('two', two), 'a', 'the last one takes it along');
  t.strictSame(running.driver.failures, []);
});

t.test('a claim that is made again gets its directory when the one before has been removed', async (t) => {
  const cluster = await start();
  await using running = cluster.running;
  await cluster.addNode('a', true);
  await cluster.addClass('files', {
    server: 'nas',
    share: '/srv',
    subDir: '${pvc.metadata.namespace}/${pvc.metadata.name}',
  });
  await cluster.addClaim('data', 'files');
  const before = await cluster.bound('data');
  await cluster.deleteClaim('data', before);
  await cluster.addClaim('data', 'files');
  await eventually('an event', async () =>
    (await running.events('PersistentVolumeClaim')).some((each) =>
      each.includes(`the directory of volume ${before} is still being removed`),
    ),
  );
  t.same((await cluster.client.listAll(persistentVolumes)).length, 1);
  await cluster.client.patch(persistentVolumes, '', before, { metadata: { finalizers: null } });
  t.match(await cluster.volume(await cluster.bound('data')), { spec: { nfs: { path: '/srv/apps/data' } } });
});

t.test('of two volumes with one directory that go together, some agent removes it', async (t) => {
  const cluster = await start();
  await using running = cluster.running;
  await cluster.addNode('a', true);
  await cluster.addClass('files', { server: 'nas', share: '/srv', subDir: 'shared' });
  const names: string[] = [];
  for (const claim of ['one', 'two']) await cluster.addClaim(claim, 'files');
  for (const claim of ['one', 'two']) names.push(await cluster.bound(claim));
  // Both are due before the controllers look at either.
  await running.restart(async () => {
    for (const name of names) await cluster.client.delete(persistentVolumes, '', name);
    for (const claim of ['one', 'two']) await cluster.client.delete(persistentVolumeClaims, namespace, claim);
    const status = { phase: 'Released' };
    for (const name of names)
      await cluster.client.patch(persistentVolumes, '', name, { status }, { type: 'merge', subresource: 'status' });
  });
  const isAsked = (volume: PersistentVolume): boolean => own(volume.metadata?.labels, NFS_NODE) === 'a';
  t.ok(await eventually('a node', async () => (await cluster.client.listAll(persistentVolumes)).some(isAsked)));
});

t.test('a claim is told what is wrong with its class, and is provisioned when that is mended', async (t) => {
  const cluster = await start();
  await using running = cluster.running;
  await cluster.addClass('files', { server: 'nas,exec', share: '/srv' });
  await cluster.addClaim('data', 'files');
  await eventually('an event', async () =>
    (await running.events('PersistentVolumeClaim')).some((each) => /ProvisioningFailed.*nas,exec/.test(each)),
  );
  await cluster.client.delete(storageClasses, '', 'files');
  await cluster.addClass('files', { server: 'nas', share: '/srv' });
  t.match(await cluster.volume(await cluster.bound('data')), { spec: { nfs: { server: 'nas' } } });
});
