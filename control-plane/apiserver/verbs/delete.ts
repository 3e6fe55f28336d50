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

export const deleteVerb =
  (pipeline: Pipeline, writer: ObjectWriter): VerbHandler =>
  async (request, resource) => {
    const options = await readDeleteOptions(request);
    validateDeleteOptions(options);
    const context = pipeline.writeContext(request, options.dryRun?.includes('All') ?? false);
    const written = await writer.delete(resource, request.namespace, request.info.name, options, context);
    sendDeleted(request, resource, written);
  };

function sendDeleted(exchange: Exchange, resource: ServedResource, { bytes, outcome }: Written): void {
  const { kind } = resource;
  if (outcome !== 'deleted' || kind.returnDeletedObject) {
    return sendServed(exchange, resource, 200, bytes);
  }
  const { uid } = (JSON.parse(bytes.toString()) as Stored).metadata;
  exchange.sendObject(200, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name: exchange.info.name, ...(kind.group && { group: kind.group }), kind: kind.plural, uid },
  });
}
