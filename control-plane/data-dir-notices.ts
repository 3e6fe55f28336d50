/** Files in a server's directory that say why no server may use what is in it. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { StoreUnavailableError } from './store/store.ts';

/** In the data directory while a restore puts its parts in their places. */
export const RESTORING = 'restoring';
/** In the directory of an embedded store whose objects are elsewhere now. */
export const MOVED = 'moved';

/** The text of a file, without the newline at its end; undefined when there is none. */
export async function noticeIn(directory: string, name: string): Promise<string | undefined> {
  try {
    return (await readFile(path.join(directory, name), 'utf8')).trimEnd();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Throws StoreUnavailableError when a restore was broken off: a server would take what is missing for a new cluster. */
export async function mustBeRestored(dataDir: string): Promise<void> {
  if ((await noticeIn(dataDir, RESTORING)) === undefined) return;
  throw new StoreUnavailableError(
    `a restore into ${dataDir} was broken off: run "kedge backup restore --force" or "kedge store migrate" again to its end`,
  );
}

/** Throws StoreUnavailableError when the objects of the store have been moved. */
export async function mustNotBeMoved(directory: string): Promise<void> {
  const where = await noticeIn(directory, MOVED);
  if (where === undefined) return;
  throw new StoreUnavailableError(
    `the objects of ${directory} were moved to ${where}: set store and its settings to that; ` +
      `to go back to the old objects and lose what was written since, remove ${path.join(directory, MOVED)}`,
  );
}
