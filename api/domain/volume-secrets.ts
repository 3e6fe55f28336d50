import type { PersistentVolumeSpec } from '../types/core/v1.gen.ts';

/** An object of a namespace. */
export interface NamespacedName {
  readonly namespace: string;
  readonly name: string;
}

/** The Secrets that a node needs to mount a volume: upstream's `VisitPVSecretNames`, without those that only controllers need. */
export function volumeSecrets(spec: PersistentVolumeSpec | undefined): NamespacedName[] {
  const { azureFile, csi } = spec ?? {};
  const references = [
    azureFile && { namespace: azureFile.secretNamespace, name: azureFile.secretName },
    spec?.cephfs?.secretRef,
    spec?.cinder?.secretRef,
    spec?.flexVolume?.secretRef,
    spec?.rbd?.secretRef,
    spec?.scaleIO?.secretRef,
    spec?.iscsi?.secretRef,
    spec?.storageos?.secretRef,
    csi?.nodePublishSecretRef,
    csi?.nodeStageSecretRef,
    csi?.nodeExpandSecretRef,
  ];
  return references.flatMap((reference) => {
    // Where a volume names no namespace, it is that of its claim.
    const namespace = reference?.namespace || (spec?.claimRef?.namespace ?? '');
    return reference?.name && namespace ? [{ namespace, name: reference.name }] : [];
  });
}
