/** What volumes have in common that are made for a claim, whoever makes them. */
import { claimReference } from '../../../api/domain/volume-match.ts';
import type { PersistentVolumeClaim, PersistentVolumeSpec } from '../../../api/types/core/v1.gen.ts';
import type { StorageClass } from '../../../api/types/storage/v1.gen.ts';

/** The spec of a file system for the claim, without its source. */
export const provisionedSpec = (claim: PersistentVolumeClaim, storageClass: StorageClass): PersistentVolumeSpec => ({
  capacity: { storage: claim.spec?.resources?.requests?.['storage'] ?? '0' },
  accessModes: claim.spec?.accessModes,
  persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
  storageClassName: storageClass.metadata?.name,
  volumeMode: 'Filesystem',
  claimRef: claimReference(claim),
});
