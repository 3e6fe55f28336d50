/** Bind mounts of what has been opened: nothing that is swapped in under its name meanwhile is mounted instead. */
import { closeSync, fstatSync, mkdirSync, openSync, rmdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { readMounts, unmount } from '../mounts.ts';
import { run } from '../run.ts';

/** open(2): the descriptor only names the place. Linux's number on x86-64 and arm64; node:fs does not name it. */
export const O_PATH = 0o10000000;
/** Binds a path of the host, with what is mounted below it, to `target`. Throws when the path does not exist. */
export async function bindHostPath(path: string, target: string, signal: AbortSignal): Promise<void> {
  const descriptor = openSync(path, O_PATH);
  try {
    await bindOpen(descriptor, target, 'rbind', signal);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Binds what is open to `target`. Does nothing when that is bound there already; another file by now takes its place.
 * @param how `rbind`: with what is mounted below it, of which an unmount here does not take the host's away
 */
export async function bindOpen(
  descriptor: number,
  target: string,
  how: 'bind' | 'rbind',
  signal: AbortSignal,
): Promise<void> {
  const wanted = fstatSync(descriptor);
  if ((await readMounts()).some(({ mountPoint }) => mountPoint === target)) {
    const bound = statSync(target);
    if (bound.dev === wanted.dev && bound.ino === wanted.ino) return;
    await unmount(target, signal);
  }
  makeMountPoint(target, wanted.isDirectory());
  const flags = how === 'rbind' ? ['--rbind', '--make-rslave'] : ['--bind'];
  const source = `/proc/${process.pid}/fd/${descriptor}`;
  await run('mount', ['--no-canonicalize', ...flags, source, target], { signal });
}

/** Makes what can be mounted over: a directory or a file. The target lies where only the agent writes. */
function makeMountPoint(target: string, isDirectory: boolean): void {
  mkdirSync(dirname(target), { recursive: true, mode: 0o750 });
  const there = statSync(target, { throwIfNoEntry: false });
  if (there && there.isDirectory() === isDirectory) return;
  if (there?.isDirectory()) rmdirSync(target);
  else if (there) unlinkSync(target);
  if (isDirectory) mkdirSync(target, 0o750);
  else writeFileSync(target, '', { mode: 0o640 });
}
