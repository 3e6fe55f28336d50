import { persistentVolumeClaims } from '../../../api/kinds/core/persistent-volume-claim.ts';
import { CLASS_ANNOTATION } from '../../../api/kinds/core/volume-access.ts';
import { isDefaultClass, storageClasses } from '../../../api/kinds/storage/storage-class.ts';
import { own } from '../../../api/machinery/own.ts';
import type { PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import { defaultClass } from './default-class.ts';
import type { AdmissionPlugin } from './plugin.ts';

/** https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#defaultstorageclass */
export function defaultStorageClass(api: Pick<LocalApi, 'subscribe'>): AdmissionPlugin {
  const current = defaultClass(api, storageClasses, isDefaultClass);
  return {
    name: 'DefaultStorageClass',
    mutate({ operation, kind, subresource, object }) {
      if (operation !== 'CREATE' || kind !== persistentVolumeClaims || subresource !== '') return;
      const claim = object as PersistentVolumeClaim;
      const spec = (claim.spec ??= {});
      // An empty name asks for no class at all.
      const isGiven =
        spec.storageClassName !== undefined || own(claim.metadata?.annotations, CLASS_ANNOTATION) !== undefined;
      const name = isGiven ? undefined : current();
      if (name !== undefined) spec.storageClassName = name;
    },
  };
}
