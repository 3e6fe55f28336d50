/**
 * The nfs provisioner: its volumes are directories of an export that their class names. It makes and deletes their objects; an agent makes
 * the directory when a pod first uses the volume, and one that it chooses removes it when the object is being deleted.
 */
import { NFS_FINALIZER, NFS_NODE } from '../../../../api/domain/nfs-volumes.ts';
import { classOf } from '../../../../api/domain/storage-class.ts';
import type { PersistentVolume } from '../../../../api/types/core/v1.gen.ts';
import { persistentVolumes } from '../../../../client/resources.gen.ts';
import { claimCache, nodeCache, storageClassCache, volumeCache } from '../../caches/definitions.ts';
import type { NodeView } from '../../caches/node-view.ts';
import type { ClaimView, VolumeView } from '../../caches/storage-views.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { unlessGone, unlessNotFound } from '../../framework/outcomes.ts';
import { watch } from '../../framework/watch.ts';
import { provision, provisioner, refuse, withoutFinalizer } from '../provisioner.ts';
import { claimStep, mayNeedStep, volumeStep, type Candidate, type VolumeStep } from './plan.ts';

export const nfsProvisioner: ControllerDescriptor = { name: 'nfs-provisioner', workers: 2, create };

/** How often volumes are looked at whose directory some agent has to remove. */
const LOOK_MS = 15_000;
/** How long one agent has for it: with a large directory it goes on where it was, whoever is asked next. */
const TURN_MS = 300_000;

const candidate = ({ name, conditions, hasNfsClient }: NodeView): Candidate => ({
  name,
  isReady: conditions.some(({ type, status }) => type === 'Ready' && status === 'True'),
  hasClient: hasNfsClient,
});

function create(context: ControllerContext): Controller {
  const { client, informer, recorder } = context;
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

  async function reconcileClaim(view: ClaimView, signal: AbortSignal): Promise<void> {
    const step = nextClaimStep(view);
    if (step?.do === 'refuse') refuse(view, step.why, events);
    else if (step && !volumes.getByKey(step.volume.metadata?.name ?? ''))
      await provision(view, step.volume, { client, events, signal });
  }

  async function reconcileVolume(
    name: string,
    view: VolumeView | undefined,
    signal: AbortSignal,
  ): Promise<number | undefined> {
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
        await unlessNotFound(client.update(persistentVolumes, withoutFinalizer(volume, NFS_FINALIZER), { signal }));
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

  const { reconcile, watches, wakeClaim } = provisioner(context, {
    needsWork: { claim: (view) => nextClaimStep(view) !== undefined, volume: ({ volume }) => mayNeedStep(volume) },
    reconcileClaim,
    reconcileVolume,
  });
  const wakeClaims = (): void => {
    for (const view of claims.values()) wakeClaim(view);
  };
  // A class may be made or mended after its claims.
  return { reconcile, watches: () => [...watches(), watch(classes, { onAdd: wakeClaims, onUpdate: wakeClaims })] };
}

const asking = (volume: PersistentVolume, node: string): PersistentVolume => ({
  ...volume,
  metadata: { ...volume.metadata, labels: { ...volume.metadata?.labels, [NFS_NODE]: node } },
});
