/**
 * The files of a folder, read again when they change. Neither the folder nor a file in it can end this: what cannot be read now
 * is read later.
 */
import { constants, watch } from 'node:fs';
import { mkdir, open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../client/logger.ts';
import { hasCode } from '../host/files.ts';

export interface ManifestFile {
  readonly path: string;
  /** Or why there is none. */
  readonly text: string | Error;
}

/** An editor writes a file in several steps. */
const SETTLE_MS = 100;
/** kubelet's `fileCheckFrequency`. Events tell neither of what links point to, nor of changes elsewhere in a network's folder. */
const REREAD_MS = 20_000;
/** A folder that is not there is looked for this often. */
const ABSENT_MS = 1_000;
/** As with the kubelet. */
const MAX_BYTES = 10 * 1024 * 1024;

export class ManifestFolder {
  readonly #directory: string;
  readonly #logger: Logger;
  /** The failure that has been told of: the same again is not worth a line. */
  #told: string | undefined;

  constructor(directory: string, logger: Logger) {
    this.#directory = directory;
    this.#logger = logger;
  }

  /** Hands over all files in order of their names, at first and after each change. A folder that is not there has none. */
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

  /** The watch begins at once, before the folder is read, and anew each time: it ends with the folder that it was set on. */
  async #nextChange(signal: AbortSignal): Promise<void> {
    const changed = Promise.withResolvers<void>();
    const end = new AbortController();
    const ends = AbortSignal.any([signal, end.signal]);
    let limitMs = REREAD_MS;
    try {
      const watcher = watch(this.#directory, { signal: ends }, () => changed.resolve());
      watcher.on('error', () => changed.resolve());
    } catch (error) {
      // Instances of inotify are few (128 for root by default), and pods take them too: without one, time alone tells.
      this.#tell(error as Error);
      if (hasCode(error, 'ENOENT')) limitMs = ABSENT_MS;
    }
    await Promise.race([changed.promise, sleep(limitMs, undefined, { signal: ends }).catch(() => undefined)]);
    end.abort();
  }

  async #read(): Promise<ManifestFile[]> {
    const files: ManifestFile[] = [];
    for (const name of await namesIn(this.#directory)) {
      const file = path.join(this.#directory, name);
      const text = await textOf(file).catch((error: unknown) => error as Error);
      if (text !== undefined) files.push({ path: file, text });
    }
    return files;
  }

  async #trying<T>(act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (error) {
      this.#tell(error as Error);
      return undefined;
    }
  }

  #tell({ message }: Error): void {
    if (message !== this.#told)
      this.#logger.warn({ directory: this.#directory, err: message }, 'static pods may come late');
    this.#told = message;
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => !name.startsWith('.')).sort();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Follows links, as the kubelet does: manifests may be links into a checkout. Undefined for what is gone or a folder. */
async function textOf(file: string): Promise<string | undefined> {
  try {
    // A pipe without a writer would hold up the opening.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const found = await handle.stat();
      if (found.isDirectory()) return undefined;
      if (!found.isFile()) throw new Error('not a regular file');
      if (found.size > MAX_BYTES) throw new Error(`longer than ${MAX_BYTES} bytes`);
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
