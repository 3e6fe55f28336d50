/** What is under the listener: the registry over the store, the write path, and the API of the server's own parts. */
import type { Kind } from '../../api/machinery/kind.ts';
import { kinds as allKinds } from '../../api/registry.ts';
import type { Logger } from '../../client/logger.ts';
import type { Store } from '../store/store.ts';
import { CachedApi } from './cached-api.ts';
import type { LocalApi } from './local-api.ts';
import { openRegistry, type Registry } from './registry.ts';
import { ObjectWriter } from './write.ts';

export interface CoreOptions {
  readonly store: Store;
  readonly kinds?: readonly Kind[];
  readonly logger: Logger;
  /** Aborted when the server stops: the store is followed no longer. */
  readonly signal: AbortSignal;
}

export interface ApiCore {
  readonly registry: Registry;
  readonly writer: ObjectWriter;
  readonly api: LocalApi;
}

/** Reads the store. Authorizers and admission are built over `api` next, and then `serve` over it all. */
export async function openCore({ store, kinds = allKinds, signal }: CoreOptions): Promise<ApiCore> {
  const registry = await openRegistry({ store, kinds, signal });
  const writer = new ObjectWriter(registry, new Map());
  return { registry, writer, api: new CachedApi(registry, writer) };
}
