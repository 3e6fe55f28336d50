/**
 * The expand controller: claims that ask for more than they have are expanded by the controller of their driver, which this one says.
 * Upstream: pkg/controller/volume/expand.
 */
import { compareQuantities } from '../../../api/machinery/quantity.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import { referenceTo } from '../../../client/event-recorder.ts';
import { persistentVolumeClaims } from '../../../client/resources.gen.ts';
import { claimCache, volumeCache } from '../caches/definitions.ts';
import type { ClaimView } from '../caches/storage-views.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { watch } from '../framework/watch.ts';

export const volumeExpander: ControllerDescriptor = {
  name: 'persistentvolume-expander-controller',
  workers: 2,
  create,
};

/** Whether a bound claim asks for more than its volume is known to hold. */
export function isToBeExpanded({ spec, status }: PersistentVolumeClaim): boolean {
  const [wanted, held] = [spec?.resources?.requests?.['storage'], status?.capacity?.['storage']];
  return status?.phase === 'Bound' && wanted !== undefined && held !== undefined && compareQuantities(wanted, held) > 0;
}

/** Warns of volumes that nobody expands: those of no driver. */
export const expansionEvent = ({ spec }: PersistentVolume): 'Normal' | 'Warning' => (spec?.csi ? 'Normal' : 'Warning');

function create({ informer, recorder, queue }: ControllerContext): Controller {
  const claims = informer(claimCache);
  const volumes = informer(volumeCache);
  const events = recorder('volume_expand');
  const requested = ({ claim }: ClaimView): string => claim.spec?.resources?.requests?.['storage'] ?? '0';

  function reconcile(key: string): Promise<undefined> {
    const claim = claims.getByKey(key)?.claim;
    const volume = volumes.getByKey(claim?.spec?.volumeName ?? '')?.volume;
    if (claim && volume && isToBeExpanded(claim)) {
      const message = 'waiting for an external controller to expand this PVC';
      const regarding = referenceTo('v1', persistentVolumeClaims.kind, claim);
      events.event(regarding, expansionEvent(volume), 'ExternalExpanding', message);
    }
    return Promise.resolve(undefined);
  }

  return {
    watches: () => [
      watch(claims, {
        onUpdate: (old, view, key) => {
          if (compareQuantities(requested(view), requested(old)) > 0) queue.add(key);
        },
      }),
    ],
    reconcile,
  };
}
