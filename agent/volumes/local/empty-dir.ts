import { mkdir } from 'node:fs/promises';
import { podLimit } from '../../../api/domain/pod-resources.ts';
import { quantityValue } from '../../../api/machinery/quantity.ts';
import type { DirectoryMeter } from '../../host/directory-usage.ts';
import { mountHugePages, mountTmpfs } from '../../host/mounts.ts';
import { modeFor } from '../../host/volume-helper/ownership.ts';
import { hugePageBytes, isHugePagesMedium } from '../framework/huge-page-medium.ts';
import { DISK_MODE, makeVolumeDirectory, TMPFS_MODE } from '../framework/volume-directory.ts';
import type { VolumeType } from '../framework/volume-type.ts';

/**
 * emptyDir: a directory on the node's disk, a tmpfs with `medium: Memory`, or huge pages with `medium: HugePages`:
 * https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
 */
export const emptyDir = (meter: Pick<DirectoryMeter, 'usageOf'>): VolumeType => ({
  source: 'emptyDir',
  directory: 'kubernetes.io~empty-dir',
  agentWritten: false,
  hostPath: (_, { path }) => path,
  resolve({ emptyDir: wanted }, pod) {
    const medium = wanted?.medium ?? '';
    const sizeLimit = (wanted?.sizeLimit === undefined ? 0 : quantityValue(wanted.sizeLimit)) || Infinity;
    const sized = (bytes: number): Record<string, string> => (bytes === Infinity ? {} : { sizeBytes: String(bytes) });
    if (isHugePagesMedium(medium))
      return { attributes: { medium, pageBytes: String(hugePageBytes(medium, pod)), ...sized(sizeLimit) } };
    if (medium !== '' && medium !== 'Memory') throw new Error(`unknown storage medium ${JSON.stringify(medium)}`);
    if (medium === '') return { attributes: { medium } };
    const sizeBytes = Math.min(sizeLimit, podLimit(pod.spec, 'memory') || Infinity);
    return { attributes: { medium, ...sized(sizeBytes) } };
  },
  async publish({ pod, path, attributes, isMounted, signal }) {
    const group = pod.spec?.securityContext?.fsGroup;
    if (attributes['medium'] === '')
      return makeVolumeDirectory(path, modeFor(group, DISK_MODE, true, false), group ?? 0);
    if (isMounted) return;
    await mkdir(path, { recursive: true });
    const sizeBytes = attributes['sizeBytes'] === undefined ? undefined : Number(attributes['sizeBytes']);
    const options = { mode: modeFor(group, TMPFS_MODE, true, false), group, sizeBytes };
    if (attributes['pageBytes'] === undefined) await mountTmpfs(path, { ...options, swap: true }, signal);
    else await mountHugePages(path, { ...options, pageBytes: Number(attributes['pageBytes']) }, signal);
  },
  unpublish: ({ unmount }) => unmount(),
  stats: ({ path, signal }) => meter.usageOf(path, signal),
});
