import { mkdir } from 'node:fs/promises';
import { podLimit } from '../../../api/domain/pod-resources.ts';
import { quantityValue } from '../../../api/machinery/quantity.ts';
import type { DirectoryMeter } from '../../host/directory-usage.ts';
import { mountTmpfs } from '../../host/mounts.ts';
import { modeFor } from '../../host/volume-helper/ownership.ts';
import { DISK_MODE, makeVolumeDirectory, TMPFS_MODE } from '../framework/volume-directory.ts';
import type { VolumeType } from '../framework/volume-type.ts';

/**
 * emptyDir: a directory on the node's disk, or a tmpfs with `medium: Memory`:
 * https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
 */
export const emptyDir = (meter: Pick<DirectoryMeter, 'usageOf'>): VolumeType => ({
  source: 'emptyDir',
  directory: 'kubernetes.io~empty-dir',
  agentWritten: false,
  hostPath: (_, { path }) => path,
  resolve({ emptyDir: wanted }, pod) {
    const medium = wanted?.medium ?? '';
    if (medium.startsWith('HugePages'))
      throw new Error('emptyDir with medium HugePages is not supported yet by this version');
    if (medium !== '' && medium !== 'Memory') throw new Error(`unknown storage medium ${JSON.stringify(medium)}`);
    if (medium === '') return { attributes: { medium } };
    const sizeLimit = wanted?.sizeLimit === undefined ? Infinity : quantityValue(wanted.sizeLimit);
    const sizeBytes = Math.min(sizeLimit || Infinity, podLimit(pod.spec, 'memory') || Infinity);
    return { attributes: { medium, ...(sizeBytes !== Infinity && { sizeBytes: String(sizeBytes) }) } };
  },
  async publish({ pod, path, attributes, isMounted, signal }) {
    const group = pod.spec?.securityContext?.fsGroup;
    if (attributes['medium'] !== 'Memory')
      return makeVolumeDirectory(path, modeFor(group, DISK_MODE, true, false), group ?? 0);
    if (isMounted) return;
    await mkdir(path, { recursive: true });
    const sizeBytes = attributes['sizeBytes'] === undefined ? undefined : Number(attributes['sizeBytes']);
    await mountTmpfs(path, { mode: modeFor(group, TMPFS_MODE, true, false), group, sizeBytes, swap: true }, signal);
  },
  unpublish: ({ unmount }) => unmount(),
  stats: ({ path, signal }) => meter.usageOf(path, signal),
});
