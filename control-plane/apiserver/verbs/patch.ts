/** `patch` of a stored object, or through one of its subresources. */
import { notFound } from '../../../api/machinery/status-error.ts';
import type { Pipeline } from '../admission/pipeline.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import { WHOLE } from '../storage/update-strategy.ts';
import type { ObjectWriter } from '../storage/write.ts';
import { sendServed } from './response-writer.ts';
import { isApply, readApply } from './apply.ts';
import type { VerbHandler } from './handlers.ts';
import { readPatch } from './patch-request.ts';
import { checkManager, parseDryRun, parseFieldValidation } from './write-options.ts';

export const patchVerb =
  (pipeline: Pipeline, writer: ObjectWriter): VerbHandler =>
  async (request, resource, part = WHOLE) => {
    const { namespace } = request;
    const { query, name } = request.info;
    const applies = isApply(request);
    checkManager(query, 'PatchOptions', applies);
    const dryRun = parseDryRun(query, 'PatchOptions');
    const validation = parseFieldValidation(query, 'PatchOptions');
    if (applies) {
      const apply = await readApply(request, validation, resource.kind);
      const context = pipeline.writeContext(request, dryRun);
      const written = await writer.update(resource, { namespace, name, part, apply }, context);
      return sendServed(request, resource, written.outcome === 'created' ? 201 : 200, written.bytes);
    }
    const patch = await readPatch(request, validation);
    const change = (old: Stored | undefined, reparse: () => Stored): Stored => {
      if (!old) throw notFound(resource.kind, name);
      const object = patch.apply(resource.kind, old, reparse, request, part) as Stored;
      resource.kind.applyDefaults(object);
      return object;
    };
    const context = pipeline.writeContext(request, dryRun);
    const { bytes } = await writer.update(resource, { namespace, name, part, change }, context);
    sendServed(request, resource, 200, bytes);
  };
