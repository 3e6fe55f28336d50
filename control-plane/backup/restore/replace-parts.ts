/**
 * Replaces directories of a server's data directory by prepared ones, all or none: while it is under way, a file says so, no server
 * starts, and doing it again completes it. What was there is kept under another name.
 */
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomically } from '../../../daemon/atomic-file.ts';
import { noticeIn, RESTORING } from '../../data-dir-notices.ts';
import { syncDirectory } from '../archive/archive-file.ts';

const STAGING = 'restore-staging';

/** Where what was at `name` is kept. */
const keptAs = (dataDir: string, name: string, stamp: string): string => path.join(dataDir, `${name}.before-${stamp}`);

/** The stores from which clients may know revisions: the one that is there, and the one that a replacement which was broken off has put aside. */
export async function formerStores(dataDir: string): Promise<readonly string[]> {
  const brokenOff = await noticeIn(dataDir, RESTORING);
  return [path.join(dataDir, 'store'), ...(brokenOff === undefined ? [] : [keptAs(dataDir, 'store', brokenOff)])];
}

/** An empty directory beside those that are to be replaced. */
export async function stagingIn(dataDir: string): Promise<string> {
  const staging = path.join(dataDir, STAGING);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { mode: 0o700 });
  return staging;
}

/** Removes what has been prepared, after a failure; unless it is being put in place, which is for the next attempt to complete. */
export async function discardStaging(dataDir: string): Promise<void> {
  if ((await noticeIn(dataDir, RESTORING)) !== undefined) return;
  await rm(path.join(dataDir, STAGING), { recursive: true, force: true });
}

/**
 * @param names of directories in the staging directory
 * @param stamp a part of the names of what was there before
 * @returns where what was there is kept now
 */
export async function replaceParts(dataDir: string, names: readonly string[], stamp: string): Promise<string[]> {
  // One that was broken off has put some of it away already, under its own stamp.
  const used = (await noticeIn(dataDir, RESTORING)) ?? stamp;
  await writeFileAtomically(path.join(dataDir, RESTORING), `${used}\n`, 0o600);
  await syncDirectory(dataDir);
  const kept: string[] = [];
  for (const name of names) {
    const [place, old] = [path.join(dataDir, name), keptAs(dataDir, name, used)];
    if (await isThere(place)) {
      if (await isThere(old)) await rm(place, { recursive: true });
      else await rename(place, old);
    }
    if (await isThere(old)) kept.push(old);
    await rename(path.join(dataDir, STAGING, name), place);
  }
  await syncDirectory(dataDir);
  await rm(path.join(dataDir, RESTORING));
  await rm(path.join(dataDir, STAGING), { recursive: true });
  await syncDirectory(dataDir);
  return kept;
}

export async function isThere(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
