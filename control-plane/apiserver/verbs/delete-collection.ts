/** `deletecollection`: each object by itself, as upstream; the response is the list of them as they were before. */
import { badRequest, isNotFound } from '../../../api/machinery/status-error.ts';
import type { Pipeline } from '../admission/pipeline.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { Entry } from '../storage/cache/entry.ts';
import { validateDeleteOptions } from '../storage/deletion.ts';
import type { ObjectWriter } from '../storage/write.ts';
import type { VerbHandler } from './handlers.ts';
import type { ListServer } from './list.ts';
import { parseSelection } from './selection.ts';
import { readDeleteOptions } from './write-options.ts';

/** Objects that are deleted at the same time, and share flushes of the store. */
const DELETE_SLICE = 250;

export const deleteCollectionVerb =
  (registry: Registry, pipeline: Pipeline, writer: ObjectWriter, lists: ListServer): VerbHandler =>
  async (request, resource) => {
    const { cache } = resource;
    const selection = parseSelection(resource, request.info);
    const options = await readDeleteOptions(request);
    validateDeleteOptions(options);
    if (options.ignoreStoreReadErrorWithClusterBreakingPotential)
      throw badRequest('ignoreStoreReadErrorWithClusterBreakingPotential is for one object, not for a collection');
    const context = pipeline.writeContext(request, options.dryRun?.includes('All') ?? false);
    const { revision } = registry;
    const present = [...cache.entries(request.namespace)];
    const shown = resource.converted ? await resource.converted.all(present) : present;
    const entries = shown.filter((entry) => selection.matches(entry));
    const deleteOne = async (entry: Entry): Promise<void> => {
      try {
        await writer.delete(resource, entry.namespace, entry.name, options, context);
      } catch (error) {
        // Deleted concurrently.
        if (!isNotFound(error)) throw error;
      }
    };
    for (let first = 0; first < entries.length; first += DELETE_SLICE)
      await Promise.all(entries.slice(first, first + DELETE_SLICE).map(deleteOne));
    await lists.send(request, resource, { entries, metadata: { resourceVersion: String(revision) } });
  };
