import type { Container, EphemeralContainer } from '../../../api/core/container.ts';
import type { PodSpec } from '../../../api/core/pod-spec.ts';
import type { Volume } from '../../../api/core/volume.ts';

/** The objects of its namespace that a pod needs; names may repeat. */
export interface PodReferences {
  readonly secrets: readonly string[];
  readonly configMaps: readonly string[];
  readonly persistentVolumeClaims: readonly string[];
  readonly clusterTrustBundles: readonly string[];
}

interface Collected {
  readonly secrets: (string | undefined)[];
  readonly configMaps: (string | undefined)[];
  readonly claims: (string | undefined)[];
  readonly bundles: (string | undefined)[];
}

function collectContainer({ env, envFrom }: Container | EphemeralContainer, into: Collected): void {
  for (const { valueFrom } of env ?? []) {
    into.secrets.push(valueFrom?.secretKeyRef?.name);
    into.configMaps.push(valueFrom?.configMapKeyRef?.name);
  }
  for (const { secretRef, configMapRef } of envFrom ?? []) {
    into.secrets.push(secretRef?.name);
    into.configMaps.push(configMapRef?.name);
  }
}

function collectVolume(volume: Volume, podName: string, into: Collected): void {
  into.secrets.push(
    volume.secret?.secretName,
    volume.azureFile?.secretName,
    volume.cephfs?.secretRef?.name,
    volume.cinder?.secretRef?.name,
    volume.csi?.nodePublishSecretRef?.name,
    volume.flexVolume?.secretRef?.name,
    volume.iscsi?.secretRef?.name,
    volume.rbd?.secretRef?.name,
    volume.scaleIO?.secretRef?.name,
    volume.storageos?.secretRef?.name,
  );
  into.configMaps.push(volume.configMap?.name);
  into.claims.push(volume.persistentVolumeClaim?.claimName);
  if (volume.ephemeral) into.claims.push(`${podName}-${volume.name}`);
  for (const { secret, configMap, clusterTrustBundle } of volume.projected?.sources ?? []) {
    into.secrets.push(secret?.name);
    into.configMaps.push(configMap?.name);
    if (clusterTrustBundle) into.bundles.push(clusterTrustBundle.name ?? clusterTrustBundle.signerName);
  }
}

const named = (names: readonly (string | undefined)[]): string[] =>
  names.filter((name): name is string => name !== undefined && name !== '');

export function podReferences(podName: string, spec: PodSpec | undefined): PodReferences {
  const found: Collected = { secrets: [], configMaps: [], claims: [], bundles: [] };
  for (const { name } of spec?.imagePullSecrets ?? []) found.secrets.push(name);
  for (const container of spec?.containers ?? []) collectContainer(container, found);
  for (const container of spec?.initContainers ?? []) collectContainer(container, found);
  for (const container of spec?.ephemeralContainers ?? []) collectContainer(container, found);
  for (const volume of spec?.volumes ?? []) collectVolume(volume, podName, found);
  return {
    secrets: named(found.secrets),
    configMaps: named(found.configMaps),
    persistentVolumeClaims: named(found.claims),
    clusterTrustBundles: named(found.bundles),
  };
}
