/**
 * Every kind that is served, with its cache. The registry lists the store once, then watches it: one stream of events feeds all
 * caches, so that one revision says how far all of them are. A watch that breaks is resumed where it broke off; when the history
 * after that has been compacted, the store is listed again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { groupResource } from '../../../api/machinery/define-kind.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
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
  type WatchBatch,
} from '../../store/store.ts';
import { eventConversion } from './event-conversion.ts';
import { ServedResource } from './served-resource.ts';
import { ResourceCache } from '../storage/cache/resource-cache.ts';

const ROOT = '/registry/';
/** Objects listed at a time. */
const LOAD_PAGE = 1000;
/** How often a list is begun again whose revision is compacted before its last page. */
const LOAD_ATTEMPTS = 3;
const RETRY: BackoffOptions = { initialMs: 100, maxMs: 5_000 };
/** How long upstream's watch cache lets a request wait for a revision. */
const FRESHNESS_WAIT_MS = 3_000;
/** How often, while somebody waits, the store is asked how far the watch is; as upstream. */
const PROGRESS_INTERVAL_MS = 100;

interface Waiter {
  readonly revision: number;
  readonly giveUpAt: number;
  readonly wake: (isCaughtUp: boolean) => void;
}

export interface RegistryOptions {
  readonly store: Store;
  readonly kinds: readonly Kind[];
  readonly logger: Logger;
  /** Aborted when the server stops. */
  readonly signal: AbortSignal;
}

export class Registry {
  readonly store: Store;
  readonly resources: readonly ServedResource[];
  readonly #byName = new Map<string, ServedResource>();
  readonly #byKind = new Map<Kind, ServedResource>();
  readonly #byPrefix = new Map<string, ServedResource>();
  readonly #outage: Outage;
  #appliedRevision = 0;
  #lag: string | undefined;
  #waiters: Waiter[] = [];
  #ticker: NodeJS.Timeout | undefined;

  constructor(store: Store, kinds: readonly Kind[], logger: Logger) {
    this.store = store;
    this.#outage = new Outage({ logger });
    const homes = new Map<string, ResourceCache>();
    this.resources = kinds.map((kind) => {
      const home = kind.storedAs ?? groupResource(kind);
      const storedKind = kind.storedAs ? kinds.find((other) => groupResource(other) === home) : kind;
      if (!storedKind)
        throw new Error(`${groupResource(kind)} is stored as ${home}, which is not a kind of this registry`);
      const prefix = `${ROOT}${storedKind.group || 'core'}/${storedKind.plural}/`;
      const cache = homes.get(home) ?? new ResourceCache(storedKind);
      homes.set(home, cache);
      const resource = new ServedResource(kind, cache, prefix, kind === storedKind ? undefined : eventConversion);
      if (kind === storedKind) this.#byPrefix.set(prefix, resource);
      this.#byName.set(`${kind.group}/${kind.version}/${kind.plural}`, resource);
      this.#byKind.set(kind, resource);
      return resource;
    });
  }

  /** The revision up to which the caches have followed the store. */
  get revision(): number {
    return this.#appliedRevision;
  }

  /** Why the caches may be behind the store; undefined while they follow it. */
  get lag(): string | undefined {
    return this.#lag;
  }

  find(group: string, version: string, plural: string): ServedResource | undefined {
    return this.#byName.get(`${group}/${version}/${plural}`);
  }

  of(kind: Kind): ServedResource {
    const resource = this.#byKind.get(kind);
    if (!resource) throw new Error(`${kind.kind} is not a kind of this registry`);
    return resource;
  }

  hasGroupVersion(group: string, version: string): boolean {
    return this.resources.some(({ kind }) => kind.group === group && kind.version === version);
  }

  /** Resolves with true when the caches have seen this revision, with false when that takes too long; undefined when they have. */
  caughtUp(revision: number): Promise<boolean> | undefined {
    if (revision <= this.#appliedRevision) return undefined;
    this.#ticker ??= setInterval(() => this.#tick(), PROGRESS_INTERVAL_MS);
    const giveUpAt = performance.now() + FRESHNESS_WAIT_MS;
    return new Promise((wake) => this.#waiters.push({ revision, giveUpAt, wake }));
  }

  /** Lists what exists, then follows the store until the signal is aborted. */
  async open(signal: AbortSignal): Promise<void> {
    await this.#load(signal);
    void this.#follow(signal);
  }

  async #load(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#loadOnce(signal);
      } catch (error) {
        if (!(error instanceof CompactedError) || attempt === LOAD_ATTEMPTS) throw error;
      }
    }
  }

  async #loadOnce(signal: AbortSignal): Promise<void> {
    const found = new Map<ServedResource, Map<string, StoredValue>>();
    for (const resource of this.#byPrefix.values()) found.set(resource, new Map());
    let page = await this.store.list(ROOT, { limit: LOAD_PAGE, signal });
    const { revision } = page;
    for (;;) {
      for (const item of page.items) {
        const [resource, objectKey] = this.#locate(item.key);
        if (resource) found.get(resource)?.set(objectKey, item);
      }
      const last = page.items.at(-1);
      if (!last || !page.more) break;
      page = await this.store.list(ROOT, { limit: LOAD_PAGE, revision, after: last.key, signal });
    }
    for (const [{ cache }, stored] of found) cache.replace(stored, revision);
    this.#advance(revision);
  }

  /** Never rejects: whatever ends the watch, the store is followed again. */
  async #follow(signal: AbortSignal): Promise<void> {
    let failures = 0;
    let hasGap = false;
    const onBatch = (batch: WatchBatch): void => {
      this.#apply(batch);
      if (failures === 0) return;
      failures = 0;
      this.#lag = undefined;
      this.#outage.ended({ revision: batch.revision }, 'following the store again');
    };
    while (!signal.aborted) {
      try {
        if (hasGap) await this.#load(signal);
        hasGap = false;
        const watch = this.store.watch(ROOT, this.#appliedRevision, onBatch, { signal });
        if (failures > 0) this.store.requestProgress();
        await watch;
      } catch (error) {
        if (signal.aborted) break;
        hasGap ||= !isResumable(error);
        this.#lag = 'the caches do not follow the store at the moment';
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
      const [resource, objectKey] = this.#locate(event.key);
      if (!resource) continue;
      resource.cache.apply(objectKey, event);
      changed.add(resource.cache);
    }
    this.#advance(revision, changed);
  }

  #advance(revision: number, changed: Iterable<ResourceCache> = []): void {
    this.#appliedRevision = revision;
    for (const cache of changed) cache.announce();
    if (this.#waiters.length > 0) this.#wake(0);
  }

  /** An event that comes by itself ends most waits; where the awaited revision has none under the prefix, this does. */
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

  /** The resource of a store key and the object's key within it. */
  #locate(key: string): [ServedResource | undefined, string] {
    const prefixEnd = key.indexOf('/', key.indexOf('/', ROOT.length) + 1) + 1;
    return [this.#byPrefix.get(key.slice(0, prefixEnd)), key.slice(prefixEnd)];
  }
}

/** Whether all that was delivered before it stands, and nothing is missing but what comes after. */
const isResumable = (error: unknown): boolean =>
  error instanceof WatchInterruptedError ||
  error instanceof StoreUnavailableError ||
  error instanceof StoreTimeoutError;

/** The registry over a store, filled and following it. Throws when the store cannot be listed. */
export async function openRegistry({ store, kinds, logger, signal }: RegistryOptions): Promise<Registry> {
  const registry = new Registry(store, kinds, logger);
  await registry.open(signal);
  return registry;
}
