/** What tests download once per machine, into a folder for temporary files. */
import { mkdir, rename, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileExists } from '../../agent/host/files.ts';

/** Limit of one download. */
export const FETCH_LIMIT_MS = 180_000;

/** Returns the folder that `fetch` has filled, in this process or an earlier one. `fetch` works in a folder of its own. */
export async function fetchedOnce(name: string, fetch: (work: string) => Promise<void>): Promise<string> {
  const folder = path.join(os.tmpdir(), `kedge-test-${name}`);
  if (await fileExists(folder)) return folder;
  const work = `${folder}.${process.pid}`;
  await mkdir(work, { recursive: true });
  try {
    await fetch(work);
    await rename(work, folder).catch((error: NodeJS.ErrnoException) => {
      // Another test file has been faster.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return folder;
}
