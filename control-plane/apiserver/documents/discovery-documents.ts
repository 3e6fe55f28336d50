/** The documents of discovery: plain and aggregated. */
import { createHash } from 'node:crypto';
import { apiVersionOf } from '../../../api/machinery/define-kind.ts';
import type { Kind, KubeObject, Subresource, Verb } from '../../../api/machinery/kind.ts';
import { cachedKind } from '../../../api/machinery/stored-as.ts';
import type { RemoteVersion } from './remote-discovery.ts';
import type { APIGroup, APIGroupList, APIResource, APIResourceList } from '../../../api/types/meta/v1.gen.ts';

export interface GroupKinds {
  readonly group: string;
  /** The preferred version first. */
  readonly versions: ReadonlyMap<string, readonly Kind[]>;
}

/** In the registry's order. */
export function groupKinds(kinds: readonly Kind[]): GroupKinds[] {
  const groups = new Map<string, Map<string, Kind[]>>();
  for (const kind of kinds) {
    const versions = groups.get(kind.group) ?? new Map<string, Kind[]>();
    groups.set(kind.group, versions);
    const found = versions.get(kind.version) ?? [];
    versions.set(kind.version, found);
    found.push(kind);
  }
  return [...groups].map(([group, versions]) => ({ group, versions }));
}

function apiGroup({ group, versions }: GroupKinds): APIGroup {
  const served = [...versions.keys()].map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: served, preferredVersion: served[0] };
}

/** @param others versions of other servers, in groups of their own or of this one. */
export function apiGroupList(groups: readonly GroupKinds[], others: readonly RemoteVersion[] = []): APIGroupList {
  const all = new Map(groups.map((known) => [known.group, apiGroup(known)]));
  for (const { group, version } of others) {
    const served = { groupVersion: `${group}/${version}`, version };
    const known = all.get(group);
    if (!known) all.set(group, { name: group, versions: [served], preferredVersion: served });
    else if (!known.versions.some((one) => one.version === version)) known.versions.push(served);
  }
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: [...all.values()] };
}

/** Clients are not told of writes to a kind that is going, which are served for the sake of finalizers. */
const verbsOf = ({ verbs, custom }: Kind): readonly Verb[] =>
  custom?.isTerminating ? verbs.filter((verb) => !['create', 'patch', 'update'].includes(verb)) : verbs;

export function apiResourceList(kinds: readonly Kind[]): APIResourceList {
  const resources = kinds.flatMap((kind): APIResource[] => [
    {
      name: kind.plural,
      singularName: kind.singular,
      namespaced: kind.namespaced,
      kind: kind.kind,
      verbs: [...verbsOf(kind)],
      ...(kind.shortNames.length > 0 && { shortNames: [...kind.shortNames] }),
      ...(kind.categories.length > 0 && { categories: [...kind.categories] }),
      ...(kind.verbs.includes('list') && { storageVersionHash: storageVersionHash(kind) }),
    },
    ...kind.subresources.map((subresource) => ({
      name: `${kind.plural}/${subresource.name}`,
      singularName: '',
      namespaced: kind.namespaced,
      // Only when they differ from the list's.
      ...(subresource.group !== undefined &&
        subresource.group !== kind.group && { group: subresource.group, version: subresource.version }),
      kind: subresource.kind ?? kind.kind,
      verbs: [...subresource.verbs],
    })),
  ]);
  const [first] = kinds;
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: first ? apiVersionOf(first) : '',
    resources: resources.sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** Changes when objects are stored in another version; upstream's `discovery.StorageVersionHash`. */
function storageVersionHash(served: Kind): string {
  const { group, kind, version: cached } = cachedKind(served);
  const version = served.custom?.conversion?.storageVersion ?? cached;
  return createHash('sha256').update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString('base64');
}

/** `apidiscovery.k8s.io/v2` and, in the same form, `v2beta1`. */
export function aggregatedDiscovery(
  groups: readonly GroupKinds[],
  version: string,
  others: readonly RemoteVersion[] = [],
): object {
  const items = new Map(groups.map((known) => [known.group, groupDiscovery(known)]));
  for (const { group, ...served } of others) {
    const item = items.get(group) ?? { metadata: { name: group, creationTimestamp: null }, versions: [] };
    items.set(group, item);
    if (!item.versions.some((one) => one.version === served.version)) item.versions.push(served);
  }
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: [...items.values()],
  };
}

interface VersionDiscovery {
  readonly version: string;
  readonly resources: readonly object[];
  readonly freshness: string;
}

interface GroupDiscovery {
  readonly metadata: object;
  readonly versions: VersionDiscovery[];
}

const groupDiscovery = ({ group, versions }: GroupKinds): GroupDiscovery => ({
  metadata: { ...(group && { name: group }), creationTimestamp: null },
  versions: [...versions].map(([served, kinds]) => ({
    version: served,
    resources: kinds.map(aggregatedResource).sort((a, b) => (a.resource < b.resource ? -1 : 1)),
    freshness: 'Current',
  })),
});

const aggregatedResource = (kind: Kind) => ({
  resource: kind.plural,
  responseKind: { group: kind.group, version: kind.version, kind: kind.kind },
  scope: kind.namespaced ? 'Namespaced' : 'Cluster',
  singularResource: kind.singular,
  verbs: verbsOf(kind),
  ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
  ...(kind.categories.length > 0 && { categories: kind.categories }),
  ...(kind.subresources.length > 0 && {
    subresources: kind.subresources.map((subresource) => aggregatedSubresource(kind, subresource)),
  }),
});

/** The group and version of its kind are empty unless they differ from the resource's, as upstream. */
function aggregatedSubresource(
  parent: Kind,
  { name, verbs, group, version = '', kind }: Subresource<KubeObject>,
): object {
  const differs = group !== undefined && group !== parent.group;
  const responseKind = { group: differs ? group : '', version: differs ? version : '', kind: kind ?? parent.kind };
  return { subresource: name, responseKind, verbs };
}
