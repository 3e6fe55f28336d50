/** Claims and volumes find each other, and are told apart again. */
import t, { type Test } from 'tap';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec } from '../../../api/types/core/v1.gen.ts';
import type { StorageClass } from '../../../api/types/storage/v1.gen.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { events, persistentVolumeClaims, persistentVolumes, storageClasses } from '../../../client/resources.gen.ts';
import { runDescriptors } from '../../../control-plane/controllers/framework/runner.ts';
import { volumeBinderController } from '../../../control-plane/controllers/storage/volume-binder/volume-binder.ts';
import { eventually } from '../../support/wait.ts';
import { silent, TestServer } from '../apiserver/server.ts';

t.setTimeout(120_000);

const volume = (name: string, storage: string, spec: Partial<PersistentVolumeSpec> = {}): PersistentVolume => ({
  metadata: { name, labels: { name } },
  spec: {
    capacity: { storage },
    accessModes: ['ReadWriteOnce'],
    persistentVolumeReclaimPolicy: 'Retain',
    hostPath: { path: `/data/${name}` },
    ...spec,
  },
});
const claim = (
  name: string,
  storage: string,
  spec: PersistentVolumeClaim['spec'] = {},
  annotations: Record<string, string> = {},
): PersistentVolumeClaim => ({
  metadata: { name, namespace: 'apps', annotations },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, storageClassName: '', ...spec },
});
const storageClass = (name: string, changes: Partial<StorageClass> = {}): StorageClass => ({
  metadata: { name },
  provisioner: 'example.com/disks',
  ...changes,
});

class Storage {
  readonly client: ApiClient;
  readonly #startController: () => () => Promise<void>;

  private constructor(client: ApiClient, startController: () => () => Promise<void>) {
    this.client = client;
    this.#startController = startController;
  }

  static async start(t: Test, controllers = 1): Promise<Storage> {
    const server = await TestServer.start();
    const client = new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
    await server.core.api.create(namespaces, { metadata: { name: 'apps' } });
    const storage = new Storage(client, () => {
      const stopping = new AbortController();
      const logger = { ...silent, child: () => silent };
      const running = runDescriptors([volumeBinderController], { client, logger, signal: stopping.signal });
      return async () => {
        stopping.abort();
        await running;
      };
    });
    const stops = Array.from({ length: controllers }, () => storage.startController());
    t.teardown(async () => {
      await Promise.all(stops.map((stop) => stop()));
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });
    return storage;
  }

  /** Returns what stops it. */
  startController(): () => Promise<void> {
    return this.#startController();
  }

  addVolume(added: PersistentVolume): Promise<PersistentVolume> {
    return this.client.create(persistentVolumes, added);
  }

  addClaim(added: PersistentVolumeClaim): Promise<PersistentVolumeClaim> {
    return this.client.create(persistentVolumeClaims, added);
  }

  /** Waits until the claim is bound; returns the name of its volume. */
  async bound(name: string): Promise<string> {
    const found = await this.claimIn(name, 'Bound');
    return found.spec?.volumeName ?? '';
  }

  claimIn(name: string, phase: string): Promise<PersistentVolumeClaim> {
    return eventually(`claim ${name} in phase ${phase}`, async () => {
      const found = await this.client.get(persistentVolumeClaims, 'apps', name);
      return found.status?.phase === phase && found;
    });
  }

  volumeIn(name: string, phase: string): Promise<PersistentVolume> {
    return eventually(`volume ${name} in phase ${phase}`, async () => {
      const found = await this.client.get(persistentVolumes, '', name);
      return found.status?.phase === phase && found;
    });
  }

  event(name: string, reason: string): Promise<string> {
    return eventually(`event ${reason} on ${name}`, async () => {
      const all = await this.client.listAll(events);
      return all.find((event) => event.reason === reason && event.involvedObject.name === name)?.message;
    });
  }
}

t.test('the smallest volume that fits is taken', async (t) => {
  const storage = await Storage.start(t);
  await storage.addVolume(volume('big', '10Gi'));
  await storage.addVolume(volume('small', '1Gi'));
  await storage.addVolume(volume('medium', '5Gi'));
  await storage.addVolume(volume('shared', '3Gi', { accessModes: ['ReadWriteMany'] }));
  await storage.addVolume(volume('classy', '3Gi', { storageClassName: 'gold' }));
  await storage.addVolume(volume('raw', '3Gi', { volumeMode: 'Block' }));
  await storage.addClaim(claim('two', '2Gi'));
  t.equal(await storage.bound('two'), 'medium');
  const bound = await storage.client.get(persistentVolumeClaims, 'apps', 'two');
  t.match(bound, {
    metadata: {
      annotations: { 'pv.kubernetes.io/bind-completed': 'yes', 'pv.kubernetes.io/bound-by-controller': 'yes' },
    },
    status: { phase: 'Bound', capacity: { storage: '5Gi' }, accessModes: ['ReadWriteOnce'] },
  });
  t.match(await storage.volumeIn('medium', 'Bound'), {
    spec: { claimRef: { kind: 'PersistentVolumeClaim', namespace: 'apps', name: 'two', uid: bound.metadata?.uid } },
  });
  await storage.addClaim(claim('more', '2Gi'));
  t.equal(await storage.bound('more'), 'big');
  await storage.addClaim(claim('chosen', '1Gi', { selector: { matchLabels: { name: 'late' } } }));
  t.match(await storage.event('chosen', 'FailedBinding'), /^no persistent volumes available/);
  await storage.addVolume(volume('late', '20Gi'));
  t.equal(await storage.bound('chosen'), 'late', 'a volume that comes later');
  await storage.addClaim(claim('golden', '1Gi', { storageClassName: 'gold' }));
  t.equal(await storage.bound('golden'), 'classy');
  await storage.addClaim(claim('many', '1Gi', { accessModes: ['ReadWriteMany'] }));
  t.equal(await storage.bound('many'), 'shared');
  await storage.addClaim(claim('device', '1Gi', { volumeMode: 'Block' }));
  t.equal(await storage.bound('device'), 'raw');
});

t.test('volumes and claims that name each other', async (t) => {
  const storage = await Storage.start(t);
  const claimRef = { namespace: 'apps', name: 'expected' };
  await storage.addVolume(volume('kept', '10Gi', { claimRef }));
  await storage.volumeIn('kept', 'Available');
  await storage.addVolume(volume('other', '1Gi'));
  await storage.addClaim(claim('stranger', '5Gi'));
  await storage.claimIn('stranger', 'Pending');
  await storage.addClaim(claim('expected', '1Gi'));
  t.equal(await storage.bound('expected'), 'kept', 'the volume is larger, but reserved');
  const kept = await storage.volumeIn('kept', 'Bound');
  t.notOk(kept.metadata?.annotations?.['pv.kubernetes.io/bound-by-controller'], 'a user bound it');

  await storage.addClaim(claim('named', '1Gi', { volumeName: 'other' }));
  t.equal(await storage.bound('named'), 'other');
  await storage.addVolume(volume('tiny', '1Gi'));
  await storage.addClaim(claim('greedy', '2Gi', { volumeName: 'tiny' }));
  t.equal(
    await storage.event('greedy', 'VolumeMismatch'),
    'Cannot bind to requested volume "tiny": requested PV is too small',
  );
  await storage.addClaim(claim('patient', '1Gi', { volumeName: 'not-yet' }));
  await storage.claimIn('patient', 'Pending');
  await storage.addVolume(volume('not-yet', '1Gi'));
  t.equal(await storage.bound('patient'), 'not-yet');
});

t.test('what becomes of a volume whose claim goes, and of a claim whose volume goes', async (t) => {
  const storage = await Storage.start(t);
  const { client } = storage;
  for (const [name, persistentVolumeReclaimPolicy] of [
    ['retained', 'Retain'],
    ['recycled', 'Recycle'],
    ['deleted', 'Delete'],
    ['provisioned', 'Delete'],
  ] as const) {
    const provisionedBy: Record<string, string> =
      name === 'provisioned' ? { 'pv.kubernetes.io/provisioned-by': 'example.com/disks' } : {};
    const added = volume(name, '1Gi', { persistentVolumeReclaimPolicy });
    await storage.addVolume({ ...added, metadata: { ...added.metadata, annotations: provisionedBy } });
    await storage.addClaim(claim(name, '1Gi', { volumeName: name }));
    await storage.bound(name);
    await client.delete(persistentVolumeClaims, 'apps', name);
  }
  await storage.volumeIn('retained', 'Released');
  await storage.volumeIn('provisioned', 'Released');
  await storage.volumeIn('recycled', 'Failed');
  t.match(await storage.event('deleted', 'VolumeFailedDelete'), /no volume plugin matched/);
  await storage.addClaim(claim('retained', '1Gi'));
  await storage.claimIn('retained', 'Pending');
  t.match(
    await storage.volumeIn('retained', 'Released'),
    { spec: { claimRef: { name: 'retained' } } },
    'not the same claim',
  );
  await client.patch(persistentVolumes, '', 'retained', { spec: { claimRef: null } });
  t.equal(await storage.bound('retained'), 'retained', 'an administrator gives it free');

  await storage.addVolume(volume('doomed', '3Gi'));
  await storage.addClaim(claim('loser', '3Gi'));
  t.equal(await storage.bound('loser'), 'doomed');
  await client.delete(persistentVolumes, '', 'doomed');
  await storage.claimIn('loser', 'Lost');
  t.match(await storage.event('loser', 'ClaimLost'), /^Bound claim has lost its PersistentVolume/);
});

t.test('classes: provisioners are asked, consumers waited for, the default is taken', async (t) => {
  const storage = await Storage.start(t);
  const { client } = storage;
  await client.create(storageClasses, storageClass('fast'));
  await client.create(storageClasses, storageClass('later', { volumeBindingMode: 'WaitForFirstConsumer' }));
  await client.create(storageClasses, storageClass('none', { provisioner: 'kubernetes.io/no-provisioner' }));
  await storage.addClaim(claim('fast', '1Gi', { storageClassName: 'fast' }));
  t.match(await storage.event('fast', 'ExternalProvisioning'), /external provisioner 'example.com\/disks'/);
  t.match(await storage.claimIn('fast', 'Pending'), {
    metadata: {
      annotations: {
        'volume.kubernetes.io/storage-provisioner': 'example.com/disks',
        'volume.beta.kubernetes.io/storage-provisioner': 'example.com/disks',
      },
    },
  });
  const { uid } = (await client.get(persistentVolumeClaims, 'apps', 'fast')).metadata ?? {};
  const claimRef = { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace: 'apps', name: 'fast', uid };
  await storage.addVolume(volume('pvc-fast', '1Gi', { storageClassName: 'fast', claimRef }));
  t.equal(await storage.bound('fast'), 'pvc-fast', 'what a provisioner makes');

  await storage.addVolume(volume('idle', '1Gi', { storageClassName: 'later' }));
  await storage.addClaim(claim('later', '1Gi', { storageClassName: 'later' }));
  t.equal(
    await storage.event('later', 'WaitForFirstConsumer'),
    'waiting for first consumer to be created before binding',
  );
  const annotations = { 'volume.kubernetes.io/selected-node': 'n1' };
  await client.patch(persistentVolumeClaims, 'apps', 'later', { metadata: { annotations } });
  await storage.event('later', 'ExternalProvisioning');
  t.equal(
    (await client.get(persistentVolumes, '', 'idle')).status?.phase,
    'Available',
    'that is for the scheduler to decide',
  );

  await storage.addClaim(claim('static', '1Gi', { storageClassName: 'none' }));
  t.equal(
    await storage.event('static', 'ProvisioningFailed'),
    'no volume plugin matched name: kubernetes.io/no-provisioner',
  );
  await storage.addClaim(claim('unknown', '1Gi', { storageClassName: 'typo' }));
  t.equal(await storage.event('unknown', 'ProvisioningFailed'), 'storageclass.storage.k8s.io "typo" not found');

  await storage.addClaim(claim('classless', '1Gi', { storageClassName: undefined }));
  await storage.event('classless', 'FailedBinding');
  const isDefault = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  await client.create(
    storageClasses,
    storageClass('default', { metadata: { name: 'default', annotations: isDefault } }),
  );
  await storage.event('classless', 'ExternalProvisioning');
  t.match(await client.get(persistentVolumeClaims, 'apps', 'classless'), { spec: { storageClassName: 'default' } });
});

t.test('no claim has two volumes and no volume two claims, with controllers that come and go', async (t) => {
  const COUNT = 24;
  const storage = await Storage.start(t, 1);
  const { client } = storage;
  let isOver = false;
  /** Another controller that is stopped at any moment, again and again. */
  const restarting = (async () => {
    while (!isOver) {
      const stop = storage.startController();
      const seen = (await client.listAll(persistentVolumes)).length;
      await eventually(
        'something to happen',
        async () => isOver || (await client.listAll(persistentVolumes)).length !== seen,
      );
      await stop();
    }
  })();
  const add = async (index: number): Promise<void> => {
    await Promise.all([
      storage.addClaim(claim(`c${index}`, `${1 + (index % 3)}Gi`)),
      storage.addVolume(volume(`v${index}`, `${1 + (index % 4)}Gi`)),
    ]);
  };
  for (let index = 0; index < COUNT; index++) await add(index);
  for (let index = COUNT; index < 2 * COUNT; index++) await storage.addVolume(volume(`v${index}`, '4Gi'));
  const owners = new Map<string, string>();
  for (let index = 0; index < COUNT; index++) {
    const name = await storage.bound(`c${index}`);
    t.notOk(owners.has(name), `${name} has one claim`);
    owners.set(name, `c${index}`);
  }
  isOver = true;
  await restarting;
  await eventually('volumes of no claim to be free', async () => {
    const all = await client.listAll(persistentVolumes);
    return all.every(({ metadata, spec }) => spec?.claimRef?.name === owners.get(metadata?.name ?? ''));
  });
});
