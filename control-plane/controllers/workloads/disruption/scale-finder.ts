/** How many pods their controllers are to have: from the caches, or by the scale subresource, which custom resources can have. */
import { isNotFound } from '../../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../../client/api-client.ts';
import type { Informer } from '../../../../client/informer.ts';
import { resourcePath, type Resource } from '../../../../client/resource.ts';
import * as resources from '../../../../client/resources.gen.ts';
import { unlessNotFound } from '../../framework/outcomes.ts';
import { controllerOf, groupOf, refersTo } from '../../framework/owner-references.ts';
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import type { Scale } from '../../../../api/types/autoscaling/v1.gen.ts';
import type { OwnerReference } from '../../../../api/types/meta/v1.gen.ts';

/** A controller and how many pods it is to have. */
export interface Scaled {
  readonly uid: string;
  readonly replicas: number;
}

type Workload = KubeObject & { readonly spec?: { readonly replicas?: number } };
type Cache = Pick<Informer<Workload>, 'get'>;

export interface ScaleFinderOptions {
  readonly client: Pick<ApiClient, 'get' | 'request'>;
  readonly deployments: Cache;
  readonly replicaSets: Cache;
  readonly replicationControllers: Cache;
  readonly statefulSets: Cache;
}

/** What is read of an `APIResourceList`. */
interface ApiResourceList {
  readonly resources?: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

export class ScaleFinder {
  readonly #client: ScaleFinderOptions['client'];
  readonly #cached: readonly (readonly [Resource, Cache])[];
  readonly #deployments: Cache;

  constructor({ client, deployments, replicaSets, replicationControllers, statefulSets }: ScaleFinderOptions) {
    this.#client = client;
    this.#deployments = deployments;
    this.#cached = [
      [resources.replicaSets, replicaSets],
      [resources.replicationControllers, replicationControllers],
      [resources.statefulSets, statefulSets],
    ];
  }

  /** The controller that scales the pods of this one: the Deployment of a ReplicaSet. Undefined when it is gone; throws when it has no scale. */
  async find(reference: OwnerReference, namespace: string, signal: AbortSignal): Promise<Scaled | undefined> {
    for (const [resource, cache] of this.#cached) {
      const object = refersTo(reference, resource) ? identical(cache, namespace, reference) : undefined;
      if (!object) continue;
      const owner = controllerOf(object.metadata?.ownerReferences);
      if (!owner || !refersTo(owner, resources.deployments)) return scaled(object);
      const deployment = identical(this.#deployments, namespace, owner);
      if (deployment) return scaled(deployment);
    }
    return await this.#bySubresource(reference, namespace, signal);
  }

  async #bySubresource(
    { apiVersion, kind, name, uid }: OwnerReference,
    namespace: string,
    signal: AbortSignal,
  ): Promise<Scaled | undefined> {
    const group = groupOf(apiVersion);
    const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
    const served = await this.#servedBy(apiVersion, signal);
    const resource = served.find((each) => each.kind === kind && !each.name.includes('/'));
    if (!resource)
      throw new Error(`no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`);
    const { name: plural, namespaced } = resource;
    if (!served.some((each) => each.name === `${plural}/scale`)) {
      throw new Error(`${group ? `${plural}.${group}` : plural} does not implement the scale subresource`);
    }
    const path = resourcePath({ group, version, kind, plural, namespaced }, namespace, name, 'scale');
    const answer = await unlessNotFound(this.#client.request('GET', path, { signal }));
    if (!answer) return undefined;
    const { metadata, spec } = JSON.parse(answer.body) as Scale;
    return metadata?.uid === uid ? { uid, replicas: spec?.replicas ?? 0 } : undefined;
  }

  /** The resources and subresources of a group version; none when it is not served. */
  async #servedBy(apiVersion: string, signal: AbortSignal): Promise<NonNullable<ApiResourceList['resources']>> {
    const path = apiVersion.includes('/') ? `/apis/${encodePath(apiVersion)}` : `/api/${encodePath(apiVersion)}`;
    try {
      const { body } = await this.#client.request('GET', path, { signal });
      return (JSON.parse(body) as ApiResourceList).resources ?? [];
    } catch (error) {
      if (isNotFound(error)) return [];
      throw error;
    }
  }
}

/** Whoever creates a pod writes its owner references: they are no paths yet. */
const encodePath = (apiVersion: string): string => apiVersion.split('/').map(encodeURIComponent).join('/');

function identical(cache: Cache, namespace: string, { name, uid }: OwnerReference): Workload | undefined {
  const object = cache.get(namespace, name);
  return object?.metadata?.uid === uid ? object : undefined;
}

const scaled = ({ metadata, spec }: Workload): Scaled => ({
  uid: metadata?.uid ?? '',
  replicas: spec?.replicas ?? 1,
});
