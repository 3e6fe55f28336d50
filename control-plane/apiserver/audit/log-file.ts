/** The audit log as a file, a line per event: upstream's log backend, with rotation as its lumberjack does it. */
import { createReadStream, createWriteStream } from 'node:fs';
import { open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import type { AuditEvent } from './record.ts';
import type { AuditSink } from './sink.ts';

/**
 * How long lines wait for others. A write for each would cost more than to make the events; who kills the server loses as much as this, and
 * nothing when it is stopped.
 */
const GATHER_MS = 10;
/** Characters of lines that wait for a slow disk. Further ones are lost. */
const MAX_WAITING = 64 * 1024 * 1024;
/** A rotation that has failed is tried again after so long. Until then the file grows. */
const ROTATE_AGAIN_MS = 10_000;
const MODE = 0o600;
const DAY_MS = 24 * 3600 * 1000;

export interface AuditLogOptions {
  /** `-`: the standard output. */
  readonly path: string;
  /** A file does not grow beyond it; 0: there is no rotation. */
  readonly maxBytes: number;
  /** Rotated files that are kept; 0: all. */
  readonly maxBackups: number;
  /** For how long, in days; 0: for ever. */
  readonly maxAgeDays: number;
  readonly format: 'json' | 'legacy';
  /** Rotated files are compressed. */
  readonly compress: boolean;
  readonly logger: Logger;
  readonly now?: () => number;
}

/** One write at a time; what comes meanwhile is in the next one. */
export class AuditLog implements AuditSink {
  readonly name = 'log';
  readonly #options: AuditLogOptions;
  readonly #outage: Outage;
  readonly #now: () => number;
  #file: FileHandle | undefined;
  #size = 0;
  /** A device or a pipe is not rotated: /dev/null would be gone for all programs of the host. */
  #isRegular = true;
  #lines: string[] = [];
  #waiting = 0;
  #lost = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  /** A write has broken off within a line: the next begins with a new one. */
  #isTorn = false;
  #rotatedAt = 0;
  readonly #rotation: Outage;
  #rotateAgainAt = 0;
  /** What is being done about rotated files. */
  #tidying: Promise<void> = Promise.resolve();

  private constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#outage = new Outage({ logger: options.logger, level: 'error' });
    this.#rotation = new Outage({ logger: options.logger, level: 'error' });
    this.#now = options.now ?? Date.now;
  }

  /** Rejects when the file cannot be opened: a server that is to be audited does not start without. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const log = new AuditLog(options);
    await log.#open();
    return log;
  }

  get lost(): number {
    return this.#lost;
  }

  add(event: AuditEvent): void {
    const line = this.#options.format === 'json' ? event.json : event.legacy();
    if (this.#waiting + line.length > MAX_WAITING) {
      this.#lost++;
      this.#failed(new Error(`more than ${MAX_WAITING} characters are waiting to be written`));
      return;
    }
    this.#lines.push(line);
    this.#waiting += line.length;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#timer || this.#writing) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#write();
    }, GATHER_MS);
  }

  /** Never rejects. */
  #write(): Promise<void> {
    this.#writing = this.#writeLines().finally(() => {
      this.#writing = undefined;
      if (this.#lines.length > 0) this.#schedule();
    });
    return this.#writing;
  }

  async #writeLines(): Promise<void> {
    const lines = this.#lines;
    if (lines.length === 0) return;
    this.#lines = [];
    this.#waiting = 0;
    let failures = 0;
    for (const { bytes, lines: count } of this.#chunks(lines)) {
      try {
        await this.#append(bytes);
      } catch (error) {
        failures++;
        this.#lost += count;
        this.#failed(error);
      }
    }
    if (failures === 0) this.#outage.ended({ path: this.#options.path }, 'audit log is written again');
  }

  /** Lines as bytes, in pieces that fit into a file each. */
  *#chunks(lines: readonly string[]): Generator<{ readonly bytes: Buffer; readonly lines: number }> {
    const { maxBytes } = this.#options;
    const whole = Buffer.from(`${lines.join('\n')}\n`);
    if (maxBytes === 0 || whole.length <= maxBytes) yield { bytes: whole, lines: lines.length };
    // A line that is longer than a file has one of its own.
    else for (const line of lines) yield { bytes: Buffer.from(`${line}\n`), lines: 1 };
  }

  async #append(bytes: Buffer): Promise<void> {
    this.#file ??= await this.#open();
    if (this.#mustRotate(bytes.length)) await this.#rotate();
    if (this.#isTorn) await this.#writeAll(this.#file, Buffer.from('\n'));
    this.#isTorn = false;
    await this.#writeAll(this.#file, bytes);
  }

  #mustRotate(more: number): boolean {
    const { maxBytes, path: file } = this.#options;
    const isFull = maxBytes > 0 && this.#size > 0 && this.#size + more > maxBytes;
    return isFull && this.#isRegular && file !== '-' && this.#now() >= this.#rotateAgainAt;
  }

  async #writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await file.write(bytes, at);
      this.#size += bytesWritten;
      at += bytesWritten;
      this.#isTorn = at < bytes.length;
    }
  }

  async #open(): Promise<FileHandle> {
    const file = await open(this.#options.path === '-' ? '/dev/stdout' : this.#options.path, 'a', MODE);
    this.#file = file;
    const found = await file.stat();
    this.#size = found.size;
    this.#isRegular = found.isFile() && !this.#options.path.startsWith('/dev/');
    return file;
  }

  async #rotate(): Promise<void> {
    const { path: file, compress, logger } = this.#options;
    const { dir, name, ext } = path.parse(file);
    // Two in one millisecond must not have the same name.
    this.#rotatedAt = Math.max(this.#now(), this.#rotatedAt + 1);
    const stamp = new Date(this.#rotatedAt).toISOString().replaceAll(':', '-').slice(0, -1);
    const backup = path.join(dir, `${name}-${stamp}${ext}`);
    const before = this.#file;
    try {
      await rename(file, backup);
      await this.#open();
    } catch (error) {
      // What cannot be renamed can be written: no event is lost for it. A file that somebody has moved away is one that is not there.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return this.#reopen(before);
      this.#rotateAgainAt = this.#now() + ROTATE_AGAIN_MS;
      this.#rotation.failed(error, { path: file }, 'audit log cannot be rotated, and grows');
      return;
    }
    this.#rotation.ended({ path: file }, 'audit log is rotated again');
    await before?.close();
    // Neither has to be done for the next line to be written.
    const tidy = async (): Promise<void> => {
      if (compress) await compressFile(backup);
      await this.#removeOld();
    };
    this.#tidying = this.#tidying.then(tidy).catch((error: unknown) => {
      logger.error({ err: error, path: backup }, 'failed to look after rotated audit logs');
    });
  }

  async #reopen(before: FileHandle | undefined): Promise<void> {
    await this.#open();
    await before?.close();
  }

  async #removeOld(): Promise<void> {
    const { path: file, maxBackups, maxAgeDays } = this.#options;
    const { dir } = path.parse(file);
    const backups = backupsOf(file, await readdir(dir || '.'));
    const oldest = maxAgeDays > 0 ? this.#now() - maxAgeDays * DAY_MS : -Infinity;
    const excess = backups.filter(({ at }, index) => (maxBackups > 0 && index >= maxBackups) || at < oldest);
    await Promise.all(excess.map(({ name }) => rm(path.join(dir, name), { force: true })));
  }

  #failed(error: unknown): void {
    this.#outage.failed(error, { path: this.#options.path, lost: this.#lost }, 'audit events are lost');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#writing;
    await this.#writeLines();
    await this.#tidying;
    await this.#file?.close();
    this.#file = undefined;
  }
}

/** The rotated files among names, the latest first. */
export function backupsOf(file: string, names: readonly string[]): { readonly name: string; readonly at: number }[] {
  const { name: stem, ext } = path.parse(file);
  return names
    .flatMap((name) => {
      const plain = name.endsWith('.gz') ? name.slice(0, -3) : name;
      if (!plain.startsWith(`${stem}-`) || !plain.endsWith(ext)) return [];
      const stamp = plain.slice(stem.length + 1, plain.length - ext.length);
      const at = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}$/.test(stamp)
        ? Date.parse(`${stamp.replace(/T(\d\d)-(\d\d)-/, 'T$1:$2:')}Z`)
        : NaN;
      return Number.isNaN(at) ? [] : [{ name, at }];
    })
    .sort((a, b) => b.at - a.at);
}

async function compressFile(file: string): Promise<void> {
  const temporary = `${file}.gz.tmp`;
  try {
    await pipeline(createReadStream(file), createGzip(), createWriteStream(temporary, { mode: MODE }));
    await rename(temporary, `${file}.gz`);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await rm(file);
}
