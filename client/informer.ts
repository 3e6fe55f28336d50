/**
 * A local cache of one resource, kept in sync by list and watch, resumed where the watch ended. What is kept of each object is
 * what `select` makes of it, so that 10,000 pods cost what their readers need and no more.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeObject } from '../api/machinery/kind.ts';
import { StatusError, isGone } from '../api/machinery/status-error.ts';
import type { ApiClient, WatchEvent } from './api-client.ts';
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
   * What to keep of an object; the whole object when absent. It must not keep a reference to the object when it wants to
   * save memory: copy the fields.
   */
  readonly select?: (object: T) => S;
  /** Named functions from what is kept to the values under which `byIndex` finds it. */
  readonly indexes?: Readonly<Record<string, (item: S) => readonly string[]>>;
  /** Ask the server for PartialObjectMetadata only. */
  readonly metadataOnly?: boolean;
  /** Told, in place of the log, each time that the server forbids to follow the resource. It is tried again all the same. */
  readonly onForbidden?: () => void;
}

/** Called after the cache has changed, in order. `key` is `namespace/name`, or `name` for kinds of the cluster. */
export interface InformerHandlers<S> {
  onAdd?(item: S, key: string): void;
  onUpdate?(old: S, item: S, key: string): void;
  /** `item` is the last state there was. */
  onDelete?(item: S, key: string): void;
  /** After the first list has been delivered through `onAdd`. */
  onSynced?(): void;
}

/** Bookmarks come every minute or so; a watch that misses two of them has lost its server. */
const SILENCE_LIMIT_MS = 150_000;
/** Answers that say nothing about the resourceVersion: unauthorized, forbidden, throttled, starting up. */
const RESUMABLE: ReadonlySet<number> = new Set([401, 403, 429, 503]);
const RETRY = { initialMs: 200, maxMs: 10_000 };

export const objectKey = (namespace: string | undefined, name: string): string =>
  namespace ? `${namespace}/${name}` : name;

/** Splits what `objectKey` has joined. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return { namespace: slash < 0 ? '' : key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The keys of the items that have a value. */
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
    // Without a projection S is T: what is kept is the object itself.
    this.#select = options.select ?? ((object) => object as unknown as S);
    for (const [name, valuesOf] of Object.entries(options.indexes ?? {})) {
      this.#indexes.set(name, { valuesOf, byValue: new Map() });
    }
    // Whoever does not wait for the first list is not to be told of its failure.
    this.#synced.promise.catch(() => undefined);
  }

  /** Resolves when the first list is in; rejects when the informer is stopped before. */
  hasSynced(): Promise<void> {
    return this.#synced.promise;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  get size(): number {
    return this.#items.size;
  }

  /** `namespace` is '' for kinds of the cluster. */
  get(namespace: string, name: string): S | undefined {
    return this.#items.get(objectKey(namespace, name));
  }

  getByKey(key: string): S | undefined {
    return this.#items.get(key);
  }

  list(): S[] {
    return [...this.#items.values()];
  }

  values(): IterableIterator<S> {
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

  /** Tells of what is there already through `onAdd`, then of each change, until the returned function is called. */
  addHandlers(handlers: InformerHandlers<S>): () => void {
    this.#handlers.add(handlers);
    for (const [key, item] of this.#items) handlers.onAdd?.(item, key);
    if (this.#isSynced) handlers.onSynced?.();
    return () => this.#handlers.delete(handlers);
  }

  /** Follows the server until the signal is aborted; then resolves. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger, resource, onForbidden } = this.#options;
    const outage = new Outage({ logger });
    const about = { resource: resource.plural };
    let failures = 0;
    let compactions = 0;
    // A watch that is refused is no success: only what it tells, or its orderly end, forgets earlier failures.
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
          // The history up to here has been compacted away, which a server tells that has been away, too: it is there now. Look at
          // everything afresh, at once, unless that was just done.
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
        silenceLimitMs: SILENCE_LIMIT_MS,
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
