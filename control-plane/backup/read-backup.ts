/** Reads a backup from beginning to end, and checks all that it says of itself. */
import { readArchive } from './archive/archive-file.ts';
import type { BackupSecret } from './archive/envelope.ts';
import type { ArchiveEntry } from './archive/tar.ts';
import { BackupError } from './backup-error.ts';
import { readHeader, readManifest, type BackupHeader, type BackupManifest, type PartSum } from './manifest.ts';
import { HEADER, isFilePart, isObjectsPart, MANIFEST, MAX_PARTS, maxPartBytes, objectsPart } from './parts.ts';
import { decodeRecord, linesOf, type StoredRecord } from './records.ts';
import { sumOf } from './write-backup.ts';

/** Called in the order of the file, before the manifest has been compared: what is done must be undone when reading throws. */
export interface BackupVisitor {
  readonly header?: (header: BackupHeader) => void | Promise<void>;
  /** A file of the server. @param name as `pki/ca.key`, which can be used as a path */
  readonly file?: (name: string, content: Buffer) => void | Promise<void>;
  readonly records?: (records: readonly StoredRecord[]) => void | Promise<void>;
}

/** Throws BackupError, whose message names the file. */
export async function readBackup(
  file: string,
  secret: BackupSecret | undefined,
  visitor: BackupVisitor,
): Promise<BackupManifest> {
  const reading = new Reading(visitor);
  try {
    for await (const entry of readArchive(file, secret, maxPartBytes)) await reading.take(entry);
    return reading.end();
  } catch (error) {
    if (!(error instanceof BackupError) || error.message.startsWith(file)) throw error;
    throw new BackupError(`${file}: ${error.message}`, { cause: error });
  }
}

class Reading {
  readonly #visitor: BackupVisitor;
  readonly #parts: PartSum[] = [];
  readonly #names = new Set<string>();
  #header: BackupHeader | undefined;
  #manifest: BackupManifest | undefined;
  #objectParts = 0;
  #objects = 0;
  #bytes = 0;
  #lastKey = '';
  #lastRevision = 0;

  constructor(visitor: BackupVisitor) {
    this.#visitor = visitor;
  }

  async take(entry: ArchiveEntry): Promise<void> {
    const { name, content } = entry;
    if (this.#manifest || this.#names.has(name) || (name === HEADER) !== (this.#header === undefined))
      throw new BackupError(`the backup is damaged: its part ${name} is not where it belongs`);
    if (this.#names.size >= MAX_PARTS) throw new BackupError(`the backup has more than ${MAX_PARTS} parts`);
    this.#names.add(name);
    if (name === MANIFEST) {
      this.#manifest = readManifest(content);
      return;
    }
    this.#parts.push(sumOf(entry));
    if (name === HEADER) {
      this.#header = readHeader(content);
      await this.#visitor.header?.(this.#header);
    } else if (isFilePart(name)) await this.#visitor.file?.(name, content);
    else if (isObjectsPart(name)) await this.#takeObjects(name, content);
  }

  async #takeObjects(name: string, content: Buffer): Promise<void> {
    if (name !== objectsPart(++this.#objectParts)) throw new BackupError(`the backup lacks a part before ${name}`);
    const root = this.#header?.root ?? '';
    const records = Array.from(linesOf(content), decodeRecord);
    for (const { key, value, revision } of records) {
      // As stores order them: each is there once.
      if (!key.startsWith(root) || key.length === root.length || !this.#isAfter(this.#lastKey, key))
        throw new BackupError(`the backup is damaged: the key ${JSON.stringify(key)} is not where it belongs`);
      this.#lastKey = key;
      this.#lastRevision = Math.max(this.#lastRevision, revision);
      this.#objects++;
      this.#bytes += value.length;
    }
    await this.#visitor.records?.(records);
  }

  /** In the order of the store that it comes from: etcd's is that of bytes. */
  #isAfter(previous: string, key: string): boolean {
    if (this.#header?.home === 'embedded') return key > previous;
    return Buffer.compare(Buffer.from(key), Buffer.from(previous)) > 0;
  }

  end(): BackupManifest {
    const manifest = this.#manifest;
    if (!manifest) throw new BackupError('the backup is incomplete: it has no manifest');
    const { parts, objects, bytes, formatVersion, home, root, caHash, createdAt } = manifest;
    const header = this.#header;
    if (
      header?.formatVersion !== formatVersion ||
      header.home !== home ||
      header.root !== root ||
      header.caHash !== caHash ||
      header.createdAt !== createdAt
    )
      throw new BackupError('the backup is damaged: its header and its manifest differ');
    if (parts.length !== this.#parts.length) throw new BackupError('the backup does not have the parts that it lists');
    for (const [index, found] of this.#parts.entries()) {
      const listed = parts[index];
      if (listed?.name !== found.name || listed.bytes !== found.bytes || listed.sha256 !== found.sha256)
        throw new BackupError(`the backup is damaged: the SHA-256 of its part ${found.name} is another one`);
    }
    if (objects !== this.#objects || bytes !== this.#bytes)
      throw new BackupError(`the backup has ${this.#objects} objects, and lists ${objects}`);
    // Clients would be told that nothing has happened since.
    if (this.#lastRevision > manifest.revision)
      throw new BackupError('the backup is damaged: it has objects that are newer than its revision');
    return manifest;
  }
}
