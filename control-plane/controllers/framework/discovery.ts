/** Which resources the api-server serves at the moment, those of CustomResourceDefinitions included. */
import type { ApiClient } from '../../../client/api-client.ts';
import type { Resource } from '../../../client/resource.ts';

export interface DiscoveredResource extends Resource {
  readonly verbs: readonly string[];
}

/** Names a resource across versions. */
export const resourceId = ({ group, plural }: Resource): string => `${plural}.${group}`;

/** The aggregated document: one request instead of one for each group version. */
const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** What is read of `apidiscovery.k8s.io/v2`. */
interface GroupDiscoveryList {
  readonly items: readonly {
    readonly metadata?: { readonly name?: string };
    readonly versions?: readonly VersionDiscovery[];
  }[];
}

interface VersionDiscovery {
  readonly version: string;
  readonly resources?: readonly {
    readonly resource: string;
    readonly responseKind: { readonly kind: string };
    readonly scope: string;
    readonly verbs: readonly string[];
  }[];
  readonly freshness?: string;
}

/**
 * Every resource (no subresources) in the preferred version of its group. Groups that do not answer (an aggregated api-server
 * that is down) are in `failed`.
 * https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery
 */
export async function discoverResources(
  client: ApiClient,
  signal: AbortSignal,
): Promise<{ readonly resources: DiscoveredResource[]; readonly failed: readonly string[] }> {
  const documents = await Promise.all(
    ['/api', '/apis'].map(async (path) => {
      const { body } = await client.request('GET', path, { accept: AGGREGATED, signal });
      return JSON.parse(body) as GroupDiscoveryList;
    }),
  );
  const resources: DiscoveredResource[] = [];
  const failed: string[] = [];
  for (const { metadata, versions } of documents.flatMap(({ items }) => items)) {
    const group = metadata?.name ?? '';
    const preferred = versions?.[0];
    if (preferred?.freshness === 'Stale') failed.push(`/apis/${group}/${preferred.version}`);
    else if (preferred) resources.push(...servedResources(group, preferred));
  }
  return { resources, failed };
}

const servedResources = (group: string, { version, resources = [] }: VersionDiscovery): DiscoveredResource[] =>
  resources.map(({ resource: plural, responseKind: { kind }, scope, verbs }) => ({
    group,
    version,
    plural,
    kind,
    namespaced: scope === 'Namespaced',
    verbs,
  }));
