/** Volumes are attached where pods need them, and detached once their node has let go. */
import t, { type Test } from 'tap';
import { attachedName, attachmentName, CONTROLLER_ATTACHES } from '../../../api/domain/csi-attachment.ts';
import type {
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeSpec,
} from '../../../api/types/core/v1.gen.ts';
import type { VolumeAttachment } from '../../../api/types/storage/v1.gen.ts';
import * as resources from '../../../client/resources.gen.ts';
import { attachDetachController } from '../../../control-plane/controllers/storage/attach-detach/attach-detach.ts';
import { volumeExpander } from '../../../control-plane/controllers/storage/volume-expander.ts';
import { eventually } from '../../support/wait.ts';
import { NAMESPACE, RunningControllers } from './running-controllers.ts';

t.setTimeout(300_000);
const DRIVER = 'disks.example.com';
const READY = [{ type: 'Ready', status: 'True' }];
const handleOf = (name: string) => ({ driver: DRIVER, handle: `handle-${name}` });

class World {
  readonly running: RunningControllers;

  private constructor(running: RunningControllers) {
    this.running = running;
  }

  static async start(t: Test, nodes: readonly string[] = ['n1', 'n2']): Promise<World> {
    const running = await RunningControllers.start(attachDetachController, volumeExpander);
    t.teardown(() => running[Symbol.asyncDispose]());
    const world = new World(running);
    for (const name of nodes) await world.node(name);
    return world;
  }

  get #client() {
    return this.running.client;
  }

  async node(name: string): Promise<void> {
    const annotations = { [CONTROLLER_ATTACHES]: 'true' };
    await this.#client.create<Node>(resources.nodes, { metadata: { name, annotations } });
    await this.status(name, { conditions: READY });
  }

  /** Of a node. */
  async status(name: string, status: Node['status']): Promise<void> {
    await this.#client.patch(resources.nodes, '', name, { status }, { type: 'merge', subresource: 'status' });
  }

  async volume(
    name: string,
    accessModes: PersistentVolumeSpec['accessModes'] = ['ReadWriteOnce'],
    driver = DRIVER,
  ): Promise<void> {
    const client = this.#client;
    const size = { storage: '1Gi' };
    const claim = await client.create<PersistentVolumeClaim>(resources.persistentVolumeClaims, {
      metadata: { name, namespace: NAMESPACE },
      spec: { accessModes, resources: { requests: size }, volumeName: name, storageClassName: '' },
    });
    await client.create<PersistentVolume>(resources.persistentVolumes, {
      metadata: { name },
      spec: {
        ...{ capacity: size, accessModes, persistentVolumeReclaimPolicy: 'Retain' },
        claimRef: { kind: 'PersistentVolumeClaim', namespace: NAMESPACE, name, uid: claim.metadata?.uid },
        csi: { driver, volumeHandle: `handle-${name}` },
      },
    });
    const status = { phase: 'Bound' as const, capacity: size, accessModes };
    await client.updateStatus<PersistentVolumeClaim>(resources.persistentVolumeClaims, { ...claim, status });
  }

  async pod(name: string, nodeName: string, claimName: string): Promise<void> {
    await this.#client.create(resources.pods, {
      metadata: { name, namespace: NAMESPACE },
      spec: {
        ...{ nodeName, containers: [{ name: 'c', image: 'i' }] },
        volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }],
      },
    });
  }

  deletePod(name: string): Promise<unknown> {
    return this.#client.delete(resources.pods, NAMESPACE, name, { gracePeriodSeconds: 0 });
  }

  async attachments(): Promise<VolumeAttachment[]> {
    return this.#client.listAll(resources.volumeAttachments, {});
  }

  attachment(volume: string, node: string): Promise<VolumeAttachment> {
    const name = attachmentName(handleOf(volume), node);
    return eventually(`${volume} on ${node}`, async () =>
      (await this.attachments()).find(({ metadata }) => metadata?.name === name),
    );
  }

  /** As the controller of the driver does. */
  async attached(volume: string, node: string, status: VolumeAttachment['status'] = { attached: true }): Promise<void> {
    const object = await this.attachment(volume, node);
    await this.#client.updateStatus(resources.volumeAttachments, { ...object, status });
  }

  reported(node: string, ...volumes: string[]): Promise<boolean> {
    const wanted = JSON.stringify(volumes.map((name) => ({ name: attachedName(handleOf(name)), devicePath: '' })));
    return eventually(`${volumes.join()} reported of ${node}`, async () => {
      const { status } = await this.#client.get(resources.nodes, '', node);
      if (JSON.stringify(status?.volumesAttached ?? []) === wanted) return true;
      throw new Error(JSON.stringify(status?.volumesAttached));
    });
  }

  gone(): Promise<boolean> {
    return eventually('the attachments to be gone', async () => (await this.attachments()).length === 0);
  }

  says(kind: string, words: string): Promise<boolean> {
    return eventually(words, async () => {
      const events = await this.running.events(kind);
      if (events.some((event) => event.includes(words))) return true;
      throw new Error(events.join('\n'));
    });
  }
}

t.test('a volume is attached for a pod, reported, and detached when the node does not use it any more', async (t) => {
  const world = await World.start(t);
  await world.volume('a');
  await world.pod('p', 'n1', 'a');
  t.match(await world.attachment('a', 'n1'), {
    spec: { attacher: DRIVER, nodeName: 'n1', source: { persistentVolumeName: 'a' } },
  });
  await world.attached('a', 'n1', { attached: false, attachError: { message: 'the rack is on fire' } });
  await world.says(
    'Pod',
    'Warning FailedAttachVolume: AttachVolume.Attach failed for volume "a" : the rack is on fire',
  );
  await world.attached('a', 'n1');
  await world.reported('n1', 'a');
  await world.says('Pod', 'Normal SuccessfulAttachVolume: AttachVolume.Attach succeeded for volume "a"');

  await world.status('n1', { volumesInUse: [attachedName(handleOf('a'))] });
  await world.running.restart();
  await world.deletePod('p');
  await world.pod('q', 'n2', 'a');
  await world.says('Pod', 'Multi-Attach error for volume "a"');
  t.equal((await world.attachments()).length, 1, 'the node still uses it');
  await world.status('n1', { volumesInUse: [] });
  await world.reported('n1');
  await world.attachment('a', 'n2');
  t.equal((await world.attachments()).length, 1);
});

t.test('a volume that nodes share is attached to each, another one to the first only', async (t) => {
  const world = await World.start(t);
  await world.volume('shared', ['ReadWriteMany']);
  await world.volume('single');
  await Promise.all(
    ['n1', 'n2'].flatMap((node) => ['shared', 'single'].map((v) => world.pod(`${v}-${node}`, node, v))),
  );
  await world.attachment('shared', 'n1');
  await world.attachment('shared', 'n2');
  await world.says('Pod', 'Multi-Attach error for volume "single"');
  t.equal((await world.attachments()).length, 3);
});

t.test('nothing is attached for drivers that attach nothing, and to nodes that do it themselves', async (t) => {
  const world = await World.start(t, ['n1']);
  const { client } = world.running;
  await client.create(resources.csiDrivers, { metadata: { name: DRIVER }, spec: { attachRequired: false } });
  await client.create<Node>(resources.nodes, { metadata: { name: 'own' } });
  await world.volume('a');
  await world.pod('p', 'n1', 'a');
  await world.volume('b', undefined, 'other.example.com');
  await world.pod('elsewhere', 'own', 'b');
  // A driver without an object attaches.
  await world.volume('c', undefined, 'other.example.com');
  await world.pod('last', 'n1', 'c');
  const [made, ...others] = await eventually('an attachment', async () => {
    const found = await world.attachments();
    return found.length > 0 && found;
  });
  t.equal(made?.spec.source.persistentVolumeName, 'c');
  t.strictSame(others, []);
});

t.test('what a node that is out of service uses is detached at once', async (t) => {
  const world = await World.start(t);
  const { client } = world.running;
  await world.volume('a');
  await world.pod('p', 'n1', 'a');
  await world.attached('a', 'n1');
  await world.reported('n1', 'a');
  await world.status('n1', {
    volumesInUse: [attachedName(handleOf('a'))],
    conditions: [{ type: 'Ready', status: 'False' }],
  });
  await world.deletePod('p');
  t.equal((await world.attachments()).length, 1);
  const taints = [{ key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' }];
  await client.patch(resources.nodes, '', 'n1', { spec: { taints } }, { type: 'merge' });
  await world.gone();
});

t.test('a claim that asks for more is said to wait for the controller of its driver', async (t) => {
  const world = await World.start(t, []);
  const { client } = world.running;
  await client.create(resources.storageClasses, {
    metadata: { name: 'disks' },
    provisioner: DRIVER,
    allowVolumeExpansion: true,
  });
  await world.volume('a');
  const spec = { resources: { requests: { storage: '2Gi' } } };
  await client.patch(resources.persistentVolumeClaims, NAMESPACE, 'a', { spec }, { type: 'merge' });
  await world.says(
    'PersistentVolumeClaim',
    'Normal ExternalExpanding: waiting for an external controller to expand this PVC',
  );
});
