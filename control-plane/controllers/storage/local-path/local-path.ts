/**
 * The local-path provisioner: its volumes are directories of the node that the scheduler has chosen. It makes and deletes their
 * objects; the node's agent makes the directory when a pod first uses the volume, and removes it when the object is being deleted.
 */
import { isLocalPath, LOCAL_PATH_FINALIZER, LOCAL_PATH_NODE } from '../../../../api/domain/local-path.ts';
import { classOf } from '../../../../api/domain/storage-class.ts';
import { own } from '../../../../api/machinery/own.ts';
import { persistentVolumeClaims, persistentVolumes } from '../../../../client/resources.gen.ts';
import { nodeCache, storageClassCache, volumeCache } from '../../caches/definitions.ts';
import type { ClaimView, VolumeView } from '../../caches/storage-views.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { unlessGone, unlessNotFound } from '../../framework/outcomes.ts';
import { watch } from '../../framework/watch.ts';
import { provision, provisioner, refuse, withoutFinalizer } from '../provisioner.ts';
import { claimStep, volumeStep, type ClaimStep } from './plan.ts';

export const localPathProvisioner: ControllerDescriptor = {
  name: 'local-path-provisioner',
  workers: 2,
  create,
};

function create(context: ControllerContext): Controller {
  const { client, informer, recorder } = context;
  const volumes = informer(volumeCache);
  const classes = informer(storageClassCache);
  const nodes = informer(nodeCache);
  const events = recorder('local-path-provisioner');
  const nextClaimStep = ({ claim }: ClaimView): ClaimStep | undefined =>
    claimStep(claim, classes.getByKey(classOf(claim)), (name) => nodes.getByKey(name));
  const nextVolumeStep = ({ volume }: VolumeView) => volumeStep(volume, (name) => nodes.getByKey(name) !== undefined);

  async function reconcileClaim(view: ClaimView, signal: AbortSignal): Promise<void> {
    const step = nextClaimStep(view);
    if (!step) return;
    if (step.do === 'provision') {
      if (volumes.getByKey(step.volume.metadata?.name ?? '')) return;
      return provision(view, step.volume, { client, events, signal });
    }
    refuse(view, step.why, events);
    if (step.do === 'reschedule') await unlessNotFound(client.update(persistentVolumeClaims, step.claim, { signal }));
  }

  async function reconcileVolume(_: string, view: VolumeView | undefined, signal: AbortSignal): Promise<undefined> {
    const step = view && nextVolumeStep(view);
    if (!step) return;
    const { name, uid, volume } = view;
    if (step === 'release')
      await unlessNotFound(
        client.update(persistentVolumes, withoutFinalizer(volume, LOCAL_PATH_FINALIZER), { signal }),
      );
    else await unlessGone(client.delete(persistentVolumes, '', name, { uid, signal }));
  }

  const { reconcile, watches, wakeVolume } = provisioner(context, {
    needsWork: {
      claim: (view) => nextClaimStep(view) !== undefined,
      volume: (view) => nextVolumeStep(view) !== undefined,
    },
    reconcileClaim,
    reconcileVolume,
  });
  const wakeVolumesOf = (node: string): void => {
    for (const view of volumes.values())
      if (isLocalPath(view.volume) && own(view.volume.metadata?.labels, LOCAL_PATH_NODE) === node) wakeVolume(view);
  };
  return { reconcile, watches: () => [...watches(), watch(nodes, { onDelete: ({ name }) => wakeVolumesOf(name) })] };
}
