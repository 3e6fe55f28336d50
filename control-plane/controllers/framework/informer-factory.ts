/**
 * The caches that the controllers share: each is made when a controller first asks for it, so that what nobody reads is neither
 * listed nor watched nor kept. The counterpart of client-go's SharedInformerFactory.
 */
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { Informer, type InformerHandlers } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { withoutManagedFields } from '../../../client/managed-fields.ts';
import type { Resource } from '../../../client/resource.ts';
import { Interner } from './interner.ts';
import { ownedView, type Owned } from './owner-references.ts';
import { watch, type Watch } from './watch.ts';

/** A cache by its content. Controllers that name the same definition share one cache. */
export interface InformerDefinition<T extends KubeObject, S> {
  readonly resource: Resource<T>;
  /** Both narrow the cache, for the controller that it belongs to. */
  readonly namespace?: string;
  readonly fieldSelector?: string;
  /** What is kept of an object. */
  readonly select: (object: T, interner: Interner) => S;
  readonly indexes?: Readonly<Record<string, (item: S) => readonly string[]>>;
  /** Of caches that hold every object of their resource: how its ownership is read from what is kept. */
  readonly ownedOf?: (item: S, interner: Interner) => Owned;
}

/** The objects of a resource as the garbage collector sees them. */
export interface OwnedSource {
  readonly resource: Resource;
  readonly watch: (handlers: InformerHandlers<Owned>) => Watch;
}

/** Keeps whole objects, but for managedFields. */
export const wholeObjects = <T extends KubeObject>(
  resource: Resource<T>,
  indexes: Readonly<Record<string, (object: T) => readonly string[]>> = {},
): InformerDefinition<T, T> => ({
  resource,
  indexes,
  select: withoutManagedFields,
  ownedOf: ownedView,
});

interface Entry {
  readonly informer: unknown;
  run(signal: AbortSignal): Promise<void>;
  readonly owned: OwnedSource | undefined;
}

export class InformerFactory {
  readonly #client: ApiClient;
  readonly #logger: Logger;
  readonly #interner = new Interner();
  readonly #entries = new Map<object, Entry>();

  constructor(options: { readonly client: ApiClient; readonly logger: Logger }) {
    this.#client = options.client;
    this.#logger = options.logger;
  }

  /** The one informer of this definition. It does not follow the server before `run`. */
  get<T extends KubeObject, S>(definition: InformerDefinition<T, S>): Informer<T, S> {
    const known = this.#entries.get(definition);
    // The entry of a definition was made below, with its types.
    if (known) return known.informer as Informer<T, S>;
    const { resource, namespace, fieldSelector, select, indexes, ownedOf } = definition;
    const informer = new Informer<T, S>({
      ...{ client: this.#client, logger: this.#logger, resource, namespace, fieldSelector, indexes },
      select: (object) => select(object, this.#interner),
    });
    const owned = ownedOf && {
      resource,
      watch: (handlers: InformerHandlers<Owned>) =>
        watch(
          informer,
          mapped(handlers, (item: S) => ownedOf(item, this.#interner)),
        ),
    };
    this.#entries.set(definition, { informer, run: (signal) => informer.run(signal), owned });
    return informer;
  }

  /** Of those informers that hold every object of their resource. */
  ownedSources(): OwnedSource[] {
    return [...this.#entries.values()].flatMap(({ owned }) => owned ?? []);
  }

  /** Runs all informers that were asked for until the signal is aborted. Rejects when one fails. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#entries.values()].map((entry) => entry.run(signal)));
  }
}

/** Handlers of what is kept, from handlers of what is made of it. */
const mapped = <S, V>(handlers: InformerHandlers<V>, viewOf: (item: S) => V): InformerHandlers<S> => ({
  onAdd: (item, key) => handlers.onAdd?.(viewOf(item), key),
  onUpdate: (old, item, key) => handlers.onUpdate?.(viewOf(old), viewOf(item), key),
  onDelete: (item, key) => handlers.onDelete?.(viewOf(item), key),
});
