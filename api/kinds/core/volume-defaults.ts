import { defaultPullPolicy } from '../../domain/image-reference.ts';
import { DEFAULT_TOKEN_SECONDS } from '../../domain/service-accounts.ts';
import type {
  DownwardAPIVolumeFile,
  PersistentVolumeSpec,
  ProjectedVolumeSource,
  Volume,
} from '../../types/core/v1.gen.ts';

/** The mode of a volume's files when the volume does not set one. */
export const DEFAULT_FILE_MODE = 0o644;

function applyFieldRefDefaults(items: readonly DownwardAPIVolumeFile[] | undefined): void {
  for (const { fieldRef } of items ?? []) if (fieldRef) fieldRef.apiVersion ||= 'v1';
}

function applyProjectedDefaults(projected: ProjectedVolumeSource): void {
  projected.defaultMode ??= DEFAULT_FILE_MODE;
  for (const source of projected.sources ?? []) {
    if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= DEFAULT_TOKEN_SECONDS;
    applyFieldRefDefaults(source.downwardAPI?.items);
  }
}

type SharedSources = Pick<PersistentVolumeSpec, 'hostPath' | 'azureDisk'> & {
  readonly iscsi?: { iscsiInterface?: string };
  readonly rbd?: { pool?: string; user?: string; keyring?: string };
  readonly scaleIO?: { storageMode?: string; fsType?: string };
};

/** Defaults of the sources that inline volumes and PersistentVolumes have in common. */
export function applySourceDefaults({ hostPath, iscsi, rbd, azureDisk, scaleIO }: SharedSources): void {
  if (hostPath) hostPath.type ??= '';
  if (iscsi) iscsi.iscsiInterface ||= 'default';
  if (rbd) {
    rbd.pool ||= 'rbd';
    rbd.user ||= 'admin';
    rbd.keyring ||= '/etc/ceph/keyring';
  }
  if (azureDisk) {
    azureDisk.cachingMode ??= 'ReadWrite';
    azureDisk.kind ??= 'Shared';
    azureDisk.fsType ??= 'ext4';
    azureDisk.readOnly ??= false;
  }
  if (scaleIO) {
    scaleIO.storageMode ||= 'ThinProvisioned';
    scaleIO.fsType ||= 'xfs';
  }
}

/** Defaults of a volume. A volume without a source is an `emptyDir`. */
export function applyVolumeDefaults(volume: Volume): void {
  let sources = 0;
  for (const key in volume) if (key !== 'name') sources++;
  if (sources === 0) volume.emptyDir = {};
  const { secret, configMap, downwardAPI, projected, ephemeral, image } = volume;
  if (secret) secret.defaultMode ??= DEFAULT_FILE_MODE;
  if (configMap) configMap.defaultMode ??= DEFAULT_FILE_MODE;
  if (downwardAPI) {
    downwardAPI.defaultMode ??= DEFAULT_FILE_MODE;
    applyFieldRefDefaults(downwardAPI.items);
  }
  if (projected) applyProjectedDefaults(projected);
  if (ephemeral?.volumeClaimTemplate) ephemeral.volumeClaimTemplate.spec.volumeMode ??= 'Filesystem';
  if (image) image.pullPolicy ||= defaultPullPolicy(image.reference ?? '');
  applySourceDefaults(volume);
}
