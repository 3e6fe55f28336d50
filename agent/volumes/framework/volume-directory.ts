/** The directories of volumes that are made on this node, with the modes that pods see of upstream's. */
import { chmod, chown, mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isThere } from '../../host/files.ts';

export const DISK_MODE = 0o777;
/** What the kernel gives a tmpfs by itself. */
export const TMPFS_MODE = 0o1777;

/** Appears at once with its mode and group: a directory that is there is complete, and the pod's. */
export async function makeVolumeDirectory(directory: string, mode: number, group: number): Promise<void> {
  if (await isThere(directory)) return;
  const unfinished = join(dirname(directory), `..${basename(directory)}.new`);
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  await chown(unfinished, 0, group);
  await chmod(unfinished, mode);
  await rename(unfinished, directory);
}
