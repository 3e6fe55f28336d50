/**
 * A local cache of one resource, kept in sync by list and watch; a watch that ended is resumed from the last resourceVersion.
 * `select` reduces each object to the fields that its readers need, so that a cache of 10,000 pods stays small.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeObject } from '../api/machinery/kind.ts';
import { StatusError, isGone } from '../api/machinery/status-error.ts';
import type { WatchEvent } from './api-calls.ts';
import type { ApiClient } from './api-client.ts';
import { backoffMs } from './backoff.ts';
import { ConnectionError } from './connection-error.ts';
import type { Logger } from './logger.ts';
import { Outage } from './outage.ts';
import type { Resource, Selection } from './resource.ts';

export interface InformerOptions<T extends KubeObject, S> extends Selection {
  readonly client: ApiClient;
  readonly resource: Resource<T>;
  readonly logger: Logger;
  /**
   * The part of an object to cache; the whole object when absent. To save memory it must copy fields and not keep a reference
   * to the object.
   */
  readonly select?: (object: T) => S;
  /** Index functions by name, as client-go's `Indexers`: the values under which `byIndex` finds an item. */
  readonly indexes?: Readonly<Record<string, (item: S) => readonly string[]>>;
  /** Requests PartialObjectMetadata only. */
  readonly metadataOnly?: boolean;
  /** Called instead of logging whenever the server forbids the list or watch, which is retried all the same. */
  readonly onForbidden?: () => void;
}

/** Called in order, after the cache has been updated. `key` is `namespace/name`, or `name` for cluster-scoped kinds. */
export interface InformerHandlers<S> {
  onAdd?(item: S, key: string): void;
  onUpdate?(old: S, item: S, key: string): void;
  /** `item` is the last known state. */
  onDelete?(item: S, key: string): void;
  /** Called once the first list has been delivered through `onAdd`. */
  onSynced?(): void;
}

/** Bookmarks come every minute or so; a watch without two of them has lost its server. */
export const WATCH_SILENCE_LIMIT_MS = 150_000;
/** Responses that do not invalidate the resourceVersion: unauthorized, forbidden, throttled, starting up. */
const RESUMABLE: ReadonlySet<number> = new Set([401, 403, 429, 503]);
const RETRY = { initialMs: 200, maxMs: 10_000 };

export const objectKey = (namespace: string | undefined, name: string): string =>
  namespace ? `${namespace}/${name}` : name;

/** The inverse of `objectKey`. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return { namespace: slash < 0 ? '' : key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The keys of the items by index value. */
interface Index<S> {
  readonly valuesOf: (item: S) => readonly string[];
  readonly byValue: Map<string, Set<string>>;
}

export class Informer<T extends KubeObject, S = T> {
  readonly #options: InformerOptions<T, S>;
  readonly #select: (object: T) => S;
  readonly #items = new Map<string, S>();
  readonly #indexes = new Map<string, Index<S>>();
  readonly #handlers = new Set<InformerHandlers<S>>();
  readonly #synced = Promise.withResolvers<void>();
  #isSynced = false;
  #resourceVersion = '';

  constructor(options: InformerOptions<T, S>) {
    this.#options = options;
    // Without `select`, S is T.
    this.#select = options.select ?? ((object) => object as unknown as S);
    for (const [name, valuesOf] of Object.entries(options.indexes ?? {})) {
      this.#indexes.set(name, { valuesOf, byValue: new Map() });
    }
    // Nothing may be waiting for the sync: mark the rejection as handled.
    this.#synced.promise.catch(() => undefined);
  }

  /** Resolves when the first list is in the cache; rejects when the informer is stopped before that. */
  hasSynced(): Promise<void> {
    return this.#synced.promise;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  get size(): number {
    return this.#items.size;
  }

  /** The cache shows everything up to this version; '' while it is listed anew. */
  get resourceVersion(): string {
    return this.#resourceVersion;
  }

  /** `namespace` is '' for cluster-scoped kinds. */
  get(namespace: string, name: string): S | undefined {
    return this.#items.get(objectKey(namespace, name));
  }

  getByKey(key: string): S | undefined {
    return this.#items.get(key);
  }

  list(): S[] {
    return [...this.#items.values()];
  }

  values(): MapIterator<S> {
    return this.#items.values();
  }

  keys(): IterableIterator<string> {
    return this.#items.keys();
  }

  /** Throws when there is no index of that name. */
  byIndex(index: string, value: string): S[] {
    const byValue = this.#indexes.get(index)?.byValue;
    if (!byValue) throw new Error(`informer for ${this.#options.resource.plural} has no index ${index}`);
    const found: S[] = [];
    for (const key of byValue.get(value) ?? []) found.push(this.#items.get(key)!);
    return found;
  }

  /** Replays the cache through `onAdd`, then reports each change. Returns a function that removes the handlers. */
  addHandlers(handlers: InformerHandlers<S>): () => void {
    this.#handlers.add(handlers);
    for (const [key, item] of this.#items) handlers.onAdd?.(item, key);
    if (this.#isSynced) handlers.onSynced?.();
    return () => this.#handlers.delete(handlers);
  }

  /** Lists and watches until the signal is aborted; then resolves. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger, resource, onForbidden } = this.#options;
    const outage = new Outage({ logger });
    const about = { resource: resource.plural };
    let failures = 0;
    let compactions = 0;
    // Only a delivered event or an orderly end of the watch resets the backoff: a watch that is refused is not a success.
    const succeeded = (): void => {
      failures = 0;
      compactions = 0;
      outage.ended(about, 'watch recovered');
    };
    while (!signal.aborted) {
      try {
        if (!this.#resourceVersion) await this.#relist(signal);
        await this.#follow(signal, succeeded);
        succeeded();
      } catch (error) {
        if (signal.aborted) break;
        if (isGone(error)) {
          // The resourceVersion has been compacted (410 Gone), and the server is back if it was away: relist at once, with
          // backoff when that happens again.
          this.#resourceVersion = '';
          failures = compactions++;
          if (failures === 0) continue;
        } else {
          failures++;
          if (error instanceof StatusError)
            this.#resourceVersion = RESUMABLE.has(error.code) ? this.#resourceVersion : '';
          else if (!(error instanceof ConnectionError)) throw error;
        }
        const wait = backoffMs(RETRY, failures);
        const retryMs = Math.round(wait);
        if (onForbidden && error instanceof StatusError && error.code === 403) onForbidden();
        else outage.failed(error, { ...about, retryMs }, 'watch failed, retrying');
        await delay(wait, undefined, { signal }).catch(() => undefined);
      }
    }
    this.#synced.reject(signal.reason);
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const { client, resource, namespace, labelSelector, fieldSelector, metadataOnly } = this.#options;
    const seen = new Set<string>();
    const resourceVersion = await client.listPages(
      resource,
      (objects) => {
        for (const object of objects) seen.add(this.#put(object));
      },
      { namespace, labelSelector, fieldSelector, metadataOnly, signal },
    );
    for (const [key, item] of this.#items) if (!seen.has(key)) this.#remove(key, item);
    this.#resourceVersion = resourceVersion;
    if (this.#isSynced) return;
    this.#isSynced = true;
    this.#synced.resolve();
    for (const handlers of this.#handlers) handlers.onSynced?.();
  }

  #follow(signal: AbortSignal, onAlive: () => void): Promise<void> {
    const { client, resource, namespace, labelSelector, fieldSelector, metadataOnly } = this.#options;
    return client.watch(
      resource,
      {
        namespace,
        labelSelector,
        fieldSelector,
        metadataOnly,
        resourceVersion: this.#resourceVersion,
        allowWatchBookmarks: true,
        silenceLimitMs: WATCH_SILENCE_LIMIT_MS,
        signal,
      },
      (event) => {
        onAlive();
        this.#onEvent(event);
      },
    );
  }

  #onEvent({ type, object }: WatchEvent<T>): void {
    this.#resourceVersion = object.metadata?.resourceVersion ?? this.#resourceVersion;
    if (type === 'ADDED' || type === 'MODIFIED') this.#put(object);
    else if (type === 'DELETED') this.#remove(keyOf(object), this.#select(object));
  }

  #put(object: T): string {
    const key = keyOf(object);
    const item = this.#select(object);
    const old = this.#items.get(key);
    this.#items.set(key, item);
    this.#reindex(key, old, item);
    if (old === undefined) for (const handlers of this.#handlers) handlers.onAdd?.(item, key);
    else for (const handlers of this.#handlers) handlers.onUpdate?.(old, item, key);
    return key;
  }

  #remove(key: string, last: S): void {
    const old = this.#items.get(key);
    if (old === undefined) return;
    this.#items.delete(key);
    this.#reindex(key, old, undefined);
    for (const handlers of this.#handlers) handlers.onDelete?.(last, key);
  }

  #reindex(key: string, old: S | undefined, item: S | undefined): void {
    for (const { valuesOf, byValue } of this.#indexes.values()) {
      const before = old === undefined ? [] : valuesOf(old);
      const after = item === undefined ? [] : valuesOf(item);
      for (const value of before) {
        if (after.includes(value)) continue;
        const keys = byValue.get(value);
        keys?.delete(key);
        if (keys?.size === 0) byValue.delete(value);
      }
      for (const value of after) {
        if (before.includes(value)) continue;
        const keys = byValue.get(value);
        if (keys) keys.add(key);
        else byValue.set(value, new Set([key]));
      }
    }
  }
}

const keyOf = ({ metadata }: KubeObject): string => objectKey(metadata?.namespace, metadata?.name ?? '');
