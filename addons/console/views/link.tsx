/** Links to other objects. */
import { findKind, findResource } from '../cluster/discovery.ts';
import { formatRoute } from '../model/route.ts';
import { objectRoute } from './list.tsx';

interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** By group and resource; plain text when the server does not serve it. */
export function ObjectLink({ group, resource, namespace, name }: Named & { group: string; resource: string }) {
  const found = findResource(group, resource);
  if (!found || name === '') return <>{name}</>;
  const place = { namespace: found.namespaced ? namespace : '', name };
  return <a href={formatRoute(objectRoute(found, place))}>{name}</a>;
}

/** By apiVersion and kind, as an owner reference has it. */
export function KindLink({ apiVersion, kind, namespace, name }: Named & { apiVersion: string; kind: string }) {
  const found = findKind(apiVersion, kind);
  return (
    <>
      {kind}{' '}
      {found ? <ObjectLink group={found.group} resource={found.resource} namespace={namespace} name={name} /> : name}
    </>
  );
}
