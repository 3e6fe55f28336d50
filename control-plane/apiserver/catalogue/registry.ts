/**
 * All served kinds with their caches. The registry lists the store once, then watches it: one stream of events feeds all
 * caches, so that one revision says how far all of them are in sync. A broken watch is resumed; when the history after it
 * has been compacted, the store is listed again. Kinds can be added, replaced and removed meanwhile.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { groupResource } from '../../../api/machinery/define-kind.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { cachedKind } from '../../../api/machinery/stored-as.ts';
import { backoffMs, type BackoffOptions } from '../../../client/backoff.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import {
  CompactedError,
  StoreTimeoutError,
  StoreUnavailableError,
  WatchInterruptedError,
  type Store,
  type StoredValue,
  type StoreEvent,
  type WatchBatch,
} from '../../store/store.ts';
import { GROUPED_KEYS, type KeyLayout } from './key-layout.ts';
import { ServedKinds } from './served-kinds.ts';
import { ServedResource } from './served-resource.ts';
import { ResourceCache } from '../storage/cache/resource-cache.ts';

/** Page size of a list. */
const LOAD_PAGE = 1000;
/** Attempts of a list whose revision is compacted before its last page. */
const LOAD_ATTEMPTS = 3;
const RETRY: BackoffOptions = { initialMs: 100, maxMs: 5_000 };
/** How long upstream's watch cache lets a request wait for a revision. */
const FRESHNESS_WAIT_MS = 3_000;
/** How often the store is asked for a progress notification while a request waits; as upstream. */
const PROGRESS_INTERVAL_MS = 100;

interface Waiter {
  readonly revision: number;
  readonly giveUpAt: number;
  readonly wake: (isCaughtUp: boolean) => void;
}

export interface RegistryOptions {
  readonly store: Store;
  readonly kinds: readonly Kind[];
  /** Under which keys they are stored; default: those of the embedded store. */
  readonly keys?: KeyLayout | undefined;
  readonly logger: Logger;
  /** Aborted when the server stops. */
  readonly signal: AbortSignal;
}

export class Registry {
  readonly store: Store;
  readonly kinds = new ServedKinds();
  /** Routes the store's events. */
  readonly #byPrefix = new Map<string, ServedResource>();
  readonly #keys: KeyLayout;
  readonly #logger: Logger;
  readonly #outage: Outage;
  /** Buffered events by prefix while the objects of a new cache are listed. */
  readonly #opening = new Map<string, StoreEvent[]>();
  /** Counts starts and ends of relists: a watch during which it changes may have a gap. */
  #relists = 0;
  #appliedRevision = 0;
  #lag: string | undefined;
  #waiters: Waiter[] = [];
  #ticker: NodeJS.Timeout | undefined;

  constructor(store: Store, kinds: readonly Kind[], logger: Logger, keys = GROUPED_KEYS) {
    this.store = store;
    this.#keys = keys;
    this.#logger = logger;
    this.#outage = new Outage({ logger });
    const caches = new Map(kinds.filter(hasCache).map((kind) => [kind, this.#newCache(kind)]));
    for (const kind of kinds) {
      const resource = this.#resourceOf(kind, caches.get(cachedKind(kind)));
      if (hasCache(kind)) this.#byPrefix.set(this.#keys.prefixOf(kind), resource);
      this.kinds.add(resource);
    }
  }

  /** The revision up to which the caches have followed the store. */
  get revision(): number {
    return this.#appliedRevision;
  }

  /** Why the caches may be stale; undefined while the store is being watched. */
  get lag(): string | undefined {
    return this.#lag;
  }

  /** Throws when the kind is not served. */
  of(kind: Kind): ServedResource {
    const resource = this.kinds.of(kind);
    if (!resource) throw new Error(`${kind.kind} is not a kind of this registry`);
    return resource;
  }

  /**
   * Serves one more kind. Resolves when it is served, with what the store has of it. Throws when it is served already, or another
   * version of it is stored and this one is no view of that: one cache follows what is below a prefix.
   */
  async add(kind: Kind): Promise<void> {
    const { group, version, plural } = kind;
    if (this.kinds.find(group, version, plural)) throw new Error(`${this.#keys.prefixOf(kind)} is served already`);
    const stored = hasCache(kind) ? this.#byPrefix.get(this.#keys.prefixOf(kind)) : undefined;
    if (stored) throw new Error(`${groupResource(kind)} is stored already, as ${stored.kind.version}`);
    await this.#open(kind, (resource) => this.kinds.add(resource));
  }

  /**
   * Replaces a kind by a new form with the same group, version and plural. Its watches end, as when a
   * CustomResourceDefinition is changed upstream. Throws when it is not served.
   */
  async replace(kind: Kind): Promise<void> {
    const previous = this.kinds.find(kind.group, kind.version, kind.plural);
    if (!previous) throw new Error(`${this.#keys.prefixOf(kind)} is not served`);
    const check = (): void => [previous.kind, kind].forEach((one) => this.#requireOwnStorage(one));
    check();
    await this.#open(kind, (resource) => {
      // A kind that shares the cache may have come meanwhile.
      check();
      this.kinds.replace(previous, resource);
      previous.close();
    });
  }

  /**
   * Removes a kind: its watches end; its cache is dropped unless it is that of another version; stored objects stay. Throws when it
   * is not served, or others that are served are stored as this one.
   */
  remove(kind: Kind): void {
    const resource = this.of(kind);
    if (hasCache(kind)) {
      this.#requireOwnStorage(kind);
      this.#byPrefix.delete(this.#keys.prefixOf(kind));
    }
    this.kinds.remove(resource);
    resource.close();
  }

  /** @param cache of the kind as which it is stored. Throws when there is none. */
  #resourceOf(kind: Kind, cache: ResourceCache | undefined): ServedResource {
    const stored = cachedKind(kind);
    if (cache) return new ServedResource(kind, cache, this.#keys.prefixOf(stored));
    throw new Error(
      `${groupResource(kind)} is stored as ${groupResource(stored)}, which is not a kind of this registry`,
    );
  }

  #newCache(kind: Kind): ResourceCache {
    const prefix = this.#keys.prefixOf(kind);
    return new ResourceCache(kind, (key, error) =>
      this.#logger.error({ err: error, key: prefix + key }, 'stored object cannot be decoded'),
    );
  }

  /** Throws for kinds that share a cache, which the other kinds still need. */
  #requireOwnStorage(kind: Kind): void {
    for (const { kind: other } of this.kinds.resources) {
      if (other !== kind && cachedKind(other) === cachedKind(kind))
        throw new Error(`${groupResource(kind)} shares its storage with ${groupResource(other)}`);
    }
  }

  /**
   * Fills a cache while the store is being watched. `publish` is called in the turn in which the cache reaches the registry's
   * revision. Throws when the prefix is being opened already or the store cannot be listed.
   */
  async #open(kind: Kind, publish: (resource: ServedResource) => void): Promise<void> {
    if (!hasCache(kind)) return publish(this.#resourceOf(kind, this.kinds.of(cachedKind(kind))?.cache));
    const resource = this.#resourceOf(kind, this.#newCache(kind));
    const prefix = this.#keys.prefixOf(kind);
    if (this.#opening.has(prefix)) throw new Error(`${prefix} is being opened already`);
    try {
      while (!(await this.#fill(resource, prefix, publish)));
    } finally {
      this.#opening.delete(prefix);
    }
  }

  /** Syncs the cache to the registry's revision and publishes it; returns false when the watch had a gap meanwhile. */
  async #fill(resource: ServedResource, prefix: string, publish: (resource: ServedResource) => void): Promise<boolean> {
    const { cache } = resource;
    const relists = this.#relists;
    const events: StoreEvent[] = [];
    this.#opening.set(prefix, events);
    const { items, revision } = await this.#list(prefix);
    const isCaughtUp = await this.caughtUp(revision);
    if (isCaughtUp === false) throw new StoreTimeoutError(`the watch of the store is behind revision ${revision}`);
    if (this.#relists !== relists) return false;
    cache.replace(new Map(items.map((item) => [item.key.slice(prefix.length), item])), revision);
    for (const event of events) if (event.revision > revision) cache.apply(event.key.slice(prefix.length), event);
    cache.announce();
    publish(resource);
    this.#byPrefix.set(prefix, resource);
    return true;
  }

  /**
   * Resolves with true when the caches have reached the revision, with false after a timeout; undefined when they have
   * already.
   */
  caughtUp(revision: number): Promise<boolean> | undefined {
    if (revision <= this.#appliedRevision) return undefined;
    this.#ticker ??= setInterval(() => this.#tick(), PROGRESS_INTERVAL_MS);
    const giveUpAt = performance.now() + FRESHNESS_WAIT_MS;
    return new Promise((wake) => this.#waiters.push({ revision, giveUpAt, wake }));
  }

  /** Lists the store, then watches it until the signal is aborted. */
  async open(signal: AbortSignal): Promise<void> {
    await this.#relist(signal);
    void this.#follow(signal);
  }

  /** Fills every cache from a list at one revision. */
  async #relist(signal: AbortSignal): Promise<void> {
    this.#relists++;
    const { items, revision } = await this.#list(this.#keys.root, signal);
    const found = new Map<ServedResource, Map<string, StoredValue>>();
    for (const resource of this.#byPrefix.values()) found.set(resource, new Map());
    for (const item of items) {
      const prefix = this.#keys.prefixIn(item.key);
      const resource = this.#byPrefix.get(prefix);
      if (resource) found.get(resource)?.set(item.key.slice(prefix.length), item);
    }
    for (const [{ cache }, stored] of found) cache.replace(stored, revision);
    this.#relists++;
    this.#advance(revision);
  }

  /** Lists everything under a prefix, page by page at one revision. */
  async #list(prefix: string, signal?: AbortSignal): Promise<{ items: StoredValue[]; revision: number }> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#listOnce(prefix, signal);
      } catch (error) {
        if (!(error instanceof CompactedError) || attempt === LOAD_ATTEMPTS) throw error;
      }
    }
  }

  async #listOnce(prefix: string, signal?: AbortSignal): Promise<{ items: StoredValue[]; revision: number }> {
    const options = { limit: LOAD_PAGE, ...(signal && { signal }) };
    let page = await this.store.list(prefix, options);
    const { revision } = page;
    const items = [...page.items];
    while (page.more) {
      page = await this.store.list(prefix, { ...options, revision, after: items.at(-1)?.key ?? '' });
      for (const item of page.items) items.push(item);
    }
    return { items, revision };
  }

  /** Never rejects: whatever ends the watch, it is started again. */
  async #follow(signal: AbortSignal): Promise<void> {
    let failures = 0;
    let hasGap = false;
    const onBatch = (batch: WatchBatch): void => {
      this.#apply(batch);
      if (failures === 0) return;
      failures = 0;
      this.#lag = undefined;
      this.#outage.ended({ revision: batch.revision }, 'watch of the store recovered');
    };
    while (!signal.aborted) {
      try {
        if (hasGap) await this.#relist(signal);
        hasGap = false;
        const watch = this.store.watch(this.#keys.root, this.#appliedRevision, onBatch, { signal });
        if (failures > 0) this.store.requestProgress();
        await watch;
      } catch (error) {
        if (signal.aborted) break;
        hasGap ||= !isResumable(error);
        this.#lag = 'the caches are not in sync with the store';
        this.#outage.failed(error, { revision: this.#appliedRevision, hasGap }, 'watch of the store ended, retrying');
        await delay(backoffMs(RETRY, ++failures), undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
    clearInterval(this.#ticker);
    for (const waiter of this.#waiters.splice(0)) waiter.wake(false);
  }

  #apply({ events, revision }: WatchBatch): void {
    const changed = new Set<ResourceCache>();
    for (const event of events) {
      const prefix = this.#keys.prefixIn(event.key);
      this.#opening.get(prefix)?.push(event);
      const resource = this.#byPrefix.get(prefix);
      if (!resource) continue;
      resource.cache.apply(event.key.slice(prefix.length), event);
      changed.add(resource.cache);
    }
    this.#advance(revision, changed);
  }

  #advance(revision: number, changed: Iterable<ResourceCache> = []): void {
    this.#appliedRevision = revision;
    for (const cache of changed) cache.announce();
    if (this.#waiters.length > 0) this.#wake(0);
  }

  /**
   * Most waits end with an ordinary event; when the awaited revision has none under the prefix, a progress notification
   * ends them.
   */
  #tick(): void {
    this.#wake(performance.now());
    if (this.#waiters.length > 0) this.store.requestProgress();
  }

  #wake(now: number): void {
    const isOver = ({ revision, giveUpAt }: Waiter): boolean => revision <= this.#appliedRevision || giveUpAt <= now;
    const over = this.#waiters.filter(isOver);
    this.#waiters = this.#waiters.filter((waiter) => !isOver(waiter));
    for (const { revision, wake } of over) wake(revision <= this.#appliedRevision);
    if (this.#waiters.length > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }
}

/** Whether it has a cache of its own. */
const hasCache = (kind: Kind): boolean => cachedKind(kind) === kind;

/** Whether delivered events remain valid and only later ones are missing. */
const isResumable = (error: unknown): boolean =>
  error instanceof WatchInterruptedError ||
  error instanceof StoreUnavailableError ||
  error instanceof StoreTimeoutError;

/** Opens the registry of a store, in sync with it. Throws when the store cannot be listed. */
export async function openRegistry({ store, kinds, keys, logger, signal }: RegistryOptions): Promise<Registry> {
  const registry = new Registry(store, kinds, logger, keys);
  await registry.open(signal);
  return registry;
}
