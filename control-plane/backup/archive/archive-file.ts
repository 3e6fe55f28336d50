/** A file of entries: a tar, compressed by zstd, and encrypted where there is a secret. Written as a whole or not at all. */
import { randomBytes } from 'node:crypto';
import { constants, createReadStream, type Stats } from 'node:fs';
import { lstat, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants as zlib, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { BackupError, writeFailure } from '../backup-error.ts';
import { decrypt, encrypt, ENCRYPTED_MAGIC, type BackupSecret } from './envelope.ts';
import { readTar, writeTar, type ArchiveEntry } from './tar.ts';

const FILE_MODE = 0o600;
const TEMPORARY = /^\.kedge-backup-[0-9a-f]{8}\.tmp$/;
/** Another process may be writing a younger one. */
const ABANDONED_AFTER_MS = 24 * 3600_000;
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
/** Objects of a cluster are seldom compressed to a fiftieth. A file that claims far more is made to fill memory or disk. */
const MAX_RATIO = 1000;
const RATIO_FROM_BYTES = 64 * 2 ** 20;

export interface WriteOptions {
  readonly secret: BackupSecret | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly signal: AbortSignal;
}

/**
 * Writes a new file. It has its name only when all of it is on disk, and a crash leaves nothing under that name. Throws BackupError
 * when the name is taken or the disk is full, and what the entries throw.
 */
export async function writeArchive(
  file: string,
  entries: AsyncIterable<ArchiveEntry>,
  { secret, now, signal }: WriteOptions,
): Promise<void> {
  const directory = path.dirname(file);
  const temporary = path.join(directory, `.kedge-backup-${randomBytes(4).toString('hex')}.tmp`);
  try {
    await removeAbandoned(directory, now);
    const handle = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, FILE_MODE);
    try {
      await handle.chmod(FILE_MODE);
      const compressed = createZstdCompress({ params: { [zlib.ZSTD_c_checksumFlag]: 1 } });
      await pipeline(
        Readable.from(writeTar(entries, now), { objectMode: false }),
        compressed,
        (stream: AsyncIterable<Buffer>) => (secret ? encrypt(stream, secret) : stream),
        (stream: AsyncIterable<Buffer>) => appendAll(handle, stream),
        { signal },
      );
      await handle.sync();
    } finally {
      await handle.close();
    }
    await mustNotExist(file);
    await rename(temporary, file);
    await syncDirectory(directory);
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeFailure(directory, error);
  }
}

async function appendAll(handle: FileHandle, stream: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of stream) await handle.appendFile(chunk);
}

async function mustNotExist(file: string): Promise<void> {
  if (await statIfThere(file)) throw new BackupError(`${file} exists already`);
}

/** Of the name itself, and not of what a link leads to. Undefined for what another process has removed meanwhile. */
export async function statIfThere(file: string): Promise<Stats | undefined> {
  try {
    return await lstat(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What was left by processes that were killed. */
async function removeAbandoned(directory: string, now: number): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!TEMPORARY.test(name)) continue;
    const file = path.join(directory, name);
    const found = await statIfThere(file);
    if (found && now - found.mtimeMs > ABANDONED_AFTER_MS) await rm(file, { force: true });
  }
}

/** Throws BackupError for a file that is no backup. */
export async function isEncrypted(file: string): Promise<boolean> {
  const handle = await openBackup(file);
  try {
    const start = Buffer.alloc(ENCRYPTED_MAGIC.length);
    await handle.read(start, 0, start.length, 0);
    if (start.equals(ENCRYPTED_MAGIC)) return true;
    if (start.subarray(0, ZSTD_MAGIC.length).equals(ZSTD_MAGIC)) return false;
    throw new BackupError(`${file} is no backup of kedge`);
  } finally {
    await handle.close();
  }
}

async function openBackup(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r');
  } catch (error) {
    // Node.js ends the message with the system call and the path.
    const why = (error as Error).message.replace(/, open .*$/s, '');
    throw new BackupError(`${file} cannot be opened: ${why}`, { cause: error });
  }
}

/**
 * The entries of a file, one at a time. Throws BackupError, at the latest after the last entry, when the file is not exactly what was
 * written. @param maxBytes as of `readTar`
 */
export async function* readArchive(
  file: string,
  secret: BackupSecret | undefined,
  maxBytes: (name: string) => number | undefined,
): AsyncGenerator<ArchiveEntry> {
  const encrypted = await isEncrypted(file);
  if (encrypted && !secret) throw new BackupError(`${file} is encrypted: give --key-file or --passphrase-file`);
  // Whoever can write where backups are kept could put one of their own there, with keys that they have.
  if (!encrypted && secret)
    throw new BackupError(
      `${file} is not encrypted, but a key or passphrase is given: it may not be what was saved. If you trust it, give --key-file ''`,
    );
  const { size } = await stat(file);
  const source: AsyncIterable<Buffer> = createReadStream(file);
  const compressed = secret ? decrypt(source, secret) : source;
  const stream = createZstdDecompress();
  const reading = pipeline(Readable.from(compressed, { objectMode: false }), stream);
  // Its failure is that of the stream, which is read below.
  reading.catch(() => undefined);
  try {
    yield* readTar(bounded(stream as AsyncIterable<Buffer>, size), maxBytes);
    await reading;
  } catch (error) {
    const why = error instanceof BackupError ? error.message : `the backup is damaged: ${(error as Error).message}`;
    throw new BackupError(`${file}: ${why}`, { cause: error });
  } finally {
    stream.destroy();
  }
}

async function* bounded(stream: AsyncIterable<Buffer>, fileBytes: number): AsyncGenerator<Buffer> {
  const limit = Math.max(RATIO_FROM_BYTES, fileBytes * MAX_RATIO);
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > limit) throw new BackupError('the backup unpacks to far more than any does: it is not read further');
    yield chunk;
  }
}
