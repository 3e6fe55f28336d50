/** The PV protection controller: a volume is not deleted while it is bound. Upstream: pkg/controller/volume/pvprotection. */
import { VOLUME_PROTECTION } from '../../../api/domain/protection-finalizers.ts';
import { persistentVolumes } from '../../../client/resources.gen.ts';
import { volumeCache } from '../caches/definitions.ts';
import type { ControllerDescriptor } from '../framework/controller.ts';
import { protect } from './protection.ts';

export const volumeProtectionController: ControllerDescriptor = {
  name: 'persistentvolume-protection-controller',
  workers: 1,
  create: (context) =>
    protect(context, {
      resource: persistentVolumes,
      objects: context.informer(volumeCache),
      finalizer: VOLUME_PROTECTION,
      isUsed: ({ phase }) => phase === 'Bound',
      releases: () => [],
    }),
};
