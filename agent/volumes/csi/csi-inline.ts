/** csi: a volume that is defined in its pod and lives as long: https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#csi-ephemeral-volumes */
import type { VolumeType } from '../framework/volume-type.ts';
import type { CsiSteps } from './csi-steps.ts';
import { csiAttributes, csiVolumeOf, inlineCsiVolume } from './csi-volume.ts';

export function inlineCsi(steps: CsiSteps): VolumeType {
  const target: NonNullable<VolumeType['mountPoint']> = (place) => steps.paths.target(csiVolumeOf(place), place.podUid);
  return {
    source: 'csi',
    directory: 'kubernetes.io~csi',
    agentWritten: false,
    hostPath: (_, place) => target(place),
    resolve(volume, pod) {
      const inline = inlineCsiVolume(volume, pod);
      if (!inline) throw new Error(`volume "${volume.name}" names no CSI driver`);
      return { attributes: csiAttributes(inline), ...(inline.isReadOnly && { isReadOnly: true }) };
    },
    mountPoint: target,
    publish: (volume) => steps.publish(volume),
    unpublish: (volume) => steps.unpublish(volume),
    isRefreshed: () => true,
    refresh: (volume) => steps.republish(volume),
    stats: (volume) => steps.stats(volume),
  };
}
