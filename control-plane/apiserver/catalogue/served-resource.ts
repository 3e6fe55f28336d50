/** A served kind: its cache, and the conversion of its objects from and to the stored form. */
import { decodeObject } from '../../../api/machinery/decode.ts';
import type { Kind, KubeObject, StoredAs } from '../../../api/machinery/kind.ts';
import { internalError } from '../../../api/machinery/status-error.ts';
import { own } from '../../../api/machinery/own.ts';
import { ConvertedEntries } from './converted-entries.ts';
import type { Stored } from './object-meta.ts';
import { ObjectBytes } from '../storage/cache/object-bytes.ts';
import type { ResourceCache } from '../storage/cache/resource-cache.ts';
import { entryKey, WrittenObject } from '../storage/cache/entry.ts';

export interface EncodedObject {
  readonly bytes: Buffer;
  readonly written: WrittenObject;
}

export class ServedResource {
  readonly kind: Kind;
  readonly cache: ResourceCache;
  readonly #storagePrefix: string;
  readonly #conversion: StoredAs<KubeObject> | undefined;
  readonly #bytes: ObjectBytes;
  /** Set when a webhook converts between the versions: entries of the cache are to be handed to it first. */
  readonly converted: ConvertedEntries | undefined;
  readonly #closing = new AbortController();

  constructor(kind: Kind, cache: ResourceCache, storagePrefix: string) {
    this.kind = kind;
    this.cache = cache;
    this.#storagePrefix = storagePrefix;
    this.#conversion = kind.storedAs;
    const { conversion } = kind.custom ?? {};
    const isOther = kind.storedAs !== undefined || (conversion && conversion.storageVersion !== kind.version);
    this.#bytes = isOther ? new ObjectBytes(kind) : cache.bytes;
    this.converted = conversion && new ConvertedEntries(kind, conversion, cache, this.#bytes);
  }

  /** Aborted when this is removed or replaced. The cache is then no longer in sync with the store. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  close(): void {
    this.#closing.abort();
  }

  /**
   * Throws a 500 StatusError for an object that is stored and cannot be decrypted or decoded; without a name, when there is one of them in the
   * namespace: as upstream, a list is whole or an error.
   */
  requireReadable(namespace: string, name?: string): void {
    const why = this.cache.unreadable(namespace, name);
    if (why !== undefined) throw internalError(why);
  }

  /** Whether `serve` returns other bytes than the cache holds. */
  get converts(): boolean {
    return this.#conversion !== undefined || this.kind.custom?.complete !== undefined;
  }

  /** The layout of the entries that `serve` and `parse` take. */
  get entryBytes(): ObjectBytes {
    return this.converted ? this.#bytes : this.cache.bytes;
  }

  /** Slices list items and metadata out of what `serve` returns. */
  get bytes(): ObjectBytes {
    return this.#bytes;
  }

  storeKey(namespace: string, name: string): string {
    return this.#storagePrefix + entryKey(namespace, name);
  }

  /** Decodes bytes from the cache into a new object of this kind. */
  parse(served: Buffer): Stored {
    return this.#fromStored(JSON.parse(served.toString()) as KubeObject);
  }

  /** As `parse`, but without managedFields, whose text is `owners`: '' when there are none. */
  parseOwned(served: Buffer): { readonly object: Stored; readonly owners: string } {
    const { object, owners } = this.entryBytes.parse(served);
    return { object: this.#fromStored(object), owners };
  }

  #fromStored(stored: KubeObject): Stored {
    // Decoding adds this version's defaults.
    const object = this.#conversion ? this.decode(this.#conversion.fromStored(stored)).object : stored;
    this.kind.custom?.complete?.(object);
    return object as Stored;
  }

  /** Returns an object of this kind as `other`, which shares the cache, has it: without defaults that it has got since. */
  convert(object: Stored, other: ServedResource): Stored {
    const stored = this.#conversion ? this.#conversion.toStored(object) : object;
    return other.#conversion ? other.decode(other.#conversion.fromStored(stored)).object : (stored as Stored);
  }

  /** Converts bytes from the cache to this kind's version. */
  serve(cached: Buffer): Buffer {
    if (!this.converts) return cached;
    const object = this.parse(cached);
    return this.#bytes.serve(this.#bytes.encode(object), Number(object.metadata.resourceVersion ?? 0));
  }

  /**
   * The bytes to store, and the object for the cache.
   * @param owners the text of `metadata.managedFields`, instead of what the object has
   */
  encode(object: KubeObject, owners?: string): EncodedObject {
    const stored = this.#conversion ? this.#conversion.toStored(object) : object;
    return {
      bytes: this.cache.bytes.encode(stored, owners),
      written: new WrittenObject(stored, this.cache.index(stored)),
    };
  }

  decode(body: unknown): { readonly object: Stored; readonly problems: string[] } {
    const { object, problems } = decodeObject(this.kind, body);
    return { object: object as Stored, problems };
  }

  /** The index of a selectable field in the entries; -1 when there is none. */
  fieldIndex(field: string): number {
    if (this.converted) return this.converted.fieldNames.indexOf(field);
    const stored = this.#conversion ? own(this.#conversion.fields, field) : field;
    return stored === undefined ? -1 : this.cache.fieldNames.indexOf(stored);
  }

  hasSubresource(name: string): boolean {
    return this.kind.subresources.some((subresource) => subresource.name === name);
  }
}
