/**
 * The objects of one storage in memory: the served bytes of each, and beside them the little that selectors ask for. It
 * follows the store's events and nothing else, so it is the same whoever wrote. Parsed objects are not kept.
 */
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import type { StoreEvent } from '../../../store/store.ts';
import { entryKey, keyPrefix, type Entry, type EntryIndex } from './entry.ts';
import { EventWindow, type Change } from './event-window.ts';
import { ObjectBytes } from './object-bytes.ts';
import { OrderedEntries } from './ordered-entries.ts';

/**
 * Told of changes in the order of their revisions, in the moment in which readers see them. `written` is the object that this server has just written, where it was this server: it has no resourceVersion yet, and
 * it is shared, so not to be changed.
 */
export type ChangeFollower = (change: Change, written: KubeObject | undefined) => void;

/** Told of changes in the order of their revisions, after readers can see them. */
export type ChangeListener = (changes: readonly Change[]) => void;

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
  /** What a write knows of the bytes that it handed to the store, so that they need not be parsed when they come back. */
  readonly #known = new WeakMap<Buffer, EntryIndex & { readonly object: KubeObject }>();
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

  /** Notes what the object looks like that `stored` is the bytes of. */
  expect(stored: Buffer, object: KubeObject): void {
    this.#known.set(stored, { ...this.index(object), object });
  }

  /** Takes in an object that was there when the server started. */
  load(key: string, stored: Buffer, revision: number): void {
    const entry = this.entryOf(key, stored, revision);
    this.#byKey.set(key, entry);
    this.#ordered.set(entry);
    this.#changedAt = Math.max(this.#changedAt, revision);
  }

  /** From this revision on the cache follows events. */
  loaded(revision: number): void {
    this.#window = new EventWindow(revision);
  }

  /** Readers see the change at once; listeners are told by `announce`. */
  apply(key: string, event: StoreEvent): void {
    const previous = this.#byKey.get(key);
    this.#changedAt = event.revision;
    if (event.type === 'put') {
      const written = this.#known.get(event.value)?.object;
      const entry = this.entryOf(key, event.value, event.revision);
      // The bytes live on in the entry; the object must not live on with them.
      this.#known.delete(event.value);
      this.#byKey.set(key, entry);
      this.#ordered.set(entry);
      this.#record({ type: previous ? 'MODIFIED' : 'ADDED', revision: event.revision, entry, previous }, written);
    } else if (previous) {
      const entry = {
        ...previous,
        bytes: this.bytes.atRevision(previous.bytes, event.revision),
        revision: event.revision,
      };
      this.#byKey.delete(key);
      this.#ordered.delete(key);
      this.#record({ type: 'DELETED', revision: event.revision, entry, previous });
    }
  }

  announce(): void {
    if (this.#pending.length === 0) return;
    const changes = this.#pending;
    this.#pending = [];
    for (const listener of [...this.#listeners]) listener(changes);
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
    for (const follower of this.#followers) follower(change, written);
  }

  /** What the cache would hold of these stored bytes. */
  entryOf(key: string, stored: Buffer, revision: number): Entry {
    const slash = this.#namespaced ? key.indexOf('/') : -1;
    const known = this.#known.get(stored) ?? this.index(JSON.parse(stored.toString()) as KubeObject);
    return {
      key,
      namespace: slash < 0 ? '' : key.slice(0, slash),
      name: key.slice(slash + 1),
      bytes: this.bytes.serve(stored, revision),
      revision,
      labels: known.labels,
      fields: known.fields,
    };
  }
}
