import { statfsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, realpath, rename, rm, stat, truncate } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { lockDirectory } from './directory-lock.ts';
import { checkDataFile, FileDamagedError } from './file-check.ts';
import { RevisionLog } from './revision-log.ts';
import { StoreUnavailableError } from '../store.ts';

/** Marks a store and its format; without it a deleted data file would look like a new store. */
const MARKER_FILE = 'format';
const MARKER = 'kedge-store 1\n';
const DATA_FILE = 'data.mdb';
/** Only the server's user may access the directory. */
const DIRECTORY_MODE = 0o700;
/**
 * Bytes that must stay free on the disk besides the writes. A commit without enough space fails, but lmdb 3.5 then writes its
 * error text past the end of a 100-byte buffer (mdb_page_flush), so a commit must not run out of space.
 */
const RESERVE_BYTES = 8 * 2 ** 20;
/** The most space that a value takes, as a multiple of its size: its pages and those of the trees above it. */
const OVERHEAD = 2;
/** Prefix of directories in which the data file is rewritten. */
const COPY_PREFIX = 'compacted-';
const PROBE_FILE = 'probe';
const PROBE_BYTES = 4096;

/** LMDB error names that mean a damaged file. */
const DAMAGE = /MDB_(CORRUPTED|INVALID|PAGE_NOTFOUND|VERSION_MISMATCH|PANIC)/;
/** A directory that this process has exclusively opened as a store. */
export class DataDirectory {
  readonly path: string;
  readonly log: RevisionLog;
  readonly #lock: FileHandle;
  /** LMDB identifies an open file by its directory, so each copy needs a directory of its own while it is open. */
  #copies = 0;

  constructor(path: string, log: RevisionLog, lock: FileHandle) {
    this.path = path;
    this.log = log;
    this.#lock = lock;
  }

  get dataFile(): string {
    return join(this.path, DATA_FILE);
  }

  /** Returns the error for writes of this many bytes when the disk has too little space for them. */
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

  /** Tests whether the disk accepts a write, with a scratch file. */
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

  /** The operator's error for a failed write. */
  failure(cause: unknown): StoreUnavailableError {
    return new StoreUnavailableError(
      `the store failed to write to ${this.path}: ${messageOf(cause)}; check the disk: reads continue, and writes are retried`,
      { cause },
    );
  }

  /** The operator's error for data that is not what was written. */
  damaged(cause: unknown): StoreUnavailableError {
    return damaged(this.path, messageOf(cause), cause);
  }

  /**
   * Rewrites the data file without its free pages, replaces the old file and returns the new one opened. No write may run
   * meanwhile; reads continue on the given log, which the caller closes. A crash leaves either the old or the new file.
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

  /** Closes a log that has failed permanently and opens the files again. */
  async reopen(failed: RevisionLog): Promise<RevisionLog> {
    await failed.close();
    return openLog(this.path);
  }

  /** Closes the files and releases the lock. */
  async close(log: RevisionLog): Promise<void> {
    await log.close();
    await this.#lock.close();
  }
}

/** Whether the directory has a store, even a damaged one. */
export async function hasStore(path: string): Promise<boolean> {
  return (await contentOf(join(path, MARKER_FILE))) !== undefined || (await sizeOf(join(path, DATA_FILE))) > 0;
}

/** Opens and locks the directory. Throws StoreUnavailableError for every failure. */
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

/** Removes copies left by a process that crashed during a rewrite or had one open. */
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

/** Requires the lock: may write to the data file. */
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
 * Validates the data file before LMDB maps it: reading a mapped page beyond the end of the file kills the process. Returns
 * whether the file was shorter than its last page.
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
  // LMDB does not write free pages at the end, so a short file may be complete. It is extended with zeros, which LMDB and the
  // checksums distinguish from data.
  if (size >= needed) return false;
  await truncate(dataPath, needed);
  return true;
}

/** The file size that LMDB needs to map the file. */
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

/** Reads all data, when the file may be incomplete. */
function verify(path: string, log: RevisionLog): void {
  try {
    for (const { type, revision } of log.entries(1, log.lastRevision)) if (type === 'put') log.value(revision);
  } catch (error) {
    throw damaged(path, messageOf(error), error);
  }
}

/**
 * Written once and atomically, so that a store also opens on a full disk. A first start that was killed leaves a data file
 * without entries; entries without a marker mean that the directory was copied or deleted in part.
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
  // A power failure must not lose the marker but keep entries.
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
