/** Which resource objects of some kind are, as far as it can be scaled: custom resources, too. */
import { isNotFound } from '../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { pathSegment, type Resource } from '../../../client/resource.ts';
import { groupOf } from './owner-references.ts';

/** What is read of an `APIResourceList`. */
interface ApiResourceList {
  readonly resources?: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

export interface KindReference {
  readonly apiVersion: string;
  readonly kind: string;
}

export interface DiscoveredKind {
  readonly resource: Resource;
  /** Whether it has the scale subresource. */
  readonly isScalable: boolean;
}

/** Undefined when the kind is not served in this version. */
export async function discoverKind(
  { apiVersion, kind }: KindReference,
  { client, signal }: { readonly client: Pick<ApiClient, 'request'>; readonly signal: AbortSignal },
): Promise<DiscoveredKind | undefined> {
  const served = await servedBy(apiVersion, client, signal);
  const found = served.find((each) => each.kind === kind && !each.name.includes('/'));
  if (!found) return undefined;
  const { name: plural, namespaced } = found;
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
  return {
    resource: { group: groupOf(apiVersion), version, kind, plural, namespaced },
    isScalable: served.some(({ name }) => name === `${plural}/scale`),
  };
}

/** The resources and subresources of a group version; none when it is not served. */
async function servedBy(
  apiVersion: string,
  client: Pick<ApiClient, 'request'>,
  signal: AbortSignal,
): Promise<NonNullable<ApiResourceList['resources']>> {
  try {
    // Whoever writes a reference writes its apiVersion: it is no path yet.
    const path = [apiVersion.includes('/') ? '/apis' : '/api', ...apiVersion.split('/').map(pathSegment)].join('/');
    const { body } = await client.request('GET', path, { signal });
    return (JSON.parse(body) as ApiResourceList).resources ?? [];
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}
