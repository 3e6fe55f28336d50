import { statfsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, realpath, rename, rm, stat, truncate } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { lockDirectory } from './directory-lock.ts';
import { checkDataFile, FileDamagedError } from './file-check.ts';
import { RevisionLog } from './revision-log.ts';
import { StoreUnavailableError } from '../store.ts';

/** Says that there is a store here, and of which format; without it an emptied data file would pass for a new store. */
const MARKER_FILE = 'format';
const MARKER = 'kedge-store 1\n';
const DATA_FILE = 'data.mdb';
/** Only the server's user may look into the directory. */
const DIRECTORY_MODE = 0o700;
/**
 * What must stay free, in bytes, besides room for the writes. A commit on a disk without room fails too, but lmdb 3.5 writes
 * its error text past the end of a buffer of 100 bytes then (mdb_page_flush), so it is not let come to that.
 */
const RESERVE_BYTES = 8 * 2 ** 20;
/** Pages that a value takes at most, and those of the trees above it, in parts of the value's size. */
const OVERHEAD = 2;
/** Directories in which a data file is made anew. */
const COPY_PREFIX = 'compacted-';
const PROBE_FILE = 'probe';
const PROBE_BYTES = 4096;

/** LMDB's words for a file that is not what it wrote. */
const DAMAGE = /MDB_(CORRUPTED|INVALID|PAGE_NOTFOUND|VERSION_MISMATCH|PANIC)/;
/** A directory that this process alone has open as a store. */
export class DataDirectory {
  readonly path: string;
  readonly log: RevisionLog;
  readonly #lock: FileHandle;
  /** LMDB knows an open file by its directory, so that each copy has one of its own for as long as it is open. */
  #copies = 0;

  constructor(path: string, log: RevisionLog, lock: FileHandle) {
    this.path = path;
    this.log = log;
    this.#lock = lock;
  }

  get dataFile(): string {
    return join(this.path, DATA_FILE);
  }

  /** The error to give to writes of so many bytes when the disk has no room for them. */
  fullFor(bytes: number): StoreUnavailableError | undefined {
    let free: number;
    try {
      const { bavail, bsize } = statfsSync(this.path);
      free = bavail * bsize;
    } catch (error) {
      return this.failure(error);
    }
    const missing = RESERVE_BYTES + OVERHEAD * bytes - free;
    if (missing <= 0) return undefined;
    return new StoreUnavailableError(
      `the disk of ${this.path} is full: free at least ${Math.ceil(missing / 2 ** 20)} MiB there; ` +
        'reads continue, and writes resume as soon as there is room',
    );
  }

  /** Whether the disk takes a write at all, tried on a file that nothing depends on. */
  async tryWrite(): Promise<StoreUnavailableError | undefined> {
    const probe = join(this.path, PROBE_FILE);
    try {
      const file = await open(probe, 'w', 0o600);
      try {
        await file.writeFile(Buffer.alloc(PROBE_BYTES));
        await file.sync();
      } finally {
        await file.close();
      }
      await rm(probe);
      return undefined;
    } catch (error) {
      return this.failure(error);
    }
  }

  /** Says what a failed write means to the operator. */
  failure(cause: unknown): StoreUnavailableError {
    return new StoreUnavailableError(
      `the store failed to write to ${this.path}: ${messageOf(cause)}; check the disk: reads continue, and writes are retried`,
      { cause },
    );
  }

  /** Says that what is on disk is not what was written. */
  damaged(cause: unknown): StoreUnavailableError {
    return damaged(this.path, messageOf(cause), cause);
  }

  /**
   * Puts a data file without the free pages in the place of the present one, and returns it opened. Nothing may be written
   * meanwhile; reads go on, of the log that is handed in, which the caller closes. Whenever the process ends in the middle, one
   * whole file is there.
   */
  async compact(log: RevisionLog): Promise<RevisionLog> {
    const { usedBytes } = log.usage;
    const full = this.fullFor(usedBytes);
    if (full) throw full;
    const copy = join(this.path, `${COPY_PREFIX}${++this.#copies}`);
    const copiedFile = join(copy, DATA_FILE);
    await mkdir(copy, { mode: DIRECTORY_MODE });
    let compacted: RevisionLog | undefined;
    try {
      compacted = await log.copyTo(copy);
      await sync(copiedFile);
      await rename(copiedFile, this.dataFile);
      await sync(this.path);
      return compacted;
    } catch (error) {
      await compacted?.close();
      await rm(copy, { recursive: true });
      throw error;
    }
  }

  /** Closes what has failed for good and opens the files again. */
  async reopen(failed: RevisionLog): Promise<RevisionLog> {
    await failed.close();
    return openLog(this.path);
  }

  /** Closes the files and lets other processes have the directory. */
  async close(log: RevisionLog): Promise<void> {
    await log.close();
    await this.#lock.close();
  }
}

/** Whether a store has been made there, be it whole or not. */
export async function hasStore(path: string): Promise<boolean> {
  return (await contentOf(join(path, MARKER_FILE))) !== undefined || (await sizeOf(join(path, DATA_FILE))) > 0;
}

/** Throws StoreUnavailableError, whatever the reason is. */
export async function openDataDirectory(path: string): Promise<DataDirectory> {
  try {
    await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
    const directory = await realpath(path);
    const lock = await lockDirectory(directory);
    try {
      await removeCopies(directory);
      return new DataDirectory(directory, await openLog(directory), lock);
    } catch (error) {
      await lock.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof StoreUnavailableError) throw error;
    throw new StoreUnavailableError(`failed to open the store in ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** What is left of copies when a process ended in the middle, or had one open. */
async function removeCopies(path: string): Promise<void> {
  for (const name of await readdir(path))
    if (name.startsWith(COPY_PREFIX)) await rm(join(path, name), { recursive: true });
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Only for whoever has the directory locked: the data file may be written to. */
async function openLog(path: string): Promise<RevisionLog> {
  const short = await checkFiles(path);
  const log = await openFiles(path);
  try {
    if (short) verify(path, log);
    await ensureMarker(path, log);
    return log;
  } catch (error) {
    await log.close();
    throw error;
  }
}

async function openFiles(path: string): Promise<RevisionLog> {
  try {
    return await RevisionLog.open(path);
  } catch (error) {
    if (DAMAGE.test(messageOf(error))) throw damaged(path, messageOf(error), error);
    throw error;
  }
}

/**
 * Looks at the data file before LMDB maps it: reading a mapped page that is not there kills the process. Says whether the
 * file was shorter than its last page.
 */
async function checkFiles(path: string): Promise<boolean> {
  const marker = await contentOf(join(path, MARKER_FILE));
  const dataPath = join(path, DATA_FILE);
  const size = await sizeOf(dataPath);
  if (marker !== undefined && marker !== MARKER) {
    throw new StoreUnavailableError(
      `${path} has a store of another format (${marker.trim()}): use the version that created it`,
    );
  }
  if (marker === undefined && size === 0) return false;
  if (size === 0) throw damaged(path, `${DATA_FILE} is empty or gone`);
  const needed = await neededBytes(path, dataPath, size);
  // LMDB leaves free pages at the end unwritten, so a short file may be whole. The pages that are missing are made zeros,
  // which LMDB and the checksums tell from data.
  if (size >= needed) return false;
  await truncate(dataPath, needed);
  return true;
}

/** How long the file must be to be mapped. */
async function neededBytes(path: string, dataPath: string, size: number): Promise<number> {
  const file = await open(dataPath, 'r');
  try {
    return checkDataFile(file.fd, size);
  } catch (error) {
    if (error instanceof FileDamagedError) throw damaged(path, `${DATA_FILE}: ${error.message}`, error);
    throw error;
  } finally {
    await file.close();
  }
}

/** Reads everything, where there is reason to doubt that it is all there. */
function verify(path: string, log: RevisionLog): void {
  try {
    for (const { type, revision } of log.entries(1, log.lastRevision)) if (type === 'put') log.value(revision);
  } catch (error) {
    throw damaged(path, messageOf(error), error);
  }
}

/**
 * Written once, whole or not at all, so that a store opens on a full disk too. A start that was killed before leaves a data file
 * without entries; entries without a marker are what somebody has copied or deleted a part of.
 */
async function ensureMarker(path: string, log: RevisionLog): Promise<void> {
  const marker = join(path, MARKER_FILE);
  if ((await contentOf(marker)) !== undefined) return;
  if (log.lastRevision > 0) throw damaged(path, `its file "${MARKER_FILE}" is gone, which says what ${DATA_FILE} is`);
  const file = await open(`${marker}.new`, 'w', 0o600);
  try {
    await file.writeFile(MARKER);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${marker}.new`, marker);
  // A power failure must not take it back while it keeps entries.
  await sync(path);
}

async function contentOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(ifGone);
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(ifGone))?.size ?? 0;
}

function ifGone(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function damaged(path: string, what: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    `the store in ${path} is damaged: ${what}; restore the directory from a backup, or move it away to start empty`,
    { cause },
  );
}
