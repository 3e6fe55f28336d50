/**
 * Entries of a cache in a version to which a webhook converts them. Nothing of it is kept: a webhook that has been mended is to be seen
 * to be, and what is stored may change its version at any time.
 */
import { decodeObject } from '../../../api/machinery/decode.ts';
import type { Kind, KubeObject, WebhookConversion } from '../../../api/machinery/kind.ts';
import { StatusError, unclassified } from '../../../api/machinery/status-error.ts';
import type { Change } from '../storage/cache/event-window.ts';
import { WrittenObject, type Entry, type EntryIndex } from '../storage/cache/entry.ts';
import type { ObjectBytes } from '../storage/cache/object-bytes.ts';
import type { ResourceCache } from '../storage/cache/resource-cache.ts';
import type { Stored } from './object-meta.ts';

export class ConvertedEntries {
  readonly fieldNames: readonly string[];
  readonly #kind: Kind;
  readonly #conversion: WebhookConversion;
  readonly #cache: ResourceCache;
  readonly #bytes: ObjectBytes;
  /** What watchers wait for: the same change reaches all of them at once. */
  readonly #shared = new Map<Entry, Promise<Entry>>();

  /** @param bytes the layout of the kind. */
  constructor(kind: Kind, conversion: WebhookConversion, cache: ResourceCache, bytes: ObjectBytes) {
    this.fieldNames = Object.keys(kind.selectableFields);
    this.#kind = kind;
    this.#conversion = conversion;
    this.#cache = cache;
    this.#bytes = bytes;
  }

  /** Throws a 500 StatusError when the webhook fails; so do all others here. */
  async one(entry: Entry): Promise<Entry> {
    const [converted] = await this.all([entry]);
    return converted ?? entry;
  }

  async all(entries: readonly Entry[]): Promise<Entry[]> {
    const others = entries.filter((entry) => !this.#isOwn(entry));
    if (others.length === 0) return [...entries];
    const stored = others.map((entry) => this.#parse(entry));
    const objects = await this.#conversion.convert(stored, this.#kind.version);
    const converted = new Map(others.map((entry, index) => [entry, this.#entry(entry, objects[index])]));
    return entries.map((entry) => converted.get(entry) ?? entry);
  }

  /** Whether the cache has it as it is to be. */
  #isOwn({ version }: Entry): boolean {
    const { cachedAs, storageVersion } = this.#conversion;
    return version === undefined && cachedAs === undefined && storageVersion === this.#kind.version;
  }

  /** Changes as watchers see them. @param withPrevious whether what was before counts, too. */
  async changes(changes: readonly Change[], withPrevious: boolean): Promise<Change[]> {
    const entries = changes.map(({ entry }) => entry);
    const previous = withPrevious ? changes.flatMap((change) => change.previous ?? []) : [];
    const converted = await this.#allShared([...entries, ...previous]);
    const byEntry = new Map([...entries, ...previous].map((entry, index) => [entry, converted[index]]));
    return changes.map((change) => ({
      ...change,
      entry: byEntry.get(change.entry) ?? change.entry,
      previous: change.previous && (byEntry.get(change.previous) ?? change.previous),
    }));
  }

  /** As `all`, by way of what others are converting at the moment. */
  async #allShared(entries: readonly Entry[]): Promise<Entry[]> {
    const mine = [...new Set(entries)].filter((entry) => !this.#shared.has(entry));
    const batch = this.all(mine);
    for (const [index, entry] of mine.entries())
      this.#shared.set(
        entry,
        batch.then((converted) => converted[index] ?? entry),
      );
    const settled = (): void => mine.forEach((entry) => this.#shared.delete(entry));
    batch.then(settled, settled);
    try {
      return await Promise.all(entries.map((entry) => this.#shared.get(entry) ?? Promise.resolve(entry)));
    } catch (error) {
      if (!(error instanceof StatusError) || mine.length === new Set(entries).size) throw error;
      // What failed may be of another watcher's batch, which this one does not see.
      return this.all(entries);
    }
  }

  /** An object of another version of the kind in this one. */
  async object(object: Stored): Promise<Stored> {
    const [converted = object] = await this.#conversion.convert([object], this.#kind.version);
    return this.#decoded(converted);
  }

  /** The bytes to store, and the object for the cache. @param owners the text of `metadata.managedFields` */
  async encode(object: Stored, owners: string) {
    const managedFields = owners ? (JSON.parse(owners) as NonNullable<Stored['metadata']['managedFields']>) : undefined;
    const whole = { ...object, metadata: { ...object.metadata, managedFields } };
    const [stored = whole] = await this.#conversion.convert([whole], this.#conversion.storageVersion);
    return {
      bytes: this.#cache.bytes.encode(stored, owners),
      written: new WrittenObject(stored, this.#cache.index(stored)),
    };
  }

  #parse({ bytes, version = this.#conversion.storageVersion }: Entry): KubeObject {
    const object = JSON.parse(bytes.toString()) as KubeObject;
    return { ...object, apiVersion: `${this.#kind.group}/${version}` };
  }

  #entry(cached: Entry, converted: KubeObject = {}): Entry {
    const { key, namespace, name, revision } = cached;
    const object = this.#decoded(converted);
    const bytes = this.#bytes.serve(this.#bytes.encode(object), revision);
    return { key, namespace, name, revision, bytes, ...this.#index(object), cached };
  }

  #decoded(object: KubeObject): Stored {
    try {
      return decodeObject(this.#kind, object).object as Stored;
    } catch (error) {
      if (error instanceof StatusError) throw unclassified(error.message);
      throw error;
    }
  }

  #index(object: KubeObject): EntryIndex {
    return {
      labels: object.metadata?.labels ?? {},
      fields: Object.values(this.#kind.selectableFields).map((read) => read(object)),
    };
  }
}
