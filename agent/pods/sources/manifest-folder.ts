/**
 * The files of a directory, read again when they change. Failures of the directory or a file never end the loop: what cannot be
 * read now is read later.
 */
import { watch } from 'node:fs';
import { mkdir, readdir, readlink } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withDeadline } from '../../../client/deadline.ts';
import type { Logger } from '../../../client/logger.ts';
import { hasCode } from '../../host/files.ts';
import { readRegularFile } from '../../host/regular-file.ts';

export interface ManifestFile {
  readonly path: string;
  /** Or why it could not be read. */
  readonly text: string | Error;
}

/** An editor writes a file in several steps. */
const SETTLE_MS = 100;
/** How often a missing directory is checked. */
const ABSENT_MS = 1_000;
/** As with the kubelet. */
const MAX_BYTES = 10 * 1024 * 1024;
/** A link may lead to a network file system that does not respond. */
const READ_LIMIT_MS = 5_000;
/** Hidden files as with the kubelet, and those in which Emacs saves what is being edited: they would come before the original. */
const PASSED_OVER = /^[.#]/;

export interface ManifestFolderOptions {
  readonly directory: string;
  /**
   * The directory is read again after this: inotify reports neither changes of link targets, nor changes that other hosts make
   * to a network file system.
   */
  readonly rereadMs: number;
  readonly logger: Logger;
}

export class ManifestFolder {
  readonly #directory: string;
  readonly #rereadMs: number;
  readonly #logger: Logger;
  /** The failure that was logged last, to log it once. */
  #logged: string | undefined;
  /** Dangling links that have been logged. */
  #dangling: ReadonlySet<string> = new Set();
  /** Pending reads, which may never end: there is one at most per file. */
  readonly #reads = new Map<string, Promise<Buffer>>();

  constructor({ directory, rereadMs, logger }: ManifestFolderOptions) {
    this.#directory = directory;
    this.#rereadMs = rereadMs;
    this.#logger = logger;
  }

  /** Passes all files in order of their names to `read`, at first and after each change. A missing directory has none. */
  async run(read: (files: readonly ManifestFile[]) => void | Promise<void>, signal: AbortSignal): Promise<void> {
    await this.#trying(() => mkdir(this.#directory, { recursive: true }));
    while (!signal.aborted) {
      const change = this.#nextChange(signal);
      const files = await this.#trying(() => this.#read());
      if (files) await read(files);
      await change;
      await sleep(SETTLE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Watches from now on, before the directory is read, with a new watch each time: it ends with its directory. */
  async #nextChange(signal: AbortSignal): Promise<void> {
    const changed = Promise.withResolvers<void>();
    const end = new AbortController();
    const ends = AbortSignal.any([signal, end.signal]);
    let limitMs = this.#rereadMs;
    try {
      const watcher = watch(this.#directory, { signal: ends }, () => changed.resolve());
      watcher.on('error', () => changed.resolve());
    } catch (error) {
      // inotify instances are limited (128 for root by default) and pods use them, too: without one, the directory is polled.
      this.#failed(error as Error, 'failed to watch static pod directory, reading it periodically');
      if (hasCode(error, 'ENOENT')) limitMs = ABSENT_MS;
    }
    await Promise.race([changed.promise, sleep(limitMs, undefined, { signal: ends }).catch(() => undefined)]);
    end.abort();
  }

  async #read(): Promise<ManifestFile[]> {
    const files: ManifestFile[] = [];
    const dangling = new Set<string>();
    for (const { name, isLink } of await entriesIn(this.#directory)) {
      const file = path.join(this.#directory, name);
      try {
        files.push({ path: file, text: (await this.#contentOf(file)).toString('utf8') });
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) files.push({ path: file, text: unreadable(error as Error) });
        else if (isLink) dangling.add(file);
      }
    }
    for (const file of dangling) if (!this.#dangling.has(file)) await this.#logDangling(file);
    this.#dangling = dangling;
    return files;
  }

  async #logDangling(file: string): Promise<void> {
    const target = await readlink(file).catch((error: Error) => error.message);
    const err = new Error(`broken symbolic link: its target ${target} does not exist`);
    this.#logger.error({ file, err }, 'static pod manifest rejected');
  }

  #contentOf(file: string): Promise<Buffer> {
    const reading = this.#reads.get(file) ?? readRegularFile(file, MAX_BYTES);
    if (!this.#reads.has(file)) {
      this.#reads.set(file, reading);
      void reading.catch(() => undefined).finally(() => this.#reads.delete(file));
    }
    return withDeadline({ what: 'reading', limitMs: READ_LIMIT_MS }, () => reading);
  }

  async #trying<T>(act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (error) {
      this.#failed(error as Error, 'failed to read static pod directory, retrying');
      return undefined;
    }
  }

  #failed(error: Error, message: string): void {
    if (error.message !== this.#logged) this.#logger.warn({ directory: this.#directory, err: error }, message);
    this.#logged = error.message;
  }
}

const unreadable = (cause: Error): Error => new Error(`cannot read the file: ${cause.message}`, { cause });

interface Entry {
  readonly name: string;
  readonly isLink: boolean;
}

async function entriesIn(directory: string): Promise<Entry[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory() && !PASSED_OVER.test(entry.name))
      .map((entry) => ({ name: entry.name, isLink: entry.isSymbolicLink() }))
      .sort(({ name: one }, { name: other }) => (one < other ? -1 : 1));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
