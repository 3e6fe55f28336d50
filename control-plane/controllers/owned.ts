/** What ownership and garbage collection need to know of any object. */
import type { KubeObject } from '../../api/machinery/kind.ts';
import type { Interner } from './intern.ts';
import type { OwnerReference } from '../../api/types/meta/v1.gen.ts';

export interface Owned {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly owners: readonly OwnerReference[];
  readonly finalizers: readonly string[];
  readonly deleting: boolean;
}

const NONE: readonly never[] = Object.freeze([]);

export function ownedView({ metadata = {} }: KubeObject, interner: Interner): Owned {
  const { ownerReferences, finalizers } = metadata;
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    owners: ownerReferences?.length ? interner.share(ownerReferences) : NONE,
    finalizers: finalizers?.length ? interner.share(finalizers) : NONE,
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

/** The owner that controls the object: there is at most one. */
export const controllerOf = (owners: readonly OwnerReference[] | undefined): OwnerReference | undefined =>
  owners?.find(({ controller }) => controller);

/** The reference by which `owner` controls an object that it creates. */
export const controllerReference = (apiVersion: string, kind: string, { metadata }: KubeObject): OwnerReference => ({
  apiVersion,
  kind,
  name: metadata?.name ?? '',
  uid: metadata?.uid ?? '',
  controller: true,
  blockOwnerDeletion: true,
});
