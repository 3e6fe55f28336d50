import { chmod, chown, mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Pod } from '../../api/core/pod.ts';
import { quantityValue } from '../../api/machinery/quantity.ts';
import { isThere } from '../host/files.ts';
import { mountTmpfs } from '../host/mounts.ts';
import { modeForGroup } from '../host/volume-helper/ownership.ts';
import type { VolumePlugin } from './volume-plugin.ts';

const EVERYBODY = 0o777;
/** What the kernel gives a tmpfs by itself, and what pods see of upstream's. */
const TMPFS_MODE = 0o1777;

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
    const modeFrom = (mode: number): number => (group === undefined ? mode : modeForGroup(mode, true, false));
    if (medium.startsWith('HugePages')) throw new Error('emptyDir on huge pages is not supported yet by this version');
    if (medium !== '' && medium !== 'Memory') throw new Error(`unknown storage medium ${JSON.stringify(medium)}`);
    if (medium === '') return makeDirectory(directory, modeFrom(EVERYBODY), group ?? 0);
    if (context.isMounted(directory)) return;
    await mkdir(directory, { recursive: true });
    const sizeLimit = wanted?.sizeLimit === undefined ? Infinity : quantityValue(wanted.sizeLimit);
    const limit = Math.min(sizeLimit || Infinity, memoryLimitOf(pod));
    const sizeBytes = limit === Infinity ? undefined : limit;
    await mountTmpfs(directory, { mode: modeFrom(TMPFS_MODE), group, sizeBytes, swap: true }, signal);
  },
};

/** Appears at once with its mode and group: a directory that is there is complete, and the pod's. */
async function makeDirectory(directory: string, mode: number, group: number): Promise<void> {
  if (await isThere(directory)) return;
  const unfinished = join(dirname(directory), `..${basename(directory)}.new`);
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  await chown(unfinished, 0, group);
  await chmod(unfinished, mode);
  await rename(unfinished, directory);
}

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
