/** The images that the package carries: imported into the runtime at start, so that a host with no way out still runs pods. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../client/logger.ts';
import type { CriClient } from '../cri/client.ts';
import { hasCode, readTextIfThere, writeFileAtomically } from '../host/files.ts';
import { run } from '../host/run.ts';
import { PAUSE_IMAGE } from './carried.ts';

export interface ImageArchivesOptions {
  readonly cri: CriClient;
  /** Holds `*.tar` archives. */
  readonly directory: string;
  /** Remembers which archives were imported, so that a restart costs nothing. */
  readonly recordFile: string;
  readonly logger: Logger;
}

/** Where containerd keeps what the CRI knows. */
const NAMESPACE = 'k8s.io';
const IMPORT_TIMEOUT_MS = 120_000;

/** Imports the archives that are new or have changed. A directory that is not there holds none. */
export async function importImageArchives(options: ImageArchivesOptions, signal: AbortSignal): Promise<void> {
  const { cri, directory, recordFile, logger } = options;
  const archives = await listArchives(directory);
  const record = JSON.stringify(archives);
  const isKnown = (await readTextIfThere(recordFile)) === record;
  if (archives.length === 0 || (isKnown && (await cri.imageStatus(PAUSE_IMAGE, { signal })))) return;
  for (const { name } of archives) {
    const args = ['--address', cri.socket, '--namespace', NAMESPACE, 'images', 'import', join(directory, name)];
    await run('ctr', args, { signal, timeoutMs: IMPORT_TIMEOUT_MS });
    logger.info({ archive: name }, 'images imported');
  }
  await writeFileAtomically(recordFile, record, 0o644);
}

async function listArchives(directory: string): Promise<{ name: string; bytes: number; modifiedMs: number }[]> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
  return Promise.all(
    names
      .filter((name) => name.endsWith('.tar'))
      .sort()
      .map(async (name) => {
        const { size, mtimeMs } = await stat(join(directory, name));
        return { name, bytes: size, modifiedMs: mtimeMs };
      }),
  );
}
