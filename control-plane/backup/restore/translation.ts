/** From what is stored in one home to what is stored in another: keys, encryption, times to live. Pure but for ciphers. */
import { events } from '../../../api/kinds/core/event.ts';
import { isJsonObject, own } from '../../../api/machinery/own.ts';
import { cachedKind } from '../../../api/machinery/stored-as.ts';
import { kinds } from '../../../api/registry.ts';
import { DEFAULT_EVENT_TTL_MS } from '../../apiserver/storage/event-expiry.ts';
import { StoredObjects } from '../../apiserver/storage/cache/stored-objects.ts';
import type { KeyLayout } from '../../apiserver/catalogue/key-layout.ts';
import { readEncryptionConfiguration } from '../../store/encrypted/configuration.ts';
import { Transformers } from '../../store/encrypted/transformers.ts';
import { BackupError } from '../backup-error.ts';
import type { StoredRecord } from '../records.ts';
import type { Home } from '../store-pages.ts';
import { isEncryptedValue, layoutOf } from '../write-backup.ts';

export interface Place {
  readonly home: Home;
  readonly root: string;
}

export interface Translated {
  readonly key: string;
  /** To be stored. */
  readonly value: Buffer;
  /** As it is to be read again through the encryption. */
  readonly plain: Buffer;
  /** Of events, for stores that delete them. */
  readonly ttlMs?: number;
}

/** What is copied is still there when it is compared. */
const MIN_TTL_MS = 10 * 60_000;
/** Events that expire about together share a lease. */
const TTL_STEP_MS = 5 * 60_000;

const builtIn = new Map(
  kinds.filter((kind) => cachedKind(kind) === kind).map((kind) => [`${kind.group}/${kind.plural}`, kind] as const),
);

export class Translation {
  readonly #from: Place;
  readonly #to: Place;
  readonly #fromKeys: KeyLayout;
  readonly #toKeys: KeyLayout;
  readonly #decryption: Transformers | undefined;
  readonly #encryption: Transformers | undefined;
  readonly #now: number;
  readonly #events = new StoredObjects(events);

  /** @param configuration the text of the EncryptionConfiguration that both homes are used with. Throws SettingValueError. */
  constructor(from: Place, to: Place, configuration: string | undefined, now: number) {
    this.#from = from;
    this.#to = to;
    this.#fromKeys = layoutOf(from.home, from.root);
    this.#toKeys = layoutOf(to.home, to.root);
    this.#now = now;
    if (configuration === undefined) return;
    const { resources = [] } = readEncryptionConfiguration(configuration);
    this.#decryption = new Transformers(resources, this.#fromKeys);
    this.#encryption = new Transformers(resources, this.#toKeys);
  }

  /** Throws BackupError for a value that cannot be decrypted, and would have to be. */
  of({ key, value }: StoredRecord): Translated {
    const newKey = this.keyOf(key);
    const plain = this.#decrypted(key, value, newKey);
    const stored = this.#encryption ? this.#encryption.of(newKey).encrypt(newKey, plain) : plain;
    const { group, plural } = this.#fromKeys.resourceIn(key);
    const isEvent = group === events.group && plural === events.plural;
    return { key: newKey, value: stored, plain, ...(isEvent && { ttlMs: this.#ttlOf(plain) }) };
  }

  #decrypted(key: string, value: Buffer, newKey: string): Buffer {
    try {
      if (this.#decryption) return this.#decryption.of(key).decrypt(key, value).value;
    } catch (error) {
      throw new BackupError(
        `${key} cannot be decrypted with the EncryptionConfiguration: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
    if (key !== newKey && isEncryptedValue(value))
      throw new BackupError(`${key} is encrypted, and has another key there: encryption-provider-config is needed`);
    return value;
  }

  /** The value in the target, as it is read through the encryption. Throws what the cipher throws. */
  read(key: string, stored: Buffer): Buffer {
    return this.#encryption ? this.#encryption.of(key).decrypt(key, stored).value : stored;
  }

  keyOf(key: string): string {
    const { root } = this.#to;
    const rest = key.slice(this.#from.root.length);
    if (this.#from.home === this.#to.home) return root + rest;
    const prefix = this.#fromKeys.prefixIn(key);
    const resource = this.#fromKeys.resourceIn(key);
    const kind = builtIn.get(`${resource.group}/${resource.plural}`);
    // What is no object, such as the allocated ports, has one key everywhere.
    if (prefix === '' || (!kind && !resource.group.includes('.'))) return root + rest;
    const { group, plural } = resource;
    const target = kind ? this.#toKeys.prefixOf(kind) : `${root}${group}/${plural}/`;
    return target + key.slice(prefix.length);
  }

  /** What is left of the hour, in milliseconds. */
  #ttlOf(event: Buffer): number {
    const ageMs = this.#now - lastSeen(this.#events, event);
    const leftMs = Math.min(DEFAULT_EVENT_TTL_MS, Math.max(MIN_TTL_MS, DEFAULT_EVENT_TTL_MS - ageMs));
    return Math.ceil(leftMs / TTL_STEP_MS) * TTL_STEP_MS || DEFAULT_EVENT_TTL_MS;
  }
}

/** Milliseconds since the epoch; NaN when an event does not say. */
function lastSeen(events: StoredObjects, stored: Buffer): number {
  if (isEncryptedValue(stored)) return NaN;
  const event: unknown = events.read(stored).object;
  if (!isJsonObject(event)) return NaN;
  const { metadata } = event;
  const times = [
    own(event, 'lastTimestamp'),
    own(event, 'eventTime'),
    isJsonObject(metadata) && own(metadata, 'creationTimestamp'),
  ];
  const known = times.flatMap((time) => (typeof time === 'string' ? [Date.parse(time)] : []));
  return known.length > 0 ? Math.max(...known) : NaN;
}
