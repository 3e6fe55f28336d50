/**
 * The nfs provisioner: its volumes are directories of an export that their class names. It makes and deletes their objects; an agent makes
 * the directory when a pod first uses the volume, and one that it chooses removes it when the object is being deleted.
 */
import { NFS_FINALIZER, NFS_NODE } from '../../../../api/domain/nfs-volumes.ts';
import { classOf } from '../../../../api/domain/storage-class.ts';
import { isAlreadyExists } from '../../../../api/machinery/status-error.ts';
import type { PersistentVolume } from '../../../../api/types/core/v1.gen.ts';
import { referenceTo } from '../../../../client/event-recorder.ts';
import { persistentVolumeClaims, persistentVolumes } from '../../../../client/resources.gen.ts';
import { claimCache, nodeCache, storageClassCache, volumeCache } from '../../caches/definitions.ts';
import type { NodeView } from '../../caches/node-view.ts';
import type { ClaimView, VolumeView } from '../../caches/storage-views.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { unlessGone, unlessNotFound } from '../../framework/outcomes.ts';
import { watch } from '../../framework/watch.ts';
import { claimStep, volumeStep, type Candidate, type VolumeStep } from './plan.ts';

export const nfsProvisioner: ControllerDescriptor = { name: 'nfs-provisioner', workers: 2, create };

const CLAIM = 'claim/';
const VOLUME = 'volume/';
/** How often volumes are looked at whose directory some agent has to remove. */
const LOOK_MS = 15_000;
/** How long one agent has for it: with a large directory it goes on where it was, whoever is asked next. */
const TURN_MS = 300_000;

const candidate = ({ name, conditions, hasNfsClient }: NodeView): Candidate => ({
  name,
  isReady: conditions.some(({ type, status }) => type === 'Ready' && status === 'True'),
  hasClient: hasNfsClient,
});

function create({ client, informer, recorder, queue }: ControllerContext): Controller {
  const claims = informer(claimCache);
  const volumes = informer(volumeCache);
  const classes = informer(storageClassCache);
  const nodes = informer(nodeCache);
  const events = recorder('nfs-provisioner');
  /** By volume: since when the node in its label is asked, as far as this process has seen. */
  const askedAt = new Map<string, number>();

  const nextClaimStep = ({ claim }: ClaimView) => claimStep(claim, classes.getByKey(classOf(claim)));
  const nextVolumeStep = ({ name, volume }: VolumeView): VolumeStep | undefined =>
    volumeStep(volume, () => ({
      volumes: [...volumes.values()].map((view) => view.volume),
      nodes: [...nodes.values()].map(candidate),
      isOverdue: Date.now() - (askedAt.get(name) ?? Infinity) > TURN_MS,
    }));

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    if (key.startsWith(VOLUME)) return reconcileVolume(key.slice(VOLUME.length), signal);
    await reconcileClaim(claims.getByKey(key.slice(CLAIM.length)), signal);
    return undefined;
  }

  async function reconcileClaim(view: ClaimView | undefined, signal: AbortSignal): Promise<void> {
    const step = view && nextClaimStep(view);
    if (!step) return;
    const claim = referenceTo('v1', persistentVolumeClaims.kind, view.claim);
    if (step.do === 'refuse') {
      const message = `failed to provision volume with StorageClass "${classOf(view.claim)}": ${step.why}`;
      return events.event(claim, 'Warning', 'ProvisioningFailed', message);
    }
    const { name = '' } = step.volume.metadata ?? {};
    if (volumes.getByKey(name)) return;
    try {
      await client.create(persistentVolumes, step.volume, { signal });
    } catch (error) {
      // By an attempt whose response was lost.
      if (isAlreadyExists(error)) return;
      throw error;
    }
    events.event(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${name}`);
  }

  async function reconcileVolume(name: string, signal: AbortSignal): Promise<number | undefined> {
    const view = volumes.getByKey(name);
    const step = view && nextVolumeStep(view);
    if (!step) {
      askedAt.delete(name);
      return undefined;
    }
    const { volume, uid } = view;
    switch (step.do) {
      case 'delete':
        await unlessGone(client.delete(persistentVolumes, '', name, { uid, signal }));
        return undefined;
      case 'release':
        await unlessNotFound(client.update(persistentVolumes, released(volume), { signal }));
        return undefined;
      case 'ask':
        await unlessNotFound(client.update(persistentVolumes, asking(volume, step.node), { signal }));
        askedAt.set(name, Date.now());
        return LOOK_MS;
      case 'wait':
        if (!askedAt.has(name)) askedAt.set(name, Date.now());
        return LOOK_MS;
    }
  }

  const wakeClaim = (view: ClaimView, key: string): void => {
    if (nextClaimStep(view)) queue.add(`${CLAIM}${key}`);
  };
  const wakeVolume = (view: VolumeView): void => {
    if (nextVolumeStep(view)) queue.add(`${VOLUME}${view.name}`);
  };
  return {
    watches: () => [
      watch(claims, { onAdd: wakeClaim, onUpdate: (_, view, key) => wakeClaim(view, key) }),
      // A class that is made or mended after its claims.
      watch(classes, { onAdd: wakeClaims, onUpdate: wakeClaims }),
      watch(volumes, {
        onAdd: wakeVolume,
        onUpdate: (_, view) => wakeVolume(view),
        // Of a claim that has not been bound to it: it gets another.
        onDelete: ({ name, volume: { spec } }) => {
          askedAt.delete(name);
          wakeKey(`${spec?.claimRef?.namespace}/${spec?.claimRef?.name}`);
        },
      }),
    ],
    reconcile,
  };

  function wakeClaims(): void {
    for (const key of claims.keys()) wakeKey(key);
  }

  function wakeKey(key: string): void {
    const claim = claims.getByKey(key);
    if (claim) wakeClaim(claim, key);
  }
}

const asking = (volume: PersistentVolume, node: string): PersistentVolume => ({
  ...volume,
  metadata: { ...volume.metadata, labels: { ...volume.metadata?.labels, [NFS_NODE]: node } },
});

function released(volume: PersistentVolume): PersistentVolume {
  const finalizers = volume.metadata?.finalizers?.filter((each) => each !== NFS_FINALIZER);
  return { ...volume, metadata: { ...volume.metadata, finalizers } };
}
