/** Reads and changes how many replicas the target of an autoscaler is to have, by its scale subresource. */
import { isConflict, isNotFound } from '../../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../../client/api-client.ts';
import { pathSegment, resourcePath, type Resource } from '../../../../client/resource.ts';
import { groupOf } from '../../framework/owner-references.ts';
import { discoverKind, type KindReference } from '../../framework/scale-resource.ts';
import type { Scale } from '../../../../api/types/autoscaling/v1.gen.ts';
import type { CrossVersionObjectReference } from '../../../../api/types/autoscaling/v2.gen.ts';
import type { APIGroup } from '../../../../api/types/meta/v1.gen.ts';

/** How long what discovery has said is believed. */
const KNOWN_MS = 5 * 60_000;
/** Kinds of targets that are known at a time; the oldest is forgotten. */
const MAX_KNOWN = 1000;
/** client-go's `retry.DefaultRetry`. */
const ATTEMPTS = 5;

interface Known {
  readonly resource: Resource;
  readonly atMs: number;
}

export interface Target {
  readonly resource: Resource;
  readonly scale: Scale;
}

/** Finds the resources of kinds that objects refer to. */
export class ResourceMapper {
  readonly #client: Pick<ApiClient, 'request'>;
  readonly #known = new Map<string, Known>();

  constructor(client: Pick<ApiClient, 'request'>) {
    this.#client = client;
  }

  /** In the version of the reference, or else in the preferred one of its group. Throws an Error when there is none. */
  async find({ apiVersion = 'v1', kind }: Partial<KindReference>, signal: AbortSignal): Promise<Resource> {
    const key = `${apiVersion} ${kind}`;
    const known = this.#known.get(key);
    if (known && performance.now() - known.atMs < KNOWN_MS) return known.resource;
    this.#known.delete(key);
    const resource = await this.#discover({ apiVersion, kind: kind ?? '' }, signal);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size < MAX_KNOWN) break;
      this.#known.delete(oldest);
    }
    this.#known.set(key, { resource, atMs: performance.now() });
    return resource;
  }

  /** Asks anew the next time: it is not there any more. */
  forget({ apiVersion = 'v1', kind }: Partial<KindReference>): void {
    this.#known.delete(`${apiVersion} ${kind}`);
  }

  async #discover({ apiVersion, kind }: KindReference, signal: AbortSignal): Promise<Resource> {
    const options = { client: this.#client, signal };
    const group = groupOf(apiVersion);
    const found =
      (await discoverKind({ apiVersion, kind }, options)) ??
      (group ? await discoverKind({ apiVersion: await this.#preferred(group, signal), kind }, options) : undefined);
    if (found) return found.resource;
    throw new Error(`no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`);
  }

  /** The group version that is preferred; one that nobody serves when the group is not there. */
  async #preferred(group: string, signal: AbortSignal): Promise<string> {
    try {
      const { body } = await this.#client.request('GET', `/apis/${pathSegment(group)}`, { signal });
      return (JSON.parse(body) as Partial<APIGroup>).preferredVersion?.groupVersion ?? `${group}/`;
    } catch (error) {
      if (isNotFound(error)) return `${group}/`;
      throw error;
    }
  }
}

export class ScaleTargets {
  readonly #client: Pick<ApiClient, 'request'>;
  readonly #mapper: ResourceMapper;

  constructor(client: Pick<ApiClient, 'request'>, mapper: ResourceMapper) {
    this.#client = client;
    this.#mapper = mapper;
  }

  /** Throws a StatusError, or an Error when the kind is not served. */
  async get(namespace: string, target: CrossVersionObjectReference, signal: AbortSignal): Promise<Target> {
    const resource = await this.#mapper.find(target, signal);
    try {
      return { resource, scale: await this.#read(resource, namespace, target.name, signal) };
    } catch (error) {
      if (isNotFound(error)) this.#mapper.forget(target);
      throw error;
    }
  }

  /** Whoever else changes the target meanwhile does not prevent it. Throws a StatusError. */
  async setReplicas({ resource, scale }: Target, replicas: number, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '' } = scale.metadata ?? {};
    let current = scale;
    for (let attempt = 1; ; attempt++) {
      const body = { ...current, spec: { ...current.spec, replicas } };
      try {
        await this.#client.request('PUT', resourcePath(resource, namespace, name, 'scale'), { body, signal });
        return;
      } catch (error) {
        if (!isConflict(error) || attempt === ATTEMPTS) throw error;
      }
      current = await this.#read(resource, namespace, name, signal);
    }
  }

  async #read(resource: Resource, namespace: string, name: string, signal: AbortSignal): Promise<Scale> {
    const path = resourcePath(resource, namespace, name, 'scale');
    return JSON.parse((await this.#client.request('GET', path, { signal })).body) as Scale;
  }
}
