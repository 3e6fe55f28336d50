/** `get` and `list` of kinds that are not stored: their objects are made for each request. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import { entryKey, type Entry } from '../storage/cache/entry.ts';
import type { VerbHandler } from './handlers.ts';
import type { ListServer } from './list.ts';
import { sendServed } from './response-writer.ts';
import { parseSelection, type Selection } from './selection.ts';

/** The objects of one such kind. `namespace` is '' for those of all namespaces, and of the cluster. */
export interface ComputedObjects {
  readonly kind: Kind;
  /** Rejects with a 404 StatusError when there is none of this name. */
  get(namespace: string, name: string, signal: AbortSignal): KubeObject | Promise<KubeObject>;
  /** At least those that are selected; whatever else it returns is left out. Each is made when it is asked for. */
  list(
    namespace: string,
    selection: Selection,
    signal: AbortSignal,
  ): Iterable<KubeObject> | Promise<Iterable<KubeObject>>;
}

export interface ComputedVerbs {
  readonly get: VerbHandler;
  readonly list: VerbHandler;
}

/** So many objects are made at a time. */
const BATCH = 256;

export const computedVerbs = (objects: ComputedObjects, lists: ListServer): ComputedVerbs => ({
  get: async (request, resource) => {
    const object = await objects.get(request.namespace, request.info.name, request.gone);
    sendServed(request, resource, 200, resource.encode(object).bytes);
  },
  list: async (request, resource) => {
    const selection = parseSelection(resource, request.info);
    const made = await objects.list(request.namespace, selection, request.gone);
    const entries: Entry[] = [];
    let count = 0;
    for (const object of made) {
      const entry = entryOf(object, resource);
      if (selection.matches(entry)) entries.push(entry);
      // Other requests go on meanwhile.
      if (++count % BATCH === 0) await nextTurn();
    }
    return lists.send(request, resource, { entries, metadata: {} });
  },
});

function entryOf(object: KubeObject, resource: ServedResource): Entry {
  const { namespace = '', name = '', labels = {} } = object.metadata ?? {};
  const { bytes } = resource.encode(object);
  return { key: entryKey(namespace, name), namespace, name, bytes, revision: 0, labels, fields: [] };
}
