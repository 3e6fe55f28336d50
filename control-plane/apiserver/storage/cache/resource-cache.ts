/**
 * The objects of one storage in memory: the served bytes of each, and beside them the little that selectors ask for. It
 * follows the store's events and nothing else, so it is the same whoever wrote. Parsed objects are not kept.
 */
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import type { StoredValue, StoreEvent } from '../../../store/store.ts';
import { entryKey, keyPrefix, WrittenObject, type Entry, type EntryIndex } from './entry.ts';
import { EventWindow, type Change } from './event-window.ts';
import { ObjectBytes } from './object-bytes.ts';
import { OrderedEntries } from './ordered-entries.ts';

/**
 * Told of each change by itself, in the moment in which readers see it. `written` is the object that this server has just written, where it was this server: it has no resourceVersion yet, and
 * it is shared, so not to be changed.
 */
export type ChangeFollower = (change: Change, written: KubeObject | undefined) => void;

/** Who is told of changes in the order of their revisions, after readers can see them. */
export interface ChangeListener {
  changed(changes: readonly Change[]): void;
  /** Changes were missed: from here on the cache knows them only from the window's new start. */
  replaced(): void;
}

const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});

/** The character after `/`, which ends the range of a namespace's keys. */
const AFTER_SLASH = '0';
const endOf = (namespace: string): string | undefined => (namespace ? `${namespace}${AFTER_SLASH}` : undefined);

export class ResourceCache {
  readonly bytes: ObjectBytes;
  readonly fieldNames: readonly string[];
  readonly #fieldReaders: readonly ((object: KubeObject) => string)[];
  readonly #namespaced: boolean;
  readonly #byKey = new Map<string, Entry>();
  readonly #ordered = new OrderedEntries<Entry>();
  readonly #listeners = new Set<ChangeListener>();
  readonly #followers: ChangeFollower[] = [];
  #window = new EventWindow(0);
  #pending: Change[] = [];
  #changedAt = 0;

  constructor(kind: Kind) {
    this.bytes = new ObjectBytes(kind);
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

  /** In key order, from the entry after `after` on; all namespaces when `namespace` is ''. */
  *entries(namespace: string, after?: string): Generator<Entry> {
    const from = after === undefined ? keyPrefix(namespace) : `${after}\0`;
    yield* this.#ordered.range(from, endOf(namespace));
  }

  /** How many entries come after a key, at a cost that hardly grows with their number. */
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
   * Takes in everything that exists at a revision, whatever was known before. Followers are told of what differs; listeners have
   * missed how it came to that, and so have those who resume from before.
   */
  replace(stored: ReadonlyMap<string, StoredValue>, revision: number): void {
    for (const entry of [...this.#byKey.values()]) {
      if (!stored.has(entry.key)) this.#tellFollowers(this.#remove(entry, revision));
    }
    for (const [key, { value, revision: written }] of stored) {
      if (this.#byKey.get(key)?.revision !== written) this.#tellFollowers(this.#put(key, value, written));
    }
    this.#changedAt = revision;
    this.#window = new EventWindow(revision);
    this.#pending = [];
    for (const listener of [...this.#listeners]) listener.replaced();
  }

  /** Readers see the change at once; listeners are told by `announce`. */
  apply(key: string, event: StoreEvent): void {
    this.#changedAt = event.revision;
    if (event.type === 'put') {
      const written = event.note instanceof WrittenObject ? event.note : undefined;
      this.#record(this.#put(key, event.value, event.revision, written), written?.object);
      return;
    }
    const previous = this.#byKey.get(key);
    if (previous) this.#record(this.#remove(previous, event.revision));
  }

  #put(key: string, stored: Buffer, revision: number, index?: EntryIndex): Change {
    const previous = this.#byKey.get(key);
    const entry = this.entryOf(key, stored, revision, index);
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

  /** Told of each change by itself, in the moment in which readers see it. */
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

  /** What the cache would hold of these stored bytes. */
  entryOf(
    key: string,
    stored: Buffer,
    revision: number,
    index = this.index(JSON.parse(stored.toString()) as KubeObject),
  ): Entry {
    const slash = this.#namespaced ? key.indexOf('/') : -1;
    return {
      key,
      namespace: slash < 0 ? '' : key.slice(0, slash),
      name: key.slice(slash + 1),
      bytes: this.bytes.serve(stored, revision),
      revision,
      labels: index.labels,
      fields: index.fields,
    };
  }
}
