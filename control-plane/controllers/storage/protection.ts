/** What the controllers have in common that keep an object of storage while it is used: its finalizer. */
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { type Informer, splitKey } from '../../../client/informer.ts';
import type { Resource } from '../../../client/resource.ts';
import type { Controller, ControllerContext } from '../framework/controller.ts';
import { unlessNotFound } from '../framework/outcomes.ts';
import type { Owned } from '../framework/owner-references.ts';
import { watch, type Watch } from '../framework/watch.ts';

export interface Protection<T extends KubeObject, S extends Owned> {
  readonly resource: Resource<T>;
  readonly objects: Informer<T, S>;
  readonly finalizer: string;
  /** Asked of objects that are being deleted. */
  readonly isUsed: (object: S, signal: AbortSignal) => boolean | Promise<boolean>;
  /** Events after which an object may not be used any more. */
  readonly releases: () => readonly Watch[];
}

/** What is to be done about the finalizer; undefined: nothing. */
export const finalizerChange = ({ deleting, finalizers }: Owned, finalizer: string): 'add' | 'remove' | undefined => {
  if (deleting === finalizers.includes(finalizer)) return deleting ? 'remove' : 'add';
  return undefined;
};

/** Adds the finalizer where admission has not, and removes it when nothing uses an object that is being deleted. */
export function protect<T extends KubeObject, S extends Owned>(
  { client, queue }: Pick<ControllerContext, 'client' | 'queue'>,
  { resource, objects, finalizer, isUsed, releases }: Protection<T, S>,
): Controller {
  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const object = objects.getByKey(key);
    const change = object && finalizerChange(object, finalizer);
    if (!change || (change === 'remove' && (await isUsed(object, signal)))) return undefined;
    const { namespace, name } = splitKey(key);
    const live = await unlessNotFound(client.get(resource, namespace, name, { signal }));
    if (live?.metadata?.uid !== object.uid) return undefined;
    const finalizers = (live.metadata.finalizers ?? []).filter((each) => each !== finalizer);
    if (change === 'add') finalizers.push(finalizer);
    // With the version that was read: what has been written since counts.
    await unlessNotFound(client.update(resource, { ...live, metadata: { ...live.metadata, finalizers } }, { signal }));
    return undefined;
  }

  const wake = (object: S, key: string): void => {
    if (finalizerChange(object, finalizer)) queue.add(key);
  };
  return {
    watches: () => [watch(objects, { onAdd: wake, onUpdate: (_, object, key) => wake(object, key) }), ...releases()],
    reconcile,
  };
}
