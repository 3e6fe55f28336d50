/**
 * The VAC protection controller: a VolumeAttributesClass is not deleted while a claim or a volume has it, or is to get it.
 * Upstream: pkg/controller/volume/vacprotection.
 */
import { ATTRIBUTES_CLASS_PROTECTION } from '../../../api/domain/protection-finalizers.ts';
import { volumeAttributesClasses } from '../../../client/resources.gen.ts';
import { attributesClassCache, claimCache, volumeCache } from '../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { watch } from '../framework/watch.ts';
import { protect } from './protection.ts';

export const attributesClassProtectionController: ControllerDescriptor = {
  name: 'volumeattributesclass-protection-controller',
  workers: 1,
  create,
};

interface WithClasses {
  readonly attributesClasses: readonly string[];
}

function create(context: ControllerContext): Controller {
  const { informer, queue } = context;
  const [claims, volumes] = [informer(claimCache), informer(volumeCache)];
  const releasing = {
    onUpdate: (old: WithClasses, object: WithClasses) => {
      for (const name of old.attributesClasses) if (!object.attributesClasses.includes(name)) queue.add(name);
    },
    onDelete: ({ attributesClasses }: WithClasses) => {
      for (const name of attributesClasses) queue.add(name);
    },
  };
  return protect(context, {
    resource: volumeAttributesClasses,
    objects: informer(attributesClassCache),
    finalizer: ATTRIBUTES_CLASS_PROTECTION,
    isUsed: ({ name }) =>
      claims.byIndex('attributesClass', name).length > 0 || volumes.byIndex('attributesClass', name).length > 0,
    releases: () => [watch(claims, releasing), watch(volumes, releasing)],
  });
}
