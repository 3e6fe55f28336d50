/**
 * subPath: a path that a pod names inside a volume whose content the pod itself writes. It is walked one component at a
 * time from an open directory, never following a link blindly, so that nothing swapped in meanwhile leads out of the
 * volume; what was reached is bound through the open descriptor, not by its name again.
 * (`/proc/self/fd/N/name` opened with O_NOFOLLOW is what openat(N, name) would be.)
 */
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { hasCode } from '../files.ts';
import { readMounts, unmount } from '../mounts.ts';
import { run } from '../run.ts';

/** open(2): the descriptor only names the place. Linux's number on x86-64 and arm64; node:fs does not name it. */
export const O_PATH = 0o10000000;
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
    const wanted = fstatSync(descriptor);
    if ((await readMounts()).some(({ mountPoint }) => mountPoint === target)) {
      const bound = statSync(target);
      if (bound.dev === wanted.dev && bound.ino === wanted.ino) return;
      await unmount(target, signal);
    }
    makeMountPoint(target, wanted.isDirectory());
    await run('mount', ['--no-canonicalize', '--bind', `/proc/${process.pid}/fd/${descriptor}`, target], { signal });
  } finally {
    closeSync(descriptor);
  }
}

/** Makes what can be mounted over: a directory or a file. The target lies where only the agent writes. */
export function makeMountPoint(target: string, isDirectory: boolean): void {
  mkdirSync(dirname(target), { recursive: true, mode: 0o750 });
  const there = statSync(target, { throwIfNoEntry: false });
  if (there && there.isDirectory() === isDirectory) return;
  if (there?.isDirectory()) rmdirSync(target);
  else if (there) unlinkSync(target);
  if (isDirectory) mkdirSync(target, 0o750);
  else writeFileSync(target, '', { mode: 0o640 });
}
