/** Paths and queries of the Kubernetes API. */
import type { KubeObject } from '../api/machinery/kind.ts';
import { validatePathSegmentName } from '../api/machinery/names.ts';
import { notFound, noSuchPath } from '../api/machinery/status-error.ts';

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
 * namespaces. Throws the 404 StatusError of an object that is not there for a name that none can have: it comes from a reference in
 * another object, and the api-server would call the request invalid, as if it were wrong to ask.
 */
export function resourcePath(
  resource: Resource,
  namespace: string | undefined,
  name?: string,
  subresource?: string,
): string {
  const { group, version, plural, namespaced } = resource;
  let path = group ? `/apis/${group}/${version}` : `/api/${version}`;
  if (namespaced && namespace) path += `/namespaces/${encodeURIComponent(namespace)}`;
  path += `/${plural}`;
  if (name !== undefined) {
    if (validatePathSegmentName(name).length > 0) throw notFound(resource, name);
    path += `/${encodeURIComponent(name)}`;
  }
  if (subresource) path += `/${subresource}`;
  return path;
}

/**
 * A segment of a path: of a name that comes from outside, as in a reference or from discovery. Throws the 404 StatusError of a path that
 * nobody serves for a text that would be none, such as `..`.
 */
export function pathSegment(text: string): string {
  if (validatePathSegmentName(text).length > 0) throw noSuchPath();
  return encodeURIComponent(text);
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
