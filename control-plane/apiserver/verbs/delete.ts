/** `delete` of one object. */
import type { Pipeline } from '../admission/pipeline.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { Exchange } from '../http/exchange.ts';
import { validateDeleteOptions } from '../storage/deletion.ts';
import type { Written } from '../storage/object-store.ts';
import type { ObjectWriter } from '../storage/write.ts';
import { sendServed } from './response-writer.ts';
import type { VerbHandler } from './handlers.ts';
import { readDeleteOptions } from './write-options.ts';

/** Upstream's verb for what is removed without its finalizers and without admission. */
const UNSAFE_DELETE = 'unsafe-delete-ignore-read-errors';

export const deleteVerb =
  (pipeline: Pipeline, writer: ObjectWriter): VerbHandler =>
  async (request, resource) => {
    const options = await readDeleteOptions(request);
    validateDeleteOptions(options);
    const context = pipeline.writeContext(request, options.dryRun?.includes('All') ?? false);
    if (options.ignoreStoreReadErrorWithClusterBreakingPotential) {
      await pipeline.authorizeAlso(request, UNSAFE_DELETE);
      await writer.deleteUnreadable(resource, request.namespace, request.info.name);
      return sendSuccess(request, resource);
    }
    const written = await writer.delete(resource, request.namespace, request.info.name, options, context);
    sendDeleted(request, resource, written);
  };

function sendDeleted(exchange: Exchange, resource: ServedResource, { bytes, outcome }: Written): void {
  const { kind } = resource;
  if (outcome !== 'deleted' || kind.returnDeletedObject) {
    return sendServed(exchange, resource, 200, bytes);
  }
  const { uid } = (JSON.parse(bytes.toString()) as Stored).metadata;
  sendSuccess(exchange, resource, uid);
}

function sendSuccess(exchange: Exchange, { kind }: ServedResource, uid?: string): void {
  exchange.sendObject(200, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      name: exchange.info.name,
      ...(kind.group && { group: kind.group }),
      kind: kind.plural,
      ...(uid && { uid }),
    },
  });
}
