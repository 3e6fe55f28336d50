/** `deletecollection`: each object by itself, as upstream; the response is the list of what was deleted. */
import { apiVersionOf } from '../../../api/machinery/define-kind.ts';
import { isNotFound } from '../../../api/machinery/status-error.ts';
import type { Pipeline } from '../admission/pipeline.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { Entry } from '../storage/cache/entry.ts';
import { validateDeleteOptions } from '../storage/deletion.ts';
import type { ObjectWriter } from '../storage/write.ts';
import type { VerbHandler } from './handlers.ts';
import { parseSelection } from './selection.ts';
import { readDeleteOptions } from './write-options.ts';

/** Objects that are deleted at the same time, and share flushes of the store. */
const DELETE_SLICE = 250;

export const deleteCollectionVerb =
  (registry: Registry, pipeline: Pipeline, writer: ObjectWriter): VerbHandler =>
  async (request, resource) => {
    const { kind, cache } = resource;
    const selection = parseSelection(resource, request.info);
    const options = await readDeleteOptions(request);
    validateDeleteOptions(options);
    const context = pipeline.writeContext(request, options.dryRun?.includes('All') ?? false);
    const present = [...cache.entries(request.namespace)];
    const shown = resource.converted ? await resource.converted.all(present) : present;
    const entries = shown.filter((entry) => selection.matches(entry));
    const deleteOne = async (entry: Entry): Promise<Buffer[]> => {
      try {
        const { bytes } = await writer.delete(resource, entry.namespace, entry.name, options, context);
        return [bytes];
      } catch (error) {
        // Deleted concurrently.
        if (isNotFound(error)) return [];
        throw error;
      }
    };
    const gone: Buffer[] = [];
    for (let first = 0; first < entries.length; first += DELETE_SLICE) {
      const deleted = await Promise.all(entries.slice(first, first + DELETE_SLICE).map(deleteOne));
      gone.push(...deleted.flat());
    }
    request.sendObject(200, {
      kind: `${kind.kind}List`,
      apiVersion: apiVersionOf(kind),
      metadata: { resourceVersion: String(registry.revision) },
      items: gone.map((bytes) => JSON.parse(bytes.toString()) as object),
    });
  };
