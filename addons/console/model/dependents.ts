/** What the garbage collector deletes with an object. https://kubernetes.io/docs/concepts/architecture/garbage-collection/ */
import type { OwnerReference } from './object.ts';
import type { ResourceName } from './route.ts';

export interface Known extends ResourceName {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly owners: readonly OwnerReference[];
}

/** Objects that have no owner left when this one goes, and so on. Others that are not known count as being there. */
export function dependentsOf(uid: string, all: readonly Known[]): Known[] {
  const gone = new Set([uid]);
  const result: Known[] = [];
  let left = all.filter(({ owners }) => owners.length > 0);
  for (let found = true; found;) {
    const [going, staying] = [[], []] as [Known[], Known[]];
    for (const one of left) (one.owners.every((owner) => gone.has(owner.uid)) ? going : staying).push(one);
    for (const one of going) gone.add(one.uid);
    result.push(...going);
    left = staying;
    found = going.length > 0;
  }
  return result;
}

/** Those that have the object among their owners. */
export const ownedBy = (uid: string, all: readonly Known[]): Known[] =>
  all.filter(({ owners }) => owners.some((owner) => owner.uid === uid));
