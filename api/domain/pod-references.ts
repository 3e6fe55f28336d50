import { claimOfVolume } from './pod-claims.ts';
import type { Container, EphemeralContainer, PodSpec, Volume, VolumeProjection } from '../types/core/v1.gen.ts';

/** The objects of its namespace that a pod refers to; names may repeat. */
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
  into.claims.push(claimOfVolume(volume, podName)?.name);
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

const VOLUME_REFERENCES: readonly (readonly [source: keyof Volume, resource: string])[] = [
  ['configMap', 'configmaps (via configmap volumes)'],
  ['secret', 'secrets (via secret volumes)'],
  ['csi', 'csidrivers (via CSI volumes)'],
  ['glusterfs', 'endpoints (via glusterFS volumes)'],
  ['persistentVolumeClaim', 'persistentvolumeclaims'],
  ['ephemeral', 'persistentvolumeclaims (via ephemeral volumes)'],
  ['azureFile', 'secrets (via azureFile volumes)'],
];
const PROJECTED_REFERENCES: readonly (readonly [source: keyof VolumeProjection, resource: string])[] = [
  ['configMap', 'configmaps (via projected volumes)'],
  ['secret', 'secrets (via projected volumes)'],
  ['serviceAccountToken', 'serviceaccounts (via projected volumes)'],
  ['clusterTrustBundle', 'clustertrustbundles'],
  ['podCertificate', 'podcertificates'],
];

/**
 * The first API resource that the pod depends on, in upstream's words; undefined when there is none. Static pods run without the API,
 * and a node must not gain access to objects by means of their mirror pods.
 */
export function apiReference(spec: PodSpec | undefined): string | undefined {
  if (!spec) return undefined;
  const { secrets, configMaps } = podReferences('', spec);
  if (spec.serviceAccountName) return 'serviceaccounts';
  if (secrets.length > 0) return 'secrets';
  if (configMaps.length > 0) return 'configmaps';
  if (spec.resourceClaims?.length) return 'resourceclaims';
  for (const volume of spec.volumes ?? []) {
    for (const [source, resource] of VOLUME_REFERENCES) if (volume[source]) return resource;
    for (const projection of volume.projected?.sources ?? [])
      for (const [source, resource] of PROJECTED_REFERENCES) if (projection[source]) return resource;
  }
  return undefined;
}
