/** Paths and queries of the Kubernetes API. */
import type { KubeObject } from '../api/machinery/kind.ts';

/** What the client needs to know of a kind. Every `Kind<T>` is a `Resource<T>`; an object literal will do, too. */
export interface Resource<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly kind: string;
  /** Never called; ties the resource to the type of its objects. */
  applyDefaults?(object: T): void;
}

/** Selects objects for a list, watch or deletecollection. Absent and empty fields select everything. */
export interface Selection {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * The path of an object, a collection (without `name`) or a subresource. An empty namespace of a namespaced kind means all
 * namespaces.
 */
export function resourcePath(
  { group, version, plural, namespaced }: Resource,
  namespace: string | undefined,
  name?: string,
  subresource?: string,
): string {
  let path = group ? `/apis/${group}/${version}` : `/api/${version}`;
  if (namespaced && namespace) path += `/namespaces/${encodeURIComponent(namespace)}`;
  path += `/${plural}`;
  if (name !== undefined) path += `/${encodeURIComponent(name)}`;
  if (subresource) path += `/${subresource}`;
  return path;
}

/** Appends the defined parameters of a query to a path. */
export function withQuery(path: string, query: Query): string {
  let separator = path.includes('?') ? '&' : '?';
  let result = path;
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined || value === '') continue;
    result += `${separator}${key}=${encodeURIComponent(String(value))}`;
    separator = '&';
  }
  return result;
}
