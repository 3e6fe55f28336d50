/**
 * The images that the package carries: imported into the runtime at start, so that a host without access to a registry can run
 * pods.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeFileAtomically } from '../../daemon/atomic-file.ts';
import type { Logger } from '../../client/logger.ts';
import type { CriClient } from '../cri/client.ts';
import { DamagedRecord, hasCode, readRecord } from '../host/files.ts';
import { PAUSE_IMAGE } from './bundled.ts';
import { Ctr } from './ctr.ts';

export interface ImageArchivesOptions {
  readonly cri: CriClient;
  /** Holds `*.tar` archives. */
  readonly directory: string;
  /** Records which archives were imported, so that a restart does not import them again. */
  readonly recordFile: string;
  readonly logger: Logger;
  /** The back-off of failed imports. */
  readonly retryMs?: number;
}

const IMPORT_TIMEOUT_MS = 120_000;
const TAG_TIMEOUT_MS = 30_000;
const RETRY_MS = 5 * 60_000;

interface Archive {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** `named`: the images that were imported are known by their digests, too. */
interface ImportRecord {
  readonly named: 'by tag and digest';
  readonly archives: readonly Archive[];
}

/**
 * Imports the archives that are new or have changed; a directory that is not there holds none. Pods may do without these images:
 * a failed import is logged and returned as false. Rejects with the signal's reason only.
 */
export async function importImageArchives(options: ImageArchivesOptions, signal: AbortSignal): Promise<boolean> {
  const { directory, logger } = options;
  try {
    return await importNew(options, signal);
  } catch (error) {
    signal.throwIfAborted();
    logger.warn({ directory, err: error }, 'failed to import bundled images');
    return false;
  }
}

/** Retries until all have been imported, or the signal is aborted. */
export async function retryImageArchives(options: ImageArchivesOptions, signal: AbortSignal): Promise<void> {
  do {
    await sleep(options.retryMs ?? RETRY_MS, undefined, { signal });
  } while (!(await importImageArchives(options, signal)));
}

async function importNew(options: ImageArchivesOptions, signal: AbortSignal): Promise<boolean> {
  const { cri, directory, recordFile, logger } = options;
  const archives = await listArchives(directory);
  if (archives.length === 0) return true;
  const known = (await cri.imageStatus(PAUSE_IMAGE, { signal })) ? await importedBefore(recordFile, logger) : [];
  const isKnown = (archive: Archive): boolean => known.some((each) => JSON.stringify(each) === JSON.stringify(archive));
  const fresh = archives.filter((archive) => !isKnown(archive));
  if (fresh.length === 0) return true;
  const imported = archives.filter(isKnown);
  const ctr = await Ctr.find(cri.socket);
  for (const archive of fresh) {
    try {
      await ctr.images(['import', join(directory, archive.name)], { signal, timeoutMs: IMPORT_TIMEOUT_MS });
      logger.info({ archive: archive.name }, 'images imported');
      imported.push(archive);
    } catch (error) {
      signal.throwIfAborted();
      logger.warn({ archive: archive.name, err: error }, 'failed to import images');
    }
  }
  await nameByDigest(ctr, signal);
  const record: ImportRecord = { named: 'by tag and digest', archives: imported };
  await writeFileAtomically(recordFile, JSON.stringify(record), 0o644);
  return imported.length === archives.length;
}

/** Without a whole record everything is imported again. */
async function importedBefore(file: string, logger: Logger): Promise<readonly unknown[]> {
  try {
    const record = await readRecord(file);
    const archives = record?.get('named') === 'by tag and digest' ? record.get('archives') : undefined;
    return Array.isArray(archives) ? (archives as unknown[]) : [];
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error;
    logger.warn({ path: file, err: error }, 'importing images again, their record is unreadable');
    return [];
  }
}

/** An import makes tags alone; a pull also makes NAME@DIGEST, by which pods may ask for the image. */
async function nameByDigest(ctr: Ctr, signal: AbortSignal): Promise<void> {
  const limit = { signal, timeoutMs: TAG_TIMEOUT_MS };
  for (const [tag, name] of digestNames(await ctr.images(['ls'], limit))) await ctr.images(['tag', tag, name], limit);
}

/** The tags in what `ctr images ls` prints that have no name by their digest yet, with that name. Pure. */
export function digestNames(listing: string): [tag: string, name: string][] {
  const images = listing.split('\n').flatMap((line): [string, string][] => {
    const [reference = '', , digest = ''] = line.split(/\s+/);
    return /^sha256:[0-9a-f]{64}$/.test(digest) ? [[reference, digest]] : [];
  });
  const known = new Set(images.map(([reference]) => reference));
  const wanted = new Map<string, string>();
  for (const [reference, digest] of images) {
    if (reference.includes('@') || reference.startsWith('sha256:')) continue;
    const name = `${reference.replace(/:[^:/]*$/, '')}@${digest}`;
    if (!known.has(name)) wanted.set(name, reference);
  }
  return [...wanted].map(([name, tag]) => [tag, name]);
}

async function listArchives(directory: string): Promise<Archive[]> {
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
