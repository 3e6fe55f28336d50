/** `pods/eviction`: a delete under the right to evict. Upstream's `EvictionREST`. */
import { pods } from '../../../../api/kinds/core/pod.ts';
import type { Eviction } from '../../../../api/types/policy/v1.gen.ts';
import { placeObject } from '../../catalogue/object-meta.ts';
import type { Registry } from '../../catalogue/registry.ts';
import { validateDeleteOptions } from '../../storage/deletion.ts';
import type { ObjectWriter } from '../../storage/write.ts';
import { SUCCESS, type Action } from '../handlers.ts';

export const evictPod =
  (registry: Registry, writer: ObjectWriter): Action =>
  async (admitted) => {
    const { request, object } = admitted;
    const { namespace, info } = request;
    const eviction = object as Eviction;
    placeObject(pods, eviction, namespace, info.name);
    const options = eviction.deleteOptions ?? {};
    validateDeleteOptions(options);
    const context = admitted.writeContext(options.dryRun?.includes('All'));
    await writer.delete(registry.of(pods), namespace, info.name, options, context);
    return { code: 201, object: SUCCESS };
  };
