/** What provisioners have in common: they look at claims and at volumes, each by its own decision, and make one volume for a claim. */
import { isAlreadyExists } from '../../../api/machinery/status-error.ts';
import { claimReference } from '../../../api/domain/volume-match.ts';
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec } from '../../../api/types/core/v1.gen.ts';
import type { StorageClass } from '../../../api/types/storage/v1.gen.ts';
import { type EventRecorder, referenceTo } from '../../../client/event-recorder.ts';
import { objectKey } from '../../../client/informer.ts';
import { persistentVolumeClaims, persistentVolumes } from '../../../client/resources.gen.ts';
import { classOf } from '../../../api/domain/storage-class.ts';
import { claimCache, volumeCache } from '../caches/definitions.ts';
import type { ClaimView, VolumeView } from '../caches/storage-views.ts';
import type { Controller, ControllerContext } from '../framework/controller.ts';
import { watch } from '../framework/watch.ts';

export interface ProvisionerParts {
  /** Whether there is anything to do about it. */
  readonly needsWork: { claim(view: ClaimView): boolean; volume(view: VolumeView): boolean };
  readonly reconcileClaim: (view: ClaimView, signal: AbortSignal) => Promise<void>;
  /** `view` is undefined for a volume that is gone. Resolves with in how many ms to look again. */
  readonly reconcileVolume: (
    name: string,
    view: VolumeView | undefined,
    signal: AbortSignal,
  ) => Promise<number | undefined>;
}

export interface Provisioner extends Pick<Controller, 'reconcile'> {
  readonly wakeClaim: (view: ClaimView) => void;
  readonly wakeVolume: (view: VolumeView) => void;
  readonly watches: () => ReturnType<Controller['watches']>;
}

const CLAIM = 'claim/';
const VOLUME = 'volume/';

const keyOf = ({ claim: { metadata } }: ClaimView): string => objectKey(metadata?.namespace, metadata?.name ?? '');

/** The keys of claims and of volumes are in one queue. */
export function provisioner({ informer, queue }: ControllerContext, parts: ProvisionerParts): Provisioner {
  const claims = informer(claimCache);
  const volumes = informer(volumeCache);
  const wakeClaim = (view: ClaimView): void => {
    if (parts.needsWork.claim(view)) queue.add(`${CLAIM}${keyOf(view)}`);
  };
  const wakeVolume = (view: VolumeView): void => {
    if (parts.needsWork.volume(view)) queue.add(`${VOLUME}${view.name}`);
  };
  return {
    wakeClaim,
    wakeVolume,
    watches: () => [
      watch(claims, { onAdd: wakeClaim, onUpdate: (_, view) => wakeClaim(view) }),
      watch(volumes, {
        onAdd: wakeVolume,
        onUpdate: (_, view) => wakeVolume(view),
        onDelete: ({ name, volume: { spec } }) => {
          // What is remembered of it goes.
          queue.add(`${VOLUME}${name}`);
          // Its claim gets another, when it has not been bound to it.
          const claim = claims.getByKey(objectKey(spec?.claimRef?.namespace, spec?.claimRef?.name ?? ''));
          if (claim) wakeClaim(claim);
        },
      }),
    ],
    async reconcile(key, signal) {
      if (key.startsWith(VOLUME)) {
        const name = key.slice(VOLUME.length);
        return parts.reconcileVolume(name, volumes.getByKey(name), signal);
      }
      const view = claims.getByKey(key.slice(CLAIM.length));
      if (view) await parts.reconcileClaim(view, signal);
      return undefined;
    },
  };
}

/** Makes the volume for the claim, unless it is there, and tells the claim. */
export async function provision(
  { claim }: ClaimView,
  volume: PersistentVolume,
  { client, events, signal }: Pick<ControllerContext, 'client'> & { events: EventRecorder; signal: AbortSignal },
): Promise<void> {
  try {
    await client.create(persistentVolumes, volume, { signal });
  } catch (error) {
    // By an attempt whose response was lost, or that the cache does not show yet.
    if (isAlreadyExists(error)) return;
    throw error;
  }
  const message = `Successfully provisioned volume ${volume.metadata?.name}`;
  events.event(referenceTo('v1', persistentVolumeClaims.kind, claim), 'Normal', 'ProvisioningSucceeded', message);
}

/** Tells the claim why it has got no volume. */
export function refuse({ claim }: ClaimView, why: string, events: EventRecorder): void {
  const message = `failed to provision volume with StorageClass "${classOf(claim)}": ${why}`;
  events.event(referenceTo('v1', persistentVolumeClaims.kind, claim), 'Warning', 'ProvisioningFailed', message);
}

/** The spec of a file system for the claim, without its source. */
export const provisionedSpec = (claim: PersistentVolumeClaim, storageClass: StorageClass): PersistentVolumeSpec => ({
  capacity: { storage: claim.spec?.resources?.requests?.['storage'] ?? '0' },
  accessModes: claim.spec?.accessModes,
  persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
  storageClassName: storageClass.metadata?.name,
  volumeMode: 'Filesystem',
  claimRef: claimReference(claim),
});

/** The volume without a finalizer. */
export function withoutFinalizer(volume: PersistentVolume, finalizer: string): PersistentVolume {
  const finalizers = volume.metadata?.finalizers?.filter((each) => each !== finalizer);
  return { ...volume, metadata: { ...volume.metadata, finalizers } };
}
