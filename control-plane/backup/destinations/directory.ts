/** Backups in a directory. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { statIfThere, syncDirectory } from '../archive/archive-file.ts';
import { BackupError } from '../backup-error.ts';
import { oldestFirst, storedBackup, type Destination, type StoredBackup } from './destination.ts';

export class DirectoryDestination implements Destination {
  readonly where: string;

  constructor(directory: string) {
    this.where = path.resolve(directory);
  }

  async list(): Promise<readonly StoredBackup[]> {
    const found: StoredBackup[] = [];
    for (const name of await this.#names()) {
      const backup = storedBackup(name, 0);
      const file = backup && (await statIfThere(path.join(this.where, name)));
      if (backup && file?.isFile()) found.push({ ...backup, bytes: file.size });
    }
    return oldestFirst(found);
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.where);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw new BackupError(`failed to read ${this.where}: ${(error as Error).message}`, { cause: error });
    }
  }

  async save(name: string, write: (file: string) => Promise<void>): Promise<void> {
    try {
      await mkdir(this.where, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new BackupError(`failed to make ${this.where}: ${(error as Error).message}`, { cause: error });
    }
    await write(path.join(this.where, name));
  }

  use<T>(name: string, use: (file: string) => Promise<T>): Promise<T> {
    return use(path.join(this.where, name));
  }

  async delete(name: string): Promise<void> {
    await rm(path.join(this.where, name), { force: true });
    await syncDirectory(this.where);
  }
}
