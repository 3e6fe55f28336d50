/**
 * The objects of one storage in memory: the served bytes of each, with labels and selectable fields. It applies the store's
 * events only, so it is the same whoever wrote. Parsed objects are not kept.
 */
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import { internalError } from '../../../../api/machinery/status-error.ts';
import type { StoredValue, StoreEvent } from '../../../store/store.ts';
import { entryKey, keyPrefix, WrittenObject, type Entry, type EntryIndex } from './entry.ts';
import { EventWindow, type Change } from './event-window.ts';
import { ObjectBytes } from './object-bytes.ts';
import { StoredObjects, UndecodableError } from './stored-objects.ts';
import { OrderedEntries } from './ordered-entries.ts';

/**
 * Called for each change, at the moment in which readers see it. `written` is the object when this server has just written
 * it: it lacks its resourceVersion and is shared, so it must not be changed.
 */
export type ChangeFollower = (change: Change, written: KubeObject | undefined) => void;

/** Notified of changes in revision order, after readers can see them. */
export interface ChangeListener {
  changed(changes: readonly Change[]): void;
  /** Changes were missed: the window now starts at a later revision. */
  replaced(): void;
}

const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});

/** The character after `/`: the exclusive end of a namespace's keys. */
const AFTER_SLASH = '0';
const endOf = (namespace: string): string | undefined => (namespace ? `${namespace}${AFTER_SLASH}` : undefined);

export class ResourceCache {
  readonly bytes: ObjectBytes;
  readonly #stored: StoredObjects;
  readonly fieldNames: readonly string[];
  readonly #fieldReaders: readonly ((object: KubeObject) => string)[];
  readonly #namespaced: boolean;
  readonly #byKey = new Map<string, Entry>();
  /** Objects that are stored and cannot be read, and why. They are not among the entries. */
  readonly #unreadable = new Map<string, string>();
  readonly #ordered = new OrderedEntries<Entry>();
  readonly #listeners = new Set<ChangeListener>();
  readonly #followers: ChangeFollower[] = [];
  #window = new EventWindow(0);
  #pending: Change[] = [];
  #changedAt = 0;
  /** The version that a CustomResourceDefinition stores may change. */
  readonly #mayBeOfOtherVersion: boolean;
  readonly #undecodable: (key: string, error: UndecodableError) => void;

  /** @param undecodable told of stored values that are no objects of the kind */
  constructor(kind: Kind, undecodable: (key: string, error: UndecodableError) => void = () => undefined) {
    this.#undecodable = undecodable;
    const { conversion } = kind.custom ?? {};
    this.bytes = new ObjectBytes(conversion ? { ...kind, version: conversion.storageVersion } : kind);
    this.#stored = new StoredObjects(kind);
    this.#mayBeOfOtherVersion = kind.custom !== undefined;
    this.fieldNames = Object.keys(kind.selectableFields);
    this.#fieldReaders = Object.values(kind.selectableFields).map((read) => (object) => read(object));
    this.#namespaced = kind.namespaced;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** The revision of the last change. */
  get changedAt(): number {
    return this.#changedAt;
  }

  get window(): EventWindow {
    return this.#window;
  }

  get(namespace: string, name: string): Entry | undefined {
    return this.#byKey.get(entryKey(namespace, name));
  }

  /** Why an object, or the first one of a namespace without a name, cannot be read; undefined when it can, or is not there. */
  unreadable(namespace: string, name?: string): string | undefined {
    if (this.#unreadable.size === 0) return undefined;
    if (name !== undefined) return this.#unreadable.get(entryKey(namespace, name));
    for (const [key, why] of this.#unreadable) if (key.startsWith(keyPrefix(namespace))) return why;
    return undefined;
  }

  /** In key order, after the key `after` when given; all namespaces when `namespace` is ''. */
  *entries(namespace: string, after?: string): Generator<Entry> {
    const from = after === undefined ? keyPrefix(namespace) : `${after}\0`;
    yield* this.#ordered.range(from, endOf(namespace));
  }

  /** The number of entries after a key, in nearly constant time. */
  countAfter(namespace: string, key: string): number {
    return this.#ordered.count(`${key}\0`, endOf(namespace));
  }

  index(object: KubeObject): EntryIndex {
    const labels = object.metadata?.labels;
    return {
      labels: labels && Object.keys(labels).length > 0 ? labels : NO_LABELS,
      fields: this.#fieldReaders.map((read) => read(object)),
    };
  }

  /**
   * Replaces the content with a list at a revision. Followers are called for the differences; listeners, and watches that
   * resume from an earlier revision, have missed the changes in between.
   */
  replace(stored: ReadonlyMap<string, StoredValue>, revision: number): void {
    this.#unreadable.clear();
    for (const entry of [...this.#byKey.values()]) {
      if (!stored.has(entry.key)) this.#tellFollowers(this.#remove(entry, revision));
    }
    for (const [key, value] of stored) {
      const known = this.#byKey.get(key);
      if (known?.revision === value.revision && value.unreadable === undefined) continue;
      const entry = this.#read(key, value);
      if (entry) this.#tellFollowers(this.#put(entry));
      else if (known) this.#tellFollowers(this.#remove(known, revision));
    }
    this.#changedAt = revision;
    this.#window = new EventWindow(revision);
    this.#pending = [];
    for (const listener of [...this.#listeners]) listener.replaced();
  }

  /** Readers see the change at once; listeners are notified by `announce`. */
  apply(key: string, event: StoreEvent): void {
    this.#changedAt = event.revision;
    this.#unreadable.delete(key);
    if (event.type === 'put') {
      const written = event.note instanceof WrittenObject ? event.note : undefined;
      const entry = this.#read(key, event, written);
      if (entry) {
        this.#record(this.#put(entry), written?.object);
        return;
      }
    }
    const previous = this.#byKey.get(key);
    if (previous) this.#record(this.#remove(previous, event.revision));
  }

  /** Undefined for what cannot be read: it is noted why. One such value is the problem of one object. */
  #read(key: string, stored: Omit<StoredValue, 'key'>, index?: EntryIndex): Entry | undefined {
    const { value, revision, unreadable } = stored;
    if (unreadable !== undefined) {
      this.#unreadable.set(key, unreadable);
      return undefined;
    }
    try {
      return this.entryOf(key, value, revision, index);
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error;
      this.#unreadable.set(key, undecodable(key, error));
      this.#undecodable(key, error);
      return undefined;
    }
  }

  #put(entry: Entry): Change {
    const { key, revision } = entry;
    const previous = this.#byKey.get(key);
    this.#byKey.set(key, entry);
    this.#ordered.set(entry);
    return { type: previous ? 'MODIFIED' : 'ADDED', revision, entry, previous };
  }

  #remove(previous: Entry, revision: number): Change {
    const entry = { ...previous, bytes: this.bytes.atRevision(previous.bytes, revision), revision };
    this.#byKey.delete(previous.key);
    this.#ordered.delete(previous.key);
    return { type: 'DELETED', revision, entry, previous };
  }

  announce(): void {
    if (this.#pending.length === 0) return;
    const changes = this.#pending;
    this.#pending = [];
    for (const listener of [...this.#listeners]) listener.changed(changes);
  }

  listen(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls the follower for each change, at the moment in which readers see it. */
  follow(follower: ChangeFollower): void {
    this.#followers.push(follower);
  }

  #record(change: Change, written?: KubeObject): void {
    this.#window.push(change);
    this.#pending.push(change);
    this.#tellFollowers(change, written);
  }

  #tellFollowers(change: Change, written?: KubeObject): void {
    for (const follower of this.#followers) follower(change, written);
  }

  /** As `entryOf`. Throws a 500 StatusError for what cannot be read. */
  readableEntry({ key: stored, value, revision, unreadable }: StoredValue, prefix: string): Entry {
    if (unreadable !== undefined) throw internalError(unreadable);
    const key = stored.slice(prefix.length);
    try {
      return this.entryOf(key, value, revision);
    } catch (error) {
      throw error instanceof UndecodableError ? internalError(undecodable(key, error)) : error;
    }
  }

  /** The cache entry for these stored bytes. Throws UndecodableError. @param index of bytes that this server has encoded */
  entryOf(key: string, stored: Buffer, revision: number, index?: EntryIndex): Entry {
    // A write may have begun before the definition of a custom kind got another stored version.
    if (index && (!this.#mayBeOfOtherVersion || this.bytes.areOwn(stored)))
      return this.#entryOf(key, stored, revision, index);
    const { object, isWhole } = this.#stored.read(stored);
    if (isWhole && this.bytes.haveForm(stored)) return this.#entryOf(key, stored, revision, this.index(object));
    // Others have written it: kube-apiserver in protobuf or in another order of fields, or a person.
    return this.#entryOf(key, this.bytes.encode(object), revision, this.index(object), this.#otherVersion(object));
  }

  #entryOf(key: string, stored: Buffer, revision: number, index: EntryIndex, version?: string): Entry {
    const slash = this.#namespaced ? key.indexOf('/') : -1;
    return {
      key,
      namespace: slash < 0 ? '' : key.slice(0, slash),
      name: key.slice(slash + 1),
      bytes: this.bytes.serve(stored, revision),
      revision,
      labels: index.labels,
      fields: index.fields,
      ...(version !== undefined && { version }),
    };
  }

  /** The version as which an object is stored, where that may be another one than the cache's. */
  #otherVersion({ apiVersion }: KubeObject): string | undefined {
    return this.#mayBeOfOtherVersion ? apiVersion?.split('/').at(-1) : undefined;
  }
}

const undecodable = (key: string, { message }: Error): string =>
  `unable to decode what is stored for ${JSON.stringify(key)}: ${message}`;
