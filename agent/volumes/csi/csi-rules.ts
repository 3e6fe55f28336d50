/** What upstream has fixed for CSI volumes, as pure functions. */
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import type { VolumeUsage } from '../framework/volume-type.ts';
import type { CsiAccessMode, DriverUsage } from './csi-node-client.ts';
import type { CsiVolume } from './csi-volume.ts';

/** Where drivers find the tokens of the pod's service account, in the volume's context or its secrets. */
export const TOKENS = 'csi.storage.k8s.io/serviceAccount.tokens';

/** `tellsPodsApart`: the driver has SINGLE_NODE_MULTI_WRITER, and so two modes for what other drivers know as one. */
export function accessModeOf(mode: string, tellsPodsApart: boolean): CsiAccessMode {
  switch (mode) {
    case 'ReadWriteOnce':
      return tellsPodsApart ? 'SINGLE_NODE_MULTI_WRITER' : 'SINGLE_NODE_WRITER';
    case 'ReadWriteOncePod':
      return tellsPodsApart ? 'SINGLE_NODE_SINGLE_WRITER' : 'SINGLE_NODE_WRITER';
    case 'ReadOnlyMany':
      return 'MULTI_NODE_READER_ONLY';
    case 'ReadWriteMany':
      return 'MULTI_NODE_MULTI_WRITER';
    default:
      return 'UNKNOWN';
  }
}

/** Whether the agent applies the pod's fsGroup: https://kubernetes-csi.github.io/docs/support-fsgroup.html */
export function groupIsSetByAgent(
  { isBlock, isReadOnly, isInline, fsType, accessModes }: CsiVolume,
  policy = 'ReadWriteOnceWithFSType',
): boolean {
  if (isBlock || isReadOnly || policy === 'None') return false;
  if (policy === 'File') return true;
  return fsType !== '' && (isInline || accessModes.includes('ReadWriteOnce'));
}

/** What drivers learn of the pod when their CSIDriver has `podInfoOnMount`. */
export const podContext = (pod: Pod, { isInline }: CsiVolume): Readonly<Record<string, string>> => ({
  'csi.storage.k8s.io/pod.name': pod.metadata?.name ?? '',
  'csi.storage.k8s.io/pod.namespace': pod.metadata?.namespace ?? '',
  'csi.storage.k8s.io/pod.uid': pod.metadata?.uid ?? '',
  'csi.storage.k8s.io/serviceAccount.name': pod.spec?.serviceAccountName ?? '',
  'csi.storage.k8s.io/ephemeral': String(isInline),
});

/** Undefined when the driver has measured nothing. */
export function usageOf(found: readonly DriverUsage[]): VolumeUsage | undefined {
  const bytes = found.find(({ unit }) => unit === 'BYTES');
  const inodes = found.find(({ unit }) => unit === 'INODES');
  if (!bytes) return undefined;
  return {
    ...{ bytes: bytes.used, inodes: inodes?.used ?? 0 },
    ...{ availableBytes: bytes.available, capacityBytes: bytes.total },
    ...(inodes && { freeInodes: inodes.available, totalInodes: inodes.total }),
  };
}
