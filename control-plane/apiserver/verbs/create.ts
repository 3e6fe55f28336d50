/** `create` of a stored object. */
import type { Pipeline } from '../admission/pipeline.ts';
import type { ObjectWriter } from '../storage/write.ts';
import { sendServed } from './response-writer.ts';
import type { VerbHandler } from './handlers.ts';
import { checkManager, decodeBody, parseDryRun, parseFieldValidation } from './write-options.ts';

export const createVerb =
  (pipeline: Pipeline, writer: ObjectWriter): VerbHandler =>
  async (request, resource) => {
    const { query } = request.info;
    checkManager(query, 'CreateOptions');
    const dryRun = parseDryRun(query, 'CreateOptions');
    const validation = parseFieldValidation(query, 'CreateOptions');
    const body = await request.readBody();
    const object = decodeBody(resource, body, validation, request);
    resource.kind.applyDefaults(object);
    request.audit?.requested(object);
    const context = pipeline.writeContext(request, dryRun);
    const { bytes } = await writer.create(resource, request.namespace, object, context);
    sendServed(request, resource, 201, bytes);
  };
