/** `get` of a stored object, also of its status and the like. */
import { notFound } from '../../../api/machinery/status-error.ts';
import { waitUntilFresh } from '../catalogue/freshness.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendServed } from './response-writer.ts';
import type { VerbHandler } from './handlers.ts';
import { parseRevision } from './list-options.ts';

/** Synchronous where it can be: see `Pipeline.run`. */
export const getVerb =
  (registry: Registry): VerbHandler =>
  (request, resource) => {
    const { query } = request.info;
    const revision = query.size > 0 ? parseRevision(query.get('resourceVersion') ?? '') : undefined;
    const stale = waitUntilFresh(registry, revision);
    if (stale) return stale.then(() => sendObject(request, resource));
    return sendObject(request, resource);
  };

function sendObject(exchange: Exchange, resource: ServedResource): void | Promise<void> {
  const { name } = exchange.info;
  const entry = resource.cache.get(exchange.namespace, name);
  if (!entry) resource.requireReadable(exchange.namespace, name);
  if (!entry) throw notFound(resource.kind, name);
  if (resource.converted)
    return resource.converted
      .one(entry)
      .then(({ bytes }) => sendServed(exchange, resource, 200, resource.serve(bytes)));
  sendServed(exchange, resource, 200, resource.serve(entry.bytes));
}
