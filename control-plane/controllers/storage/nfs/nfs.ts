/**
 * The nfs provisioner: its volumes are directories of an export that their class names. It makes and deletes their objects; an agent makes
 * the directory when a pod first uses the volume, and one that it chooses removes it when the object is being deleted.
 */
import { isNfsDirectoryGoing, NFS_FINALIZER, NFS_NODE } from '../../../../api/domain/nfs-volumes.ts';
import { classOf } from '../../../../api/domain/storage-class.ts';
import type { PersistentVolume } from '../../../../api/types/core/v1.gen.ts';
import { ConnectionError } from '../../../../client/connection-error.ts';
import { objectKey } from '../../../../client/informer.ts';
import { persistentVolumes } from '../../../../client/resources.gen.ts';
import { claimCache, nodeCache, storageClassCache, volumeCache } from '../../caches/definitions.ts';
import type { NodeView } from '../../caches/node-view.ts';
import type { ClaimView, VolumeView } from '../../caches/storage-views.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { unlessGone, unlessNotFound } from '../../framework/outcomes.ts';
import { watch } from '../../framework/watch.ts';
import { provision, provisioner, refuse, withoutFinalizer } from '../provisioner.ts';
import { claimStep, mayNeedStep, volumeInTheWay, volumeStep, type Candidate, type VolumeStep } from './plan.ts';

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
  /** By volume: since when the node in its label is asked, as far as this process has seen, by the monotonic clock. */
  const askedAt = new Map<string, number>();
  /** By the name of a volume: the keys of the claims that wait for its directory to be removed. */
  const waiting = new Map<string, Set<string>>();
  /** Volumes that were made, or may have been, and that the cache does not show yet. */
  const made = new Map<string, PersistentVolume>();

  const isWanted = ({ spec }: PersistentVolume): boolean => {
    const { namespace, name = '', uid } = spec?.claimRef ?? {};
    return claims.getByKey(objectKey(namespace, name))?.uid === uid;
  };
  /** All volumes of the cluster. */
  function* allVolumes(): Iterable<PersistentVolume> {
    for (const { volume } of volumes.values()) yield volume;
    for (const [name, volume] of made) {
      if (!volumes.getByKey(name) && isWanted(volume)) yield volume;
      else made.delete(name);
    }
  }

  const nextClaimStep = ({ claim }: ClaimView) => claimStep(claim, classes.getByKey(classOf(claim)));
  const nextVolumeStep = ({ name, volume }: VolumeView): VolumeStep | undefined =>
    volumeStep(volume, () => ({
      volumes: allVolumes(),
      nodes: [...nodes.values()].map(candidate),
      isOverdue: performance.now() - (askedAt.get(name) ?? Infinity) > TURN_MS,
    }));

  function wait(view: ClaimView, before: string): void {
    const { namespace, name = '' } = view.claim.metadata ?? {};
    waiting.set(before, (waiting.get(before) ?? new Set<string>()).add(objectKey(namespace, name)));
    refuse(view, `the directory of volume ${before} is still being removed`, events);
  }

  async function reconcileClaim(view: ClaimView, signal: AbortSignal): Promise<void> {
    const step = nextClaimStep(view);
    if (!step) return;
    if (step.do === 'refuse') return refuse(view, step.why, events);
    const { volume } = step;
    const name = volume.metadata?.name ?? '';
    if (volumes.getByKey(name)) return;
    const before = volumeInTheWay(volume, allVolumes());
    if (before) return wait(view, before.metadata?.name ?? '');
    // From now on nobody is asked to remove its directory.
    made.set(name, volume);
    try {
      await provision(view, volume, { client, events, signal });
    } catch (error) {
      if (!(error instanceof ConnectionError)) made.delete(name);
      throw error;
    }
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
        askedAt.set(name, performance.now());
        return LOOK_MS;
      case 'wait':
        if (!askedAt.has(name)) askedAt.set(name, performance.now());
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
  const wakeWaiting = (volume: string): void => {
    for (const key of waiting.get(volume) ?? []) {
      const view = claims.getByKey(key);
      if (view) wakeClaim(view);
    }
    waiting.delete(volume);
  };
  return {
    reconcile,
    watches: () => [
      ...watches(),
      // A class may be made or mended after its claims.
      watch(classes, { onAdd: wakeClaims, onUpdate: wakeClaims }),
      watch(volumes, {
        onAdd: ({ name }) => void made.delete(name),
        onUpdate: (_, { name, volume }) => {
          if (!isNfsDirectoryGoing(volume)) wakeWaiting(name);
        },
        onDelete: ({ name }) => wakeWaiting(name),
      }),
    ],
  };
}

const asking = (volume: PersistentVolume, node: string): PersistentVolume => ({
  ...volume,
  metadata: { ...volume.metadata, labels: { ...volume.metadata?.labels, [NFS_NODE]: node } },
});
