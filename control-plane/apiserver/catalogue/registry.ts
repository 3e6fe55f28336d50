/**
 * Every kind that is served, with its cache. The registry reads the store once, then follows it: one stream of events feeds
 * all caches, so that one revision says how far all of them are.
 */
import { groupResource } from '../../../api/machinery/define-kind.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import type { Store, StoreEvent } from '../../store/store.ts';
import { eventConversion } from './event-conversion.ts';
import { ServedResource } from './served-resource.ts';
import { ResourceCache } from '../storage/cache/resource-cache.ts';

const ROOT = '/registry/';
/** Objects read at a time when the server starts. */
const LOAD_PAGE = 1000;

interface Waiter {
  readonly revision: number;
  readonly wake: () => void;
}

export interface RegistryOptions {
  readonly store: Store;
  readonly kinds: readonly Kind[];
  /** Aborted when the server stops. */
  readonly signal: AbortSignal;
}

export class Registry {
  readonly store: Store;
  readonly resources: readonly ServedResource[];
  readonly #byName = new Map<string, ServedResource>();
  readonly #byKind = new Map<Kind, ServedResource>();
  readonly #byPrefix = new Map<string, ServedResource>();
  #appliedRevision = 0;
  #waiters: Waiter[] = [];

  constructor(store: Store, kinds: readonly Kind[]) {
    this.store = store;
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

  /** Resolves when the caches have seen this revision; undefined when they have. */
  caughtUp(revision: number): Promise<void> | undefined {
    if (revision <= this.#appliedRevision) return undefined;
    return new Promise((wake) => this.#waiters.push({ revision, wake }));
  }

  /** Reads what is there, then follows the store until the signal is aborted. */
  async open(signal: AbortSignal): Promise<void> {
    let page = await this.store.list(ROOT, { limit: LOAD_PAGE });
    const { revision } = page;
    for (;;) {
      for (const { key, value, revision: written } of page.items) {
        const [resource, objectKey] = this.#locate(key);
        resource?.cache.load(objectKey, value, written);
      }
      const last = page.items.at(-1);
      if (!last || !page.more) break;
      page = await this.store.list(ROOT, { limit: LOAD_PAGE, revision, after: last.key });
    }
    for (const { cache } of this.resources) cache.loaded(revision);
    this.#appliedRevision = revision;
    this.store.watch(ROOT, revision, (events) => this.#follow(events), signal);
  }

  #follow(events: readonly StoreEvent[]): void {
    const changed = new Set<ResourceCache>();
    for (const event of events) {
      const [resource, objectKey] = this.#locate(event.key);
      if (!resource) continue;
      resource.cache.apply(objectKey, event);
      changed.add(resource.cache);
    }
    this.#appliedRevision = events.at(-1)?.revision ?? this.#appliedRevision;
    for (const cache of changed) cache.announce();
    if (this.#waiters.length === 0) return;
    const waiters = this.#waiters;
    this.#waiters = waiters.filter((waiter) => waiter.revision > this.#appliedRevision);
    for (const waiter of waiters) if (waiter.revision <= this.#appliedRevision) waiter.wake();
  }

  /** The resource of a store key and the object's key within it. */
  #locate(key: string): [ServedResource | undefined, string] {
    const prefixEnd = key.indexOf('/', key.indexOf('/', ROOT.length) + 1) + 1;
    return [this.#byPrefix.get(key.slice(0, prefixEnd)), key.slice(prefixEnd)];
  }
}

/** The registry over a store, filled and following it. */
export async function openRegistry({ store, kinds, signal }: RegistryOptions): Promise<Registry> {
  const registry = new Registry(store, kinds);
  await registry.open(signal);
  return registry;
}
