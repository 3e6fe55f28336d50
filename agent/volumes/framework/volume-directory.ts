/** Creates the directories of volumes, with upstream's modes. */
import { chmod, chown, mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileExists } from '../../host/files.ts';

export const DISK_MODE = 0o777;
/** The kernel's default of a tmpfs. */
export const TMPFS_MODE = 0o1777;

/** What a `makeVolumeDirectory` that was interrupted may have left. */
export const unfinishedDirectory = (directory: string): string =>
  join(dirname(directory), `..${basename(directory)}.new`);

/** Atomic: an existing directory has its mode and group, and belongs to the pod. */
export async function makeVolumeDirectory(directory: string, mode: number, group: number): Promise<void> {
  if (await fileExists(directory)) return;
  const unfinished = unfinishedDirectory(directory);
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  await chown(unfinished, 0, group);
  await chmod(unfinished, mode);
  await rename(unfinished, directory);
}
