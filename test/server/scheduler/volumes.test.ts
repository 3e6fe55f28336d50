/** Scheduler and binder bring pods, claims and volumes together. */
import t, { type Test } from 'tap';
import type { Event, PersistentVolume, PersistentVolumeClaim, Pod } from '../../../api/types/core/v1.gen.ts';
import { ApiClient } from '../../../client/api-client.ts';
import {
  events,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  storageClasses,
} from '../../../client/resources.gen.ts';
import { runDescriptors } from '../../../control-plane/controllers/framework/runner.ts';
import { volumeBinderController } from '../../../control-plane/controllers/storage/volume-binder/volume-binder.ts';
import { profileOf } from '../../../control-plane/scheduler/framework/profile.ts';
import { defaultPlugins } from '../../../control-plane/scheduler/plugins/index.ts';
import { volumeBindingOf } from '../../../control-plane/scheduler/plugins/volume-binding.ts';
import { Scheduler } from '../../../control-plane/scheduler/scheduler.ts';
import { stoppable } from '../../support/stoppable.ts';
import { eventually } from '../../support/wait.ts';
import { claimNamed, classNamed, volumeOn } from '../../unit/scheduler/storage.ts';
import { silent, TestServer } from '../apiserver/server.ts';

t.setTimeout(180_000);

const SELECTED_NODE = 'volume.kubernetes.io/selected-node';

/** Starts something that runs until the returned function is called. */
type Start = () => () => Promise<void>;

class Cluster {
  readonly client: ApiClient;
  readonly scheduler: Start;
  readonly binder: Start;

  /** Each scheduler and binder has connections of its own, as a process has. */
  private constructor(connect: () => ApiClient, bindLimitMs: number | undefined) {
    this.client = connect();
    const logger = { ...silent, child: () => silent };
    const plugins = defaultPlugins.map((plugin) =>
      plugin.name === 'VolumeBinding' && bindLimitMs
        ? volumeBindingOf({ bindTimeoutSeconds: bindLimitMs / 1000, shape: undefined })
        : plugin,
    ) as typeof defaultPlugins;
    this.scheduler = () =>
      stoppable(async (signal) => {
        await using client = connect();
        await new Scheduler({ client, logger, profiles: [profileOf(plugins)] }).run(signal);
      });
    this.binder = () =>
      stoppable(async (signal) => {
        await using client = connect();
        await runDescriptors([volumeBinderController], { client, logger, signal });
      });
  }

  static async start(t: Test, options: { bindLimitMs?: number; running?: boolean } = {}): Promise<Cluster> {
    const server = await TestServer.start();
    const connect = () => new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
    const cluster = new Cluster(connect, options.bindLimitMs);
    const stops = options.running === false ? [] : [cluster.scheduler(), cluster.binder()];
    t.teardown(async () => {
      await Promise.all(stops.map((stop) => stop()));
      await cluster.client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });
    for (const name of ['a', 'b']) await cluster.addNode(name);
    return cluster;
  }

  async addNode(name: string): Promise<void> {
    await this.client.create(nodes, { metadata: { name, labels: { 'kubernetes.io/hostname': name } } });
    const status = { allocatable: { cpu: '20', memory: '40Gi', pods: '500' } };
    await this.client.patch(nodes, '', name, { status }, { type: 'merge', subresource: 'status' });
  }

  async addPod(name: string, ...claims: string[]): Promise<void> {
    const volumes = claims.map((claimName, index) => ({ name: `v${index}`, persistentVolumeClaim: { claimName } }));
    const containers = [{ name: 'c', image: 'web:1' }];
    await this.client.create(pods, { metadata: { namespace: 'default', name }, spec: { containers, volumes } });
  }

  async addClaim(claim: PersistentVolumeClaim): Promise<void> {
    await this.client.create(persistentVolumeClaims, { ...claim, metadata: { ...claim.metadata, uid: undefined } });
  }

  async addVolume(volume: PersistentVolume): Promise<void> {
    await this.client.create(persistentVolumes, { ...volume, status: undefined });
  }

  claim(name: string): Promise<PersistentVolumeClaim> {
    return this.client.get(persistentVolumeClaims, 'default', name);
  }

  placed(name: string): Promise<Pod> {
    return eventually(`pod ${name} on a node`, async () => {
      const pod = await this.client.get(pods, 'default', name);
      return pod.spec?.nodeName ? pod : undefined;
    });
  }

  selected(name: string): Promise<string> {
    return eventually(`a node for claim ${name}`, async () => {
      return (await this.claim(name)).metadata?.annotations?.[SELECTED_NODE];
    });
  }

  event(name: string, message: RegExp): Promise<Event> {
    return eventually(`an event of ${name} with ${message}`, async () => {
      const all = await this.client.listAll(events);
      return all.find((event) => event.involvedObject.name === name && message.test(event.message ?? ''));
    });
  }

  /** What a provisioner makes for a claim. */
  async provision(name: string, node: string): Promise<void> {
    const { metadata } = await this.claim(name);
    const claimRef = {
      kind: 'PersistentVolumeClaim',
      apiVersion: 'v1',
      namespace: 'default',
      name,
      uid: metadata?.uid,
    };
    await this.addVolume(volumeOn(node, `pvc-${name}`, '1Gi', { claimRef }));
  }
}

t.test('a pod waits for its claim, and both get the static volume of a node', async (t) => {
  const cluster = await Cluster.start(t);
  await cluster.client.create(storageClasses, classNamed('disks'));
  await cluster.addPod('web', 'data');
  await cluster.event('web', /persistentvolumeclaim "data" not found/);
  await cluster.addClaim(claimNamed('data', '2Gi'));
  await cluster.event('web', /2 node\(s\) didn't find available persistent volumes to bind/);
  await cluster.event('data', /^waiting for pod web to be scheduled$/);
  await cluster.addVolume(volumeOn('a', 'small', '1Gi'));
  await cluster.addVolume(volumeOn('b', 'large', '3Gi'));
  t.equal((await cluster.placed('web')).spec?.nodeName, 'b');
  t.equal((await cluster.claim('data')).spec?.volumeName, 'large');
  // The status follows the binding that a pod waits for.
  await eventually('the claim to be bound', async () => (await cluster.claim('data')).status?.phase === 'Bound');
  await cluster.addPod('next', 'data');
  t.equal((await cluster.placed('next')).spec?.nodeName, 'b', 'pods that share a claim share the node');
});

t.test('a provisioner is told the node; when it fails, the pod is scheduled anew', async (t) => {
  const cluster = await Cluster.start(t);
  const { client } = cluster;
  await client.create(storageClasses, classNamed('disks', { provisioner: 'example.com/disks' }));
  await cluster.addClaim(claimNamed('data'));
  await cluster.addPod('web', 'data');
  await cluster.selected('data');
  await cluster.event('data', /Waiting for a volume to be created/);
  const annotations = { [SELECTED_NODE]: null };
  await client.patch(persistentVolumeClaims, 'default', 'data', { metadata: { annotations } }, { type: 'merge' });
  await cluster.event('web', /^binding volumes: provisioning failed for PVC "data"$/);
  const node = await cluster.selected('data');
  await cluster.provision('data', node);
  t.equal((await cluster.placed('web')).spec?.nodeName, node);
});

t.test('a pod that is deleted meanwhile is waited for no longer', async (t) => {
  const cluster = await Cluster.start(t);
  const { client } = cluster;
  await client.create(storageClasses, classNamed('disks', { provisioner: 'example.com/disks' }));
  await cluster.addClaim(claimNamed('data'));
  await cluster.addPod('web', 'data');
  const node = await cluster.selected('data');
  await client.delete(pods, 'default', 'web', { gracePeriodSeconds: 0 });
  await cluster.addPod('web', 'data');
  await cluster.provision('data', node);
  t.equal((await cluster.placed('web')).spec?.nodeName, node);
});

t.test('a volume that does not come is given up after the time limit', async (t) => {
  const cluster = await Cluster.start(t, { bindLimitMs: 500 });
  await cluster.client.create(storageClasses, classNamed('disks', { provisioner: 'example.com/disks' }));
  await cluster.addClaim(claimNamed('data'));
  await cluster.addPod('web', 'data');
  await cluster.event('web', /^binding volumes: context deadline exceeded$/);
  const node = await cluster.selected('data');
  await cluster.provision('data', node);
  t.equal((await cluster.placed('web')).spec?.nodeName, node, 'which has been chosen for the claim');
});

t.test('a class that binds at once has its claims bound before their pods', async (t) => {
  const cluster = await Cluster.start(t);
  await cluster.client.create(storageClasses, classNamed('disks', { volumeBindingMode: 'Immediate' }));
  await cluster.addClaim(claimNamed('data'));
  await cluster.addPod('web', 'data');
  await cluster.event('web', /pod has unbound immediate PersistentVolumeClaims/);
  await cluster.addVolume(volumeOn('b', 'v'));
  t.equal((await cluster.placed('web')).spec?.nodeName, 'b');
});

t.test('no claim has two volumes and no volume two claims, with schedulers and binders that are killed', async (t) => {
  const COUNT = 30;
  const cluster = await Cluster.start(t, { running: false });
  const { client } = cluster;
  await client.create(storageClasses, classNamed('disks'));
  await client.create(storageClasses, classNamed('now', { volumeBindingMode: 'Immediate' }));
  let isOver = false;
  const bindings = async (): Promise<number> =>
    (await client.listAll(persistentVolumes)).filter(({ spec }) => spec?.claimRef).length;
  /** Two of each run at most times, and each is stopped and started again whenever another volume was bound. */
  const restart = async (start: Start): Promise<void> => {
    while (!isOver) {
      const stop = start();
      const before = await bindings();
      await eventually('a binding', async () => isOver || (await bindings()) !== before);
      await stop();
    }
  };
  const restarting = [cluster.scheduler, cluster.scheduler, cluster.binder, cluster.binder].map(restart);
  const owner = new Map<string, string>();
  const watching = new AbortController();
  const { metadata } = await client.list(persistentVolumes);
  const watch = client.watch(
    persistentVolumes,
    { resourceVersion: metadata?.resourceVersion, signal: watching.signal },
    ({ object }) => {
      const { claimRef } = object.spec ?? {};
      const [name, claim] = [object.metadata?.name ?? '', claimRef?.uid ?? ''];
      if (!claim) return;
      const phase = object.status?.phase;
      // It may be released before it is bound, when a claim has got another one, but never change hands after.
      if (owner.has(name) && phase === 'Bound') t.equal(claim, owner.get(name), `${name} keeps its claim`);
      if (phase === 'Bound') owner.set(name, claim);
    },
  );
  for (let index = 0; index < COUNT; index++) {
    const storageClassName = index % 5 === 0 ? 'now' : 'disks';
    await Promise.all([
      cluster.addClaim(claimNamed(`c${index}`, `${1 + (index % 3)}Gi`, { storageClassName })),
      cluster.addVolume(volumeOn(index % 2 ? 'a' : 'b', `v${index}`, `${1 + (index % 4)}Gi`, { storageClassName })),
      cluster.addPod(`p${index}`, `c${index}`),
    ]);
  }
  for (let index = COUNT; index < 2 * COUNT; index++) {
    const storageClassName = index % 3 === 0 ? 'now' : 'disks';
    await cluster.addVolume(volumeOn(index % 2 ? 'a' : 'b', `v${index}`, '4Gi', { storageClassName }));
  }
  const taken = new Map<string, string>();
  for (let index = 0; index < COUNT; index++) {
    const pod = await cluster.placed(`p${index}`);
    const claim = await cluster.claim(`c${index}`);
    const name = claim.spec?.volumeName ?? '';
    t.notOk(taken.has(name), `${name} has one claim`);
    taken.set(name, claim.metadata?.uid ?? '');
    const volume = await client.get(persistentVolumes, '', name);
    t.equal(volume.spec?.claimRef?.uid, claim.metadata?.uid);
    const terms = volume.spec?.nodeAffinity?.required?.nodeSelectorTerms ?? [];
    t.equal(terms[0]?.matchExpressions?.[0]?.values?.[0], pod.spec?.nodeName, 'the pod is where its volume is');
  }
  isOver = true;
  await Promise.all(restarting);
  const stop = cluster.binder();
  await eventually('volumes of no claim to be free', async () => {
    const all = await client.listAll(persistentVolumes);
    return all.every(({ metadata, spec }) => spec?.claimRef?.uid === taken.get(metadata?.name ?? ''));
  });
  await stop();
  watching.abort();
  await watch.catch(() => undefined);
});
