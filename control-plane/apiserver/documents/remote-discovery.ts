/** What discovery tells of group versions that other servers serve. */
import { isJsonObject, own } from '../../../api/machinery/own.ts';

/** More resources than any server has: what a hostile one may add to discovery. */
const MAX_RESOURCES = 1000;

export interface RemoteVersion {
  readonly group: string;
  readonly version: string;
  /** In the form of aggregated discovery. */
  readonly resources: readonly object[];
  readonly freshness: 'Current' | 'Stale';
}

export interface RemoteDiscovery {
  /** By priority, the preferred version of each group first. */
  versions(): readonly RemoteVersion[];
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];

/** Reads the APIResourceList of another server. Throws an Error when it is none. */
export function remoteVersion(group: string, version: string, document: unknown): RemoteVersion {
  const list = isJsonObject(document) ? own(document, 'resources') : undefined;
  if (!Array.isArray(list)) throw new Error('the discovery document has no resources');
  const named = list.slice(0, MAX_RESOURCES).filter(isJsonObject);
  const described = (resource: Record<string, unknown>) => ({
    responseKind: {
      group: text(own(resource, 'group')) || group,
      version: text(own(resource, 'version')) || version,
      kind: text(own(resource, 'kind')),
    },
    verbs: texts(own(resource, 'verbs')),
  });
  const parts = new Map<string, object[]>();
  for (const resource of named) {
    const [parent = '', subresource] = text(own(resource, 'name')).split('/');
    if (subresource === undefined) continue;
    const known = parts.get(parent) ?? [];
    known.push({ subresource, ...described(resource) });
    parts.set(parent, known);
  }
  const resources = named
    .filter((resource) => text(own(resource, 'name')) !== '' && !text(own(resource, 'name')).includes('/'))
    .map((resource) => {
      const name = text(own(resource, 'name'));
      const shortNames = texts(own(resource, 'shortNames'));
      const categories = texts(own(resource, 'categories'));
      const subresources = parts.get(name);
      return {
        resource: name,
        ...described(resource),
        scope: own(resource, 'namespaced') === true ? 'Namespaced' : 'Cluster',
        singularResource: text(own(resource, 'singularName')),
        ...(shortNames.length > 0 && { shortNames }),
        ...(categories.length > 0 && { categories }),
        ...(subresources && { subresources }),
      };
    });
  return { group, version, resources, freshness: 'Current' };
}
