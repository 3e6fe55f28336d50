/**
 * Which object a reference names: not whatever has the uid, but the object of that kind and name in the dependent's namespace, or
 * a cluster-scoped one. https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/
 */
import type { ObjectReference } from '../../../api/types/core/v1.gen.ts';
import type { OwnerReference } from '../../../api/types/meta/v1.gen.ts';
import { apiVersionOf, groupOf, refersTo, type Owned } from '../framework/owner-references.ts';
import type { GraphNode } from './object-graph.ts';

/** Names what a reference of an object in this namespace refers to. */
export const identityOf = ({ apiVersion, kind, name, uid }: OwnerReference, namespace: string): string =>
  [kind, groupOf(apiVersion), namespace, name, uid].join('/');

const isElsewhere = ({ view }: GraphNode, namespace: string): boolean =>
  view.namespace !== '' && view.namespace !== namespace;

/** @param node has the uid that the reference of the dependent gives. */
export const isOwner = (node: GraphNode, owner: OwnerReference, { namespace }: Owned): boolean =>
  owner.name === node.view.name && refersTo(owner, node.resource) && !isElsewhere(node, namespace);

/** The message of upstream's event about a reference to an object in another namespace; undefined for any other reference. */
export function invalidNamespace(node: GraphNode, owner: OwnerReference, { namespace }: Owned): string | undefined {
  if (!isElsewhere(node, namespace)) return undefined;
  const { apiVersion, kind, name, uid } = owner;
  const shown = `[${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}]`;
  return `ownerRef ${shown} does not exist in namespace ${JSON.stringify(namespace)}`;
}

/** For events about the object. */
export const referenceOf = ({ resource, view: { namespace, name, uid } }: GraphNode): ObjectReference => ({
  apiVersion: apiVersionOf(resource),
  kind: resource.kind,
  namespace,
  name,
  uid,
});
