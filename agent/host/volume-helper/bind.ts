import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { readMounts, unmount } from '../mounts.ts';
import { run } from '../run.ts';
import { makeMountPoint, O_PATH } from './sub-path.ts';

/**
 * Binds a path of the host, with what is mounted below it, to `target`. Does nothing when that is bound there already; another file
 * by now takes its place. Throws when the path does not exist.
 */
export async function bindHostPath(path: string, target: string, signal: AbortSignal): Promise<void> {
  const descriptor = openSync(path, O_PATH);
  try {
    const wanted = fstatSync(descriptor);
    if ((await readMounts()).some(({ mountPoint }) => mountPoint === target)) {
      const bound = statSync(target);
      if (bound.dev === wanted.dev && bound.ino === wanted.ino) return;
      await unmount(target, signal);
    }
    makeMountPoint(target, wanted.isDirectory());
    await run('mount', ['--no-canonicalize', '--rbind', `/proc/${process.pid}/fd/${descriptor}`, target], { signal });
  } finally {
    closeSync(descriptor);
  }
}
