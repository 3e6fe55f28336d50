import { mkdir } from 'node:fs/promises';
import { quantityValue } from '../../api/machinery/quantity.ts';
import { mountTmpfs } from '../host/mounts.ts';
import { modeFor } from '../host/volume-helper/ownership.ts';
import { DISK_MODE, makeVolumeDirectory, TMPFS_MODE } from './volume-directory.ts';
import type { VolumePlugin } from './volume-plugin.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';

/** emptyDir: a directory on the node's disk, or a tmpfs with `medium: Memory`. */
export const emptyDir: VolumePlugin = {
  source: 'emptyDir',
  directory: 'kubernetes.io~empty-dir',
  agentWritten: false,
  hostPath: (_, directory) => directory,
  async setUp({ emptyDir: wanted }, context) {
    const { pod, directory, signal } = context;
    const medium = wanted?.medium ?? '';
    const group = pod.spec?.securityContext?.fsGroup;
    if (medium.startsWith('HugePages'))
      throw new Error('emptyDir with medium HugePages is not supported yet by this version');
    if (medium !== '' && medium !== 'Memory') throw new Error(`unknown storage medium ${JSON.stringify(medium)}`);
    if (medium === '') return makeVolumeDirectory(directory, modeFor(group, DISK_MODE, true, false), group ?? 0);
    if (context.isMounted(directory)) return;
    await mkdir(directory, { recursive: true });
    const sizeLimit = wanted?.sizeLimit === undefined ? Infinity : quantityValue(wanted.sizeLimit);
    const limit = Math.min(sizeLimit || Infinity, memoryLimitOf(pod));
    const sizeBytes = limit === Infinity ? undefined : limit;
    await mountTmpfs(
      directory,
      { mode: modeFor(group, TMPFS_MODE, true, false), group, sizeBytes, swap: true },
      signal,
    );
  },
};

/** Bytes that the pod's containers may use together. */
function memoryLimitOf(pod: Pod): number {
  let total = 0;
  for (const container of pod.spec?.containers ?? []) {
    const limit = container.resources?.limits?.['memory'];
    if (limit === undefined) return Infinity;
    total += quantityValue(limit);
  }
  return total || Infinity;
}
