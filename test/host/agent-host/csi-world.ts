/** A node's volumes beside a real api-server and a CSI driver for tests; no pods run. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { attachmentName } from '../../../api/domain/csi-attachment.ts';
import { mountPointsBelow, readMounts } from '../../../agent/host/mounts.ts';
import { volumeHelper } from '../../../agent/host/volume-helper/client.ts';
import { PluginRegistrations } from '../../../agent/plugins/plugin-registrations.ts';
import { Attachments } from '../../../agent/volumes/csi/attachments.ts';
import type { HostPodVolumes } from '../../../agent/volumes/host-pod-volumes.ts';
import { createVolumes } from '../../../agent/volumes/main.ts';
import type {
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeSpec,
  Pod,
} from '../../../api/types/core/v1.gen.ts';
import type { CSIDriverSpec } from '../../../api/types/storage/v1.gen.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { Informer } from '../../../client/informer.ts';
import * as resources from '../../../client/resources.gen.ts';
import { TestServer } from '../../server/apiserver/server.ts';
import { CsiTestDriver, type CsiTestDriverOptions } from '../../support/csi-driver.ts';
import { eventually } from '../../support/wait.ts';

export const NODE = 'n1';
export const DRIVER = 'disks.example.com';
const HELPER = [process.execPath, join(import.meta.dirname, 'volume-helper-process.ts')];

/** What of an agent is under test. */
export interface SomeAgent {
  readonly volumes: HostPodVolumes;
  readonly attachments: Attachments;
  readonly stale: string[];
  /** As `kill -9` does: nothing is put in order. */
  kill(): Promise<void>;
}

export class CsiWorld {
  readonly root: string;
  readonly client: ApiClient;
  readonly driver: CsiTestDriver;
  agent: SomeAgent;

  private constructor(root: string, client: ApiClient, driver: CsiTestDriver, agent: SomeAgent) {
    this.root = root;
    this.client = client;
    this.driver = driver;
    this.agent = agent;
  }

  static async start(t: Test, more: Partial<CsiTestDriverOptions> = {}): Promise<CsiWorld> {
    const root = await mkdtemp(join(tmpdir(), 'kedge-csi-'));
    const server = await TestServer.start();
    const client = new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
    await client.create(resources.namespaces, { metadata: { name: 'apps' } });
    await client.create<Node>(resources.nodes, { metadata: { name: NODE } });
    const options = { name: DRIVER, kubeletDirectory: join(root, 'kubelet'), directory: join(root, 'disks'), ...more };
    const driver = await CsiTestDriver.start(options);
    const world = new CsiWorld(root, client, driver, await startAgent(root, client));
    t.teardown(async () => {
      await world.agent.kill();
      await driver[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    });
    return world;
  }

  async restartAgent(): Promise<void> {
    await this.agent.kill();
    this.agent = await startAgent(this.root, this.client);
  }

  registered(times = 1): Promise<boolean> {
    return eventually('the driver to be registered', () => this.driver.registrations.length >= times);
  }

  /** The CSIDriver object. */
  async install(spec: Partial<CSIDriverSpec> = {}): Promise<void> {
    await this.client.create(resources.csiDrivers, {
      metadata: { name: DRIVER },
      spec: { attachRequired: false, fsGroupPolicy: 'File', ...spec },
    });
  }

  /** A claim that is bound to a volume of the driver, both of this name. */
  async claim(name: string, spec: Partial<PersistentVolumeSpec> = {}): Promise<void> {
    const { client } = this;
    const size = { storage: '1Gi' };
    const accessModes: PersistentVolumeSpec['accessModes'] = ['ReadWriteOnce'];
    const claim = await client.create<PersistentVolumeClaim>(resources.persistentVolumeClaims, {
      metadata: { name, namespace: 'apps' },
      spec: {
        accessModes,
        resources: { requests: size },
        volumeName: name,
        storageClassName: '',
        volumeMode: spec.volumeMode,
      },
    });
    const { uid } = claim.metadata ?? {};
    await client.create<PersistentVolume>(resources.persistentVolumes, {
      metadata: { name },
      spec: {
        ...{ capacity: size, accessModes, persistentVolumeReclaimPolicy: 'Retain' },
        claimRef: { kind: 'PersistentVolumeClaim', namespace: 'apps', name, uid },
        csi: { driver: DRIVER, volumeHandle: `handle-of-${name}`, fsType: 'ext4' },
        ...spec,
      },
    });
    await client.updateStatus(resources.persistentVolumeClaims, {
      ...claim,
      status: { phase: 'Bound', capacity: size, accessModes },
    });
  }

  /** What the controllers of the driver would write. */
  async attach(name: string, attachmentMetadata: Record<string, string> = {}): Promise<void> {
    const handle = { driver: DRIVER, handle: `handle-of-${name}` };
    const made = await this.client.create(resources.volumeAttachments, {
      metadata: { name: attachmentName(handle, NODE) },
      spec: { attacher: DRIVER, nodeName: NODE, source: { persistentVolumeName: name } },
    });
    await this.client.updateStatus(resources.volumeAttachments, {
      ...made,
      status: { attached: true, attachmentMetadata },
    });
    await this.patchNode({
      volumesAttached: [{ name: `kubernetes.io/csi/${DRIVER}^${handle.handle}`, devicePath: '' }],
    });
  }

  async patchNode(status: Node['status']): Promise<void> {
    await this.client.patch(resources.nodes, '', NODE, { status }, { type: 'merge', subresource: 'status' });
  }

  /** Mount points below the kubelet's directory. */
  async mounts(): Promise<string[]> {
    const below = join(this.root, 'kubelet');
    return mountPointsBelow(await readMounts(), below).map((point) => point.slice(below.length + 1));
  }
}

async function startAgent(root: string, client: ApiClient): Promise<SomeAgent> {
  const stop = new AbortController();
  const { signal } = stop;
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const attachments = new Attachments({ client, nodeName: NODE });
  const stale: string[] = [];
  const made = await createVolumes({
    ...{ client, nodeName: NODE, dataDir: join(root, 'agent'), kubeletDir: join(root, 'kubelet'), attachments, logger },
    allocatable: () => ({}),
    onStale: (uid) => stale.push(uid),
    helper: volumeHelper(HELPER),
  });
  const node = new Informer({ client, resource: resources.nodes, logger, fieldSelector: `metadata.name=${NODE}` });
  node.addHandlers({ onAdd: (seen) => made.csi.seeNode(seen), onUpdate: (_, seen) => made.csi.seeNode(seen) });
  // As the agent's status of the Node does.
  const report = async (): Promise<void> => {
    const volumesInUse = attachments.report();
    const options = { type: 'merge', subresource: 'status' } as const;
    await client.patch(resources.nodes, '', NODE, { status: { volumesInUse } }, options);
    attachments.reported(volumesInUse);
  };
  let reporting = Promise.resolve();
  attachments.onChange(() => {
    reporting = reporting.then(report);
  });
  const { drivers, registrations: directory } = made.csi;
  const plugins = new PluginRegistrations({ directory, handlers: { CSIPlugin: drivers }, logger });
  const running = Promise.all([made.csi.run(signal), plugins.run(signal), node.run(signal)]);
  return {
    ...{ volumes: made.volumes, attachments, stale },
    async kill() {
      stop.abort(new Error('killed'));
      await running.catch(() => undefined);
      await reporting;
      made[Symbol.dispose]();
    },
  };
}

/** A pod with the claims of these names as volumes of the same names. */
export const podOf = (uid: string, claims: readonly string[], spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { name: uid, namespace: 'apps', uid },
  spec: {
    containers: [{ name: 'main', volumeMounts: claims.map((name) => ({ name, mountPath: `/${name}` })) }],
    volumes: claims.map((name) => ({ name, persistentVolumeClaim: { claimName: name } })),
    ...spec,
  },
});
