import {
  ATTRIBUTES_CLASS_PROTECTION,
  CLAIM_PROTECTION,
  VOLUME_PROTECTION,
} from '../../../api/domain/protection-finalizers.ts';
import { persistentVolumeClaims } from '../../../api/kinds/core/persistent-volume-claim.ts';
import { persistentVolumes } from '../../../api/kinds/core/persistent-volume.ts';
import { volumeAttributesClasses } from '../../../api/kinds/storage/volume-attributes-class.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import type { AdmissionPlugin } from './plugin.ts';

const FINALIZERS: ReadonlyMap<Kind, string> = new Map<Kind, string>([
  [persistentVolumeClaims, CLAIM_PROTECTION],
  [persistentVolumes, VOLUME_PROTECTION],
  [volumeAttributesClasses, ATTRIBUTES_CLASS_PROTECTION],
]);

/**
 * What is used is not deleted: the controllers of `controllers/storage/` remove the finalizers when nothing uses the object.
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#storageobjectinuseprotection
 */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  mutate({ operation, kind, subresource, object }) {
    const finalizer = operation === 'CREATE' && subresource === '' ? FINALIZERS.get(kind) : undefined;
    if (finalizer === undefined || !object) return;
    const metadata = (object.metadata ??= {});
    if (metadata.finalizers?.includes(finalizer)) return;
    metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
  },
};
