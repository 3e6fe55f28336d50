/**
 * The local-path provisioner: its volumes are directories of the node that the scheduler has chosen. It makes and deletes their
 * objects; the node's agent makes the directory when a pod first uses the volume, and removes it when the object is being deleted.
 */
import { isLocalPath, LOCAL_PATH_FINALIZER, LOCAL_PATH_NODE } from '../../../../api/domain/local-path.ts';
import { classOf } from '../../../../api/domain/storage-class.ts';
import { own } from '../../../../api/machinery/own.ts';
import { isAlreadyExists } from '../../../../api/machinery/status-error.ts';
import type { PersistentVolume } from '../../../../api/types/core/v1.gen.ts';
import { referenceTo } from '../../../../client/event-recorder.ts';
import { persistentVolumeClaims, persistentVolumes } from '../../../../client/resources.gen.ts';
import { claimCache, nodeCache, storageClassCache, volumeCache } from '../../caches/definitions.ts';
import type { ClaimView, VolumeView } from '../../caches/storage-views.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { unlessGone, unlessNotFound } from '../../framework/outcomes.ts';
import { watch } from '../../framework/watch.ts';
import { claimStep, volumeStep, type ClaimStep } from './plan.ts';

export const localPathProvisioner: ControllerDescriptor = {
  name: 'local-path-provisioner',
  workers: 2,
  create,
};

const CLAIM = 'claim/';
const VOLUME = 'volume/';

function create({ client, informer, recorder, queue }: ControllerContext): Controller {
  const claims = informer(claimCache);
  const volumes = informer(volumeCache);
  const classes = informer(storageClassCache);
  const nodes = informer(nodeCache);
  const events = recorder('local-path-provisioner');
  const nextClaimStep = ({ claim }: ClaimView): ClaimStep | undefined =>
    claimStep(claim, classes.getByKey(classOf(claim)), (name) => nodes.getByKey(name));
  const nextVolumeStep = ({ volume }: VolumeView) => volumeStep(volume, (name) => nodes.getByKey(name) !== undefined);

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    if (key.startsWith(CLAIM)) await reconcileClaim(claims.getByKey(key.slice(CLAIM.length)), signal);
    else await reconcileVolume(volumes.getByKey(key.slice(VOLUME.length)), signal);
    return undefined;
  }

  async function reconcileClaim(view: ClaimView | undefined, signal: AbortSignal): Promise<void> {
    const step = view && nextClaimStep(view);
    if (!step) return;
    const record = (type: 'Normal' | 'Warning', reason: string, message: string): void =>
      events.event(referenceTo('v1', persistentVolumeClaims.kind, view.claim), type, reason, message);
    if (step.do !== 'provision') {
      record(
        'Warning',
        'ProvisioningFailed',
        `failed to provision volume with StorageClass "${classOf(view.claim)}": ${step.why}`,
      );
      if (step.do === 'reschedule') await unlessNotFound(client.update(persistentVolumeClaims, step.claim, { signal }));
      return;
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
    record('Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${name}`);
  }

  async function reconcileVolume(view: VolumeView | undefined, signal: AbortSignal): Promise<void> {
    const step = view && nextVolumeStep(view);
    if (!step) return;
    if (step === 'release') await unlessNotFound(client.update(persistentVolumes, released(view.volume), { signal }));
    else await unlessGone(client.delete(persistentVolumes, '', view.name, { uid: view.uid, signal }));
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
      watch(volumes, {
        onAdd: wakeVolume,
        onUpdate: (_, view) => wakeVolume(view),
        // Of a claim that has not been bound to it: it gets another.
        onDelete: ({ volume: { spec } }) => {
          const { namespace, name } = spec?.claimRef ?? {};
          const key = `${namespace}/${name}`;
          const claim = claims.getByKey(key);
          if (claim) wakeClaim(claim, key);
        },
      }),
      watch(nodes, {
        onDelete: ({ name }) => {
          for (const view of volumes.values())
            if (isLocalPath(view.volume) && own(view.volume.metadata?.labels, LOCAL_PATH_NODE) === name)
              wakeVolume(view);
        },
      }),
    ],
    reconcile,
  };
}

function released(volume: PersistentVolume): PersistentVolume {
  const finalizers = volume.metadata?.finalizers?.filter((each) => each !== LOCAL_PATH_FINALIZER);
  return { ...volume, metadata: { ...volume.metadata, finalizers } };
}
