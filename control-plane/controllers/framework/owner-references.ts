/** Who owns an object, and what else claiming and garbage collection need to know of any object. */
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { Labels } from '../../../api/machinery/selectors.ts';
import type { Resource } from '../../../client/resource.ts';
import type { Interner } from './interner.ts';
import type { OwnerReference } from '../../../api/types/meta/v1.gen.ts';

export interface Owned {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly owners: readonly OwnerReference[];
  readonly finalizers: readonly string[];
  readonly deleting: boolean;
}

/** An object that a controller may claim by its labels. */
export type Claimable = Pick<Owned, 'namespace' | 'name' | 'uid' | 'owners' | 'deleting'> & { readonly labels: Labels };

const NONE: readonly never[] = Object.freeze([]);
const NO_LABELS: Labels = Object.freeze({});

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

export const claimable = ({ metadata = {} }: KubeObject): Claimable => ({
  namespace: metadata.namespace ?? '',
  name: metadata.name ?? '',
  uid: metadata.uid ?? '',
  owners: metadata.ownerReferences ?? NONE,
  deleting: metadata.deletionTimestamp !== undefined,
  labels: metadata.labels ?? NO_LABELS,
});

/** The owner that controls the object: there is at most one. */
export const controllerOf = (owners: readonly OwnerReference[] | undefined): OwnerReference | undefined =>
  owners?.find(({ controller }) => controller);

/** Whether the reference names an object of this resource, in whatever version. */
export const refersTo = ({ apiVersion, kind }: OwnerReference, resource: Resource): boolean =>
  kind === resource.kind && groupOf(apiVersion) === resource.group;

/** `apps` of `apps/v1`, '' of `v1`. */
export const groupOf = (apiVersion: string): string => apiVersion.slice(0, Math.max(0, apiVersion.indexOf('/')));

export const apiVersionOf = ({ group, version }: Resource): string => (group ? `${group}/${version}` : version);

/** The reference by which `owner`, an object of the resource, controls an object that it creates. */
export const controllerReference = (resource: Resource, { metadata }: KubeObject): OwnerReference => ({
  apiVersion: apiVersionOf(resource),
  kind: resource.kind,
  name: metadata?.name ?? '',
  uid: metadata?.uid ?? '',
  controller: true,
  blockOwnerDeletion: true,
});

/** The value of the index `controller` for objects of a namespace that nobody controls. */
export const orphansOf = (namespace: string): string => `orphans of ${namespace}`;

/** Index `controller` of caches whose objects are claimed: by the uid of their controller. */
export const byController = ({ namespace, owners }: Pick<Owned, 'namespace' | 'owners'>): string[] => [
  controllerOf(owners)?.uid ?? orphansOf(namespace),
];
