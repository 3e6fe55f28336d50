/**
 * subPath: a path that a pod names inside a volume whose content the pod itself writes. It is walked one component at a
 * time from an open directory, never following a link blindly, so that nothing swapped in meanwhile leads out of the
 * volume; what was reached is bound through the open descriptor, not by its name again.
 * (`/proc/self/fd/N/name` opened with O_NOFOLLOW is what openat(N, name) would be.)
 */
import { closeSync, constants, fstatSync, mkdirSync, openSync, readlinkSync } from 'node:fs';
import { hasCode } from '../files.ts';
import { bindOpen, O_PATH } from './bind.ts';

/** As the kernel's own limit (ELOOP). */
const MAX_LINKS = 40;

const openAt = (directory: number, name: string): number =>
  openSync(`/proc/self/fd/${directory}/${name}`, O_PATH | constants.O_NOFOLLOW);

/**
 * Opens `subPath` inside `volume`; a missing directory is made with the mode of the volume's root. Links are followed
 * within the volume only. The caller closes the descriptor. Throws when the path would leave the volume.
 */
function openInVolume(volume: string, subPath: string): number {
  const escape = (): Error => new Error(`subPath ${JSON.stringify(subPath)} points outside the volume`);
  if (subPath.startsWith('/') || subPath.split('/').includes('..')) throw escape();
  const root = openSync(volume, O_PATH);
  const rootMode = fstatSync(root).mode & 0o777;
  /** The directories from the volume's root to where the walk stands. */
  const trail: number[] = [root];
  const left = subPath.split('/');
  let links = 0;
  try {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      const here = trail.at(-1) ?? root;
      if (name === '' || name === '.') continue;
      if (name === '..') {
        if (trail.length === 1) throw escape();
        closeSync(trail.pop() ?? root);
        continue;
      }
      const next = openOrMake(here, name, rootMode);
      const stats = fstatSync(next);
      if (!stats.isSymbolicLink()) {
        trail.push(next);
        if (!stats.isDirectory() && left.some((part) => part !== '' && part !== '.'))
          throw new Error(`subPath ${JSON.stringify(subPath)}: ${name} is not a directory`);
        continue;
      }
      closeSync(next);
      if (++links > MAX_LINKS) throw new Error(`subPath ${JSON.stringify(subPath)}: too many links`);
      const target = readlinkSync(`/proc/self/fd/${here}/${name}`);
      if (target.startsWith('/')) throw escape();
      left.unshift(...target.split('/'));
    }
    return trail.pop() ?? root;
  } finally {
    for (const directory of trail) closeSync(directory);
  }
}

function openOrMake(directory: number, name: string, mode: number): number {
  try {
    return openAt(directory, name);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  try {
    mkdirSync(`/proc/self/fd/${directory}/${name}`, mode);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
  return openAt(directory, name);
}

/**
 * Binds a subPath to `target`, in place of what was bound there before if that is another file by now. `volume` may hang:
 * in the agent's process only volumes whose content the agent wrote may be passed here.
 */
export async function bindSubPath(volume: string, subPath: string, target: string, signal: AbortSignal): Promise<void> {
  const descriptor = openInVolume(volume, subPath);
  try {
    await bindOpen(descriptor, target, 'bind', signal);
  } finally {
    closeSync(descriptor);
  }
}
