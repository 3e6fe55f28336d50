/**
 * Removes a file that is the mount point of a hidden mount: `ip netns add` mounts /run/netns over itself the first
 * time, and what was mounted on files below stays there, hidden, and keeps them from being removed ("device or resource busy").
 *
 * The kernel refuses that only where the file is a mount point in the mount namespace of whoever removes it; what is mounted on
 * it in others it detaches, and nothing else (mount_namespaces(7), "Restrictions on mount namespaces"). So a helper process
 * unmounts them in a private namespace and removes the file there.
 */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ProgramError, run } from './run.ts';

const TIME_LIMIT_MS = 10_000;
/** A directory with more mounts on top of each other is not handled. */
const MAX_LAYERS = 64;

/** `helper` is the command that calls `removeFromOwnNamespace` with the file. Throws ProgramError. */
export async function removeMountedFile(file: string, helper: readonly string[], signal?: AbortSignal): Promise<void> {
  await run('unshare', ['--mount', '--propagation', 'private', ...helper, file], { timeoutMs: TIME_LIMIT_MS, signal });
}

/** The helper's part. Throws when the file is not there once nothing covers it. */
export async function removeFromOwnNamespace(file: string): Promise<void> {
  for (const mountPoint of [dirname(file), file]) {
    let layers = 0;
    while (await isTakenOff(mountPoint))
      if (++layers > MAX_LAYERS) throw new Error(`${mountPoint} is mounted over more than ${MAX_LAYERS} times`);
  }
  await rm(file);
}

/** The uppermost mount, that is. Mountinfo lists those that cannot be reached as well, so umount has to tell. */
async function isTakenOff(mountPoint: string): Promise<boolean> {
  try {
    await run('umount', ['--lazy', mountPoint], { timeoutMs: TIME_LIMIT_MS });
    return true;
  } catch (error) {
    if (error instanceof ProgramError && /not mounted|no mount point/.test(error.stderr)) return false;
    throw error;
  }
}
