/** Which resources the api-server serves at the moment, those of CustomResourceDefinitions included. */
import type { ApiClient } from '../../../client/api-client.ts';
import type { Resource } from '../../../client/resource.ts';
import type { APIGroupList, APIResourceList } from '../../../api/types/meta/v1.gen.ts';

export interface DiscoveredResource extends Resource {
  readonly verbs: readonly string[];
}

/** Names a resource across versions. */
export const resourceId = ({ group, plural }: Resource): string => `${plural}.${group}`;

/**
 * Every resource (no subresources) in the preferred version of its group. Groups that do not answer (an aggregated api-server
 * that is down) are in `failed`.
 */
export async function discoverResources(
  client: ApiClient,
  signal: AbortSignal,
): Promise<{ readonly resources: DiscoveredResource[]; readonly failed: readonly string[] }> {
  const groups = JSON.parse((await client.request('GET', '/apis', { signal })).body) as APIGroupList;
  const versions = groups.groups.flatMap(({ preferredVersion, versions }) => {
    const version = preferredVersion ?? versions[0];
    return version ? [version.groupVersion] : [];
  });
  const paths = ['/api/v1', ...versions.map((version) => `/apis/${version}`)];
  const answers = await Promise.allSettled(paths.map((path) => client.request('GET', path, { signal })));
  const resources: DiscoveredResource[] = [];
  const failed: string[] = [];
  for (const [index, answer] of answers.entries()) {
    if (answer.status === 'rejected') failed.push(paths[index]!);
    else resources.push(...servedResources(JSON.parse(answer.value.body) as APIResourceList));
  }
  signal.throwIfAborted();
  return { resources, failed };
}

function servedResources({ groupVersion, resources }: APIResourceList): DiscoveredResource[] {
  const slash = groupVersion.indexOf('/');
  const group = slash < 0 ? '' : groupVersion.slice(0, slash);
  const version = groupVersion.slice(slash + 1);
  return resources
    .filter(({ name }) => !name.includes('/'))
    .map(({ name: plural, kind, namespaced, verbs }) => ({ group, version, plural, kind, namespaced, verbs }));
}
