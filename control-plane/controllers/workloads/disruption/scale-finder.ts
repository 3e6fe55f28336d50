/** How many pods their controllers are to have: from the caches, or by the scale subresource, which custom resources can have. */
import { groupResource } from '../../../../api/machinery/define-kind.ts';
import type { ApiClient } from '../../../../client/api-client.ts';
import type { Informer } from '../../../../client/informer.ts';
import { resourcePath, type Resource } from '../../../../client/resource.ts';
import * as resources from '../../../../client/resources.gen.ts';
import { unlessNotFound } from '../../framework/outcomes.ts';
import { controllerOf, refersTo } from '../../framework/owner-references.ts';
import { discoverKind } from '../../framework/scale-resource.ts';
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
    const found = await discoverKind({ apiVersion, kind }, { client: this.#client, signal });
    if (!found) throw new Error(`no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`);
    const { resource, isScalable } = found;
    if (!isScalable) throw new Error(`${groupResource(resource)} does not implement the scale subresource`);
    const path = resourcePath(resource, namespace, name, 'scale');
    const answer = await unlessNotFound(this.#client.request('GET', path, { signal }));
    if (!answer) return undefined;
    const { metadata, spec } = JSON.parse(answer.body) as Scale;
    return metadata?.uid === uid ? { uid, replicas: spec?.replicas ?? 0 } : undefined;
  }
}

function identical(cache: Cache, namespace: string, { name, uid }: OwnerReference): Workload | undefined {
  const object = cache.get(namespace, name);
  return object?.metadata?.uid === uid ? object : undefined;
}

const scaled = ({ metadata, spec }: Workload): Scaled => ({
  uid: metadata?.uid ?? '',
  replicas: spec?.replicas ?? 1,
});
