/** Reads all of a backup: sums, order and counts, and every object as the server would read it. */
import { isJsonObject, own } from '../../api/machinery/own.ts';
import { cachedKind } from '../../api/machinery/stored-as.ts';
import { kinds } from '../../api/registry.ts';
import type { KeyLayout } from '../apiserver/catalogue/key-layout.ts';
import { StoredObjects } from '../apiserver/storage/cache/stored-objects.ts';
import { readEncryptionConfiguration } from '../store/encrypted/configuration.ts';
import { Transformers } from '../store/encrypted/transformers.ts';
import type { BackupSecret } from './archive/envelope.ts';
import { BackupError } from './backup-error.ts';
import type { BackupManifest } from './manifest.ts';
import { readBackup } from './read-backup.ts';
import type { StoredRecord } from './records.ts';
import { isEncryptedValue, layoutOf } from './write-backup.ts';

export interface Verified {
  readonly manifest: BackupManifest;
  /** Objects that have been decoded. */
  readonly decoded: number;
  /** Values that are encrypted, and stayed so without an EncryptionConfiguration. */
  readonly sealed: number;
}

/** @param encryption the text of an EncryptionConfiguration that reads encrypted values. Throws BackupError. */
export async function verifyBackup(
  file: string,
  secret: BackupSecret | undefined,
  encryption?: string,
): Promise<Verified> {
  let decoder: Decoder | undefined;
  const manifest = await readBackup(file, secret, {
    header: ({ home, root }) => {
      decoder = new Decoder(layoutOf(home, root), encryption);
    },
    records: (records) => decoder?.decode(records),
  });
  const pki = new Set(manifest.parts.map(({ name }) => name));
  for (const name of ['pki/ca.crt', 'pki/ca.key', 'pki/sa.key'])
    if (!pki.has(name)) throw new BackupError(`${file}: the backup lacks ${name}: no cluster can be restored from it`);
  return { manifest, decoded: decoder?.decoded ?? 0, sealed: decoder?.sealed ?? 0 };
}

const builtIn = new Map(
  kinds.filter((kind) => cachedKind(kind) === kind).map((kind) => [`${kind.group}/${kind.plural}`, kind] as const),
);

class Decoder {
  decoded = 0;
  sealed = 0;
  readonly #keys: KeyLayout;
  readonly #transformers: Transformers | undefined;
  readonly #readers = new Map<string, StoredObjects>();

  constructor(keys: KeyLayout, encryption: string | undefined) {
    this.#keys = keys;
    if (encryption !== undefined)
      this.#transformers = new Transformers(readEncryptionConfiguration(encryption).resources ?? [], keys);
  }

  decode(records: readonly StoredRecord[]): void {
    for (const { key, value } of records) {
      try {
        this.#decode(key, value);
      } catch (error) {
        throw new BackupError(`the object at ${key} cannot be read: ${(error as Error).message}`, { cause: error });
      }
    }
  }

  #decode(key: string, stored: Buffer): void {
    if (isEncryptedValue(stored) && !this.#transformers) {
      this.sealed++;
      return;
    }
    const value = this.#transformers ? this.#transformers.of(key).decrypt(key, stored).value : stored;
    const prefix = this.#keys.prefixIn(key);
    const { group, plural } = this.#keys.resourceIn(key);
    const kind = builtIn.get(`${group}/${plural}`);
    const reader = kind && this.#readerOf(`${group}/${plural}`, () => new StoredObjects(kind));
    const object: unknown = reader ? reader.read(value).object : JSON.parse(value.toString());
    const metadata = isJsonObject(object) ? own(object, 'metadata') : undefined;
    // What is stored beside objects, as the allocated ports, is not named.
    if (prefix !== '' && (kind || group.includes('.'))) {
      const name = isJsonObject(metadata) ? own(metadata, 'name') : undefined;
      if (typeof name !== 'string' || !key.endsWith(`/${name}`)) throw new Error('it has another name');
    }
    this.decoded++;
  }

  #readerOf(resource: string, make: () => StoredObjects): StoredObjects {
    const known = this.#readers.get(resource);
    if (known) return known;
    const made = make();
    this.#readers.set(resource, made);
    return made;
  }
}
