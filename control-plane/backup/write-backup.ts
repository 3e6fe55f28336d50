/** Makes the parts of a backup: header, files of the server, objects, manifest. */
import { createHash } from 'node:crypto';
import { namespaces } from '../../api/kinds/core/namespace.ts';
import { setOwn } from '../../api/machinery/own.ts';
import { kedgeVersion } from '../../api/version.ts';
import { StoredObjects } from '../apiserver/storage/cache/stored-objects.ts';
import { GROUPED_KEYS, upstreamKeys, type KeyLayout } from '../apiserver/catalogue/key-layout.ts';
import { writeArchive, type WriteOptions } from './archive/archive-file.ts';
import type { ArchiveEntry } from './archive/tar.ts';
import { FORMAT_VERSION, type BackupHeader, type BackupManifest, type PartSum } from './manifest.ts';
import { HEADER, MANIFEST, objectsPart } from './parts.ts';
import { encodeRecord, type StoredRecord } from './records.ts';
import { pagesOf, unlessCompacted, type Home, type RecordSource } from './store-pages.ts';

/** Objects are written in parts of about this size, which bounds what is in memory. */
const PART_BYTES = 4 * 2 ** 20;
const ENCRYPTED = Buffer.from('k8s:enc:');

export interface BackupFile {
  /** `pki/ca.key`, `settings/server.yaml` */
  readonly name: string;
  readonly content: Buffer;
}

export interface BackupContents {
  readonly source: RecordSource;
  readonly caHash: string;
  readonly files: readonly BackupFile[];
  /** Settings that are files, and are not among `files`. */
  readonly missing: readonly string[];
}

/** The keys of a home's objects. */
export const layoutOf = (home: Home, root: string): KeyLayout =>
  home === 'etcd' ? upstreamKeys(root.slice(0, -1)) : GROUPED_KEYS;

export const isEncryptedValue = (value: Buffer): boolean => value.subarray(0, ENCRYPTED.length).equals(ENCRYPTED);

/** `pods`, `deployments.apps` */
export function resourceName(layout: KeyLayout, key: string): string {
  const { group, plural } = layout.resourceIn(key);
  return group === '' ? plural : `${plural}.${group}`;
}

/** Throws BackupError, and what the store throws; then there is no file. */
export async function writeBackup(
  file: string,
  contents: BackupContents,
  options: WriteOptions,
): Promise<BackupManifest> {
  return unlessCompacted(async () => {
    const backup = new BackupWriter(contents, options);
    await writeArchive(file, backup.entries(), options);
    return backup.manifest();
  });
}

class BackupWriter {
  readonly #contents: BackupContents;
  readonly #header: BackupHeader;
  readonly #layout: KeyLayout;
  readonly #signal: AbortSignal;
  readonly #parts: PartSum[] = [];
  readonly #kinds = new Map<string, number>();
  readonly #clusterKey: string;
  #clusterId = '';
  #revision = 0;
  #objects = 0;
  #bytes = 0;
  #encryptedValues = 0;

  constructor(contents: BackupContents, { now, signal }: WriteOptions) {
    const { home, root } = contents.source;
    this.#contents = contents;
    this.#signal = signal;
    this.#layout = layoutOf(home, root);
    this.#clusterKey = `${this.#layout.prefixOf(namespaces)}kube-system`;
    this.#header = {
      formatVersion: FORMAT_VERSION,
      kedgeVersion,
      createdAt: new Date(now).toISOString(),
      caHash: contents.caHash,
      home,
      root,
    };
  }

  async *entries(): AsyncGenerator<ArchiveEntry> {
    yield this.#part({ name: HEADER, content: Buffer.from(JSON.stringify(this.#header)) });
    for (const file of this.#contents.files) yield this.#part(file);
    yield* this.#objectParts();
    yield { name: MANIFEST, content: Buffer.from(JSON.stringify(this.manifest(), undefined, 2)) };
  }

  async *#objectParts(): AsyncGenerator<ArchiveEntry> {
    let number = 0;
    let lines: Buffer[] = [];
    let bytes = 0;
    for await (const { revision, records } of pagesOf(this.#contents.source, this.#signal)) {
      this.#revision = revision;
      for (const record of records) {
        const line = encodeRecord(record);
        this.#count(record);
        lines.push(line);
        bytes += line.length;
        if (bytes < PART_BYTES) continue;
        yield this.#part({ name: objectsPart(++number), content: Buffer.concat(lines) });
        lines = [];
        bytes = 0;
      }
    }
    if (lines.length > 0) yield this.#part({ name: objectsPart(number + 1), content: Buffer.concat(lines) });
  }

  #count({ key, value }: StoredRecord): void {
    const resource = resourceName(this.#layout, key);
    this.#kinds.set(resource, (this.#kinds.get(resource) ?? 0) + 1);
    this.#objects++;
    this.#bytes += value.length;
    if (isEncryptedValue(value)) this.#encryptedValues++;
    else if (key === this.#clusterKey)
      this.#clusterId = new StoredObjects(namespaces).read(value).object.metadata?.uid ?? '';
  }

  #part(entry: ArchiveEntry): ArchiveEntry {
    this.#parts.push(sumOf(entry));
    return entry;
  }

  manifest(): BackupManifest {
    const kinds = {};
    for (const [name, count] of [...this.#kinds].sort(([a], [b]) => (a < b ? -1 : 1))) setOwn(kinds, name, count);
    return {
      ...this.#header,
      clusterId: this.#clusterId,
      revision: this.#revision,
      objects: this.#objects,
      bytes: this.#bytes,
      encryptedValues: this.#encryptedValues,
      kinds,
      missing: this.#contents.missing,
      parts: this.#parts,
    };
  }
}

export const sumOf = ({ name, content }: ArchiveEntry): PartSum => ({
  name,
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
});
