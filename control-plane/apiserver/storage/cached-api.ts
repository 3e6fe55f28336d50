import { ownWriteContext } from '../admission/pipeline.ts';
import { statusPart, WHOLE, type UpdatedPart } from './update-strategy.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { waitUntilFresh } from '../catalogue/freshness.ts';
import type { LocalApi, LocalChange } from '../catalogue/local-api.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { DeleteOptions } from '../../../api/types/meta/v1.gen.ts';
import type { ObjectWriter } from './write.ts';

/** The `LocalApi` over the registry's caches and the write path. */
export class CachedApi implements LocalApi {
  readonly #registry: Registry;
  readonly #writer: ObjectWriter;
  readonly #context = ownWriteContext();

  constructor(registry: Registry, writer: ObjectWriter) {
    this.#registry = registry;
    this.#writer = writer;
  }

  get<T extends KubeObject>(kind: Kind<T>, namespace: string, name: string): T | undefined {
    const resource = this.#registry.of(kind);
    const entry = resource.cache.get(namespace, name);
    return entry && (resource.parse(entry.bytes) as unknown as T);
  }

  has(kind: Kind, namespace: string, name: string): boolean {
    return this.#registry.of(kind).cache.get(namespace, name) !== undefined;
  }

  list<T extends KubeObject>(kind: Kind<T>, namespace = ''): T[] {
    const resource = this.#registry.of(kind);
    const objects: T[] = [];
    for (const { bytes } of resource.cache.entries(namespace)) objects.push(resource.parse(bytes) as unknown as T);
    return objects;
  }

  *each<T extends KubeObject>(kind: Kind<T>, namespace: string): Generator<T> {
    const resource = this.#registry.of(kind);
    for (const { bytes } of [...resource.cache.entries(namespace)]) yield resource.parse(bytes) as unknown as T;
  }

  count(kind: Kind, namespace: string): number {
    return this.#registry.of(kind).cache.countAfter(namespace, namespace && `${namespace}/`);
  }

  fresh(): Promise<void> | undefined {
    return waitUntilFresh(this.#registry, undefined);
  }

  async create<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T> {
    const resource = this.#registry.of(kind);
    const decoded = decode(resource, object);
    const { bytes } = await this.#writer.create(resource, decoded.metadata.namespace ?? '', decoded, this.#context);
    return JSON.parse(bytes.toString()) as T;
  }

  async update<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T> {
    return this.#update(kind, object, WHOLE);
  }

  async updateStatus<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T> {
    return this.#update(kind, object, statusPart(kind));
  }

  async #update<T extends KubeObject>(kind: Kind<T>, object: T, part: UpdatedPart): Promise<T> {
    const resource = this.#registry.of(kind);
    const { namespace = '', name = '' } = object.metadata ?? {};
    const change = () => decode(resource, object);
    const { bytes } = await this.#writer.update(resource, { namespace, name, part, change }, this.#context);
    return JSON.parse(bytes.toString()) as T;
  }

  async delete(kind: Kind, namespace: string, name: string, options: DeleteOptions = {}): Promise<void> {
    await this.#writer.delete(this.#registry.of(kind), namespace, name, options, this.#context);
  }

  subscribe<T extends KubeObject>(kind: Kind<T>, onChange: (change: LocalChange<T>) => void): void {
    const resource = this.#registry.of(kind);
    const parse = (bytes: Buffer) => resource.parse(bytes) as unknown as T;
    for (const { namespace, name, bytes } of resource.cache.entries('')) {
      onChange({ namespace, name, object: parse(bytes) });
    }
    resource.cache.follow(({ type, entry: { namespace, name, bytes } }, written) => {
      const object = (): T => (!kind.storedAs && written ? (written as T) : parse(bytes));
      onChange({ namespace, name, object: type === 'DELETED' ? undefined : object() });
    });
  }
}

/** Copies and defaults a caller's object, as if it had been received over HTTP. */
function decode(resource: ServedResource, object: KubeObject): Stored {
  const decoded = resource.decode(object).object;
  decoded.metadata ??= {};
  resource.kind.applyDefaults(decoded);
  return decoded;
}
