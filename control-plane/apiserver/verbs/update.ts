/** `update`: a PUT of a stored object, or through one of its subresources. */
import type { Pipeline } from '../admission/pipeline.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import { WHOLE } from '../storage/update-strategy.ts';
import type { ObjectWriter } from '../storage/write.ts';
import { sendServed } from './response-writer.ts';
import type { VerbHandler } from './handlers.ts';
import { checkManager, decodeBody, parseDryRun, parseFieldValidation } from './write-options.ts';

export const updateVerb =
  (pipeline: Pipeline, writer: ObjectWriter): VerbHandler =>
  async (request, resource, part = WHOLE) => {
    const { namespace } = request;
    const { query, name } = request.info;
    checkManager(query, 'UpdateOptions');
    const dryRun = parseDryRun(query, 'UpdateOptions');
    const validation = parseFieldValidation(query, 'UpdateOptions');
    const body = await request.readBody();
    const change = (): Stored => {
      const object = decodeBody(resource, body, validation, request);
      resource.kind.applyDefaults(object);
      request.audit?.requested(object);
      return object;
    };
    const context = pipeline.writeContext(request, dryRun);
    const { bytes, outcome } = await writer.update(resource, { namespace, name, part, change }, context);
    sendServed(request, resource, outcome === 'created' ? 201 : 200, bytes);
  };
