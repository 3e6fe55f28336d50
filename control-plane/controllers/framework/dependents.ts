/** How events of objects wake the controller that owns them, or would adopt them. */
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { selectorFrom } from '../../../api/machinery/selectors.ts';
import { objectKey, type Informer, type InformerHandlers } from '../../../client/informer.ts';
import type { Resource } from '../../../client/resource.ts';
import type { Expectations } from './expectations.ts';
import { controllerOf, refersTo, type Claimable } from './owner-references.ts';
import type { KeyQueue } from './watch.ts';
import type { LabelSelector } from '../../../api/types/meta/v1.gen.ts';

export interface DependentOptions<S> {
  readonly queue: KeyQueue;
  /** Of the owners; in their namespace are also their dependents. */
  readonly ownerResource: Resource;
  readonly claimableOf: (item: S) => Claimable;
  /** The names of the owners in this namespace that would adopt an object with these labels. */
  readonly adopters: (namespace: string, labels: Claimable['labels']) => Iterable<string>;
  /** Whether the change can make a difference to the owner; every change when absent. */
  readonly concerns?: (old: S, item: S) => boolean;
  /** Told of what is created and deleted, by the owner's uid. */
  readonly expectations?: Expectations;
}

/** The owners of a cache that select an object by its labels. The cache has the index `namespace`. */
export const selectingOwners =
  <T extends KubeObject>(
    owners: Pick<Informer<T>, 'byIndex'>,
    selectorOf: (owner: T) => LabelSelector | undefined,
  ): DependentOptions<unknown>['adopters'] =>
  (namespace, labels) =>
    owners
      .byIndex('namespace', namespace)
      .filter((owner) => selectorFrom(selectorOf(owner)).matches(labels))
      .map(({ metadata }) => metadata?.name ?? '');

export function dependentHandlers<S>(options: DependentOptions<S>): InformerHandlers<S> {
  const { queue, ownerResource, claimableOf, adopters, concerns, expectations } = options;
  const wake = ({ namespace, owners, labels }: Claimable): void => {
    const owner = controllerOf(owners);
    if (owner && refersTo(owner, ownerResource)) queue.add(objectKey(namespace, owner.name));
    if (!owner) for (const name of adopters(namespace, labels)) queue.add(objectKey(namespace, name));
  };
  const uidOf = ({ owners }: Claimable): string => controllerOf(owners)?.uid ?? '';
  return {
    onAdd: (item, key) => {
      const dependent = claimableOf(item);
      expectations?.observeCreation(uidOf(dependent), key);
      wake(dependent);
    },
    onUpdate: (old, item, key) => {
      const [before, now] = [claimableOf(old), claimableOf(item)];
      if (now.deleting && !before.deleting) expectations?.observeDeletion(uidOf(now), key);
      const isReleased = uidOf(before) !== '' && uidOf(before) !== uidOf(now);
      if (isReleased) wake(before);
      if (isReleased || !concerns || concerns(old, item)) wake(now);
    },
    onDelete: (item, key) => {
      const dependent = claimableOf(item);
      expectations?.observeDeletion(uidOf(dependent), key);
      wake(dependent);
    },
  };
}
