/** What the server serves. */
import { signal } from '@preact/signals';
import type { ResourceName } from '../model/route.ts';
import { call } from './request.ts';

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

export interface Resource extends ResourceName {
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly subresources: ReadonlySet<string>;
}

/** What is read of `apidiscovery.k8s.io/v2`. */
interface GroupList {
  readonly items?: readonly {
    readonly metadata?: { readonly name?: string };
    readonly versions?: readonly {
      readonly version: string;
      readonly resources?: readonly {
        readonly resource: string;
        readonly responseKind?: { readonly kind?: string };
        readonly scope: string;
        readonly verbs: readonly string[];
        readonly subresources?: readonly { readonly subresource: string }[];
      }[];
    }[];
  }[];
}

/** Each resource in the version that its group prefers. */
export const resources = signal<readonly Resource[]>([]);

/** Rejects with an ApiError. */
export async function discover(): Promise<void> {
  const lists = await Promise.all(['/api', '/apis'].map((path) => call<GroupList>(path, { accept: AGGREGATED })));
  const found = new Map<string, Resource>();
  for (const { items = [] } of lists)
    for (const { metadata, versions = [] } of items)
      for (const { version, resources: served = [] } of versions)
        for (const { resource, responseKind, scope, verbs, subresources = [] } of served) {
          const group = metadata?.name ?? '';
          const key = `${group}/${resource}`;
          if (found.has(key)) continue;
          found.set(key, {
            group,
            version,
            resource,
            kind: responseKind?.kind ?? resource,
            namespaced: scope === 'Namespaced',
            verbs,
            subresources: new Set(subresources.map(({ subresource }) => subresource)),
          });
        }
  resources.value = [...found.values()];
}

export const findResource = (group: string, resource: string): Resource | undefined =>
  resources.value.find((one) => one.group === group && one.resource === resource);

/** By `apiVersion` and `kind`, as objects name each other. */
export function findKind(apiVersion: string, kind: string): Resource | undefined {
  const group = apiVersion.includes('/') ? (apiVersion.split('/', 1)[0] ?? '') : '';
  return resources.value.find((one) => one.group === group && one.kind === kind);
}
