/**
 * The configMaps and secrets that the pods of this node use, and no others: the node authorizer allows no more, and it saves
 * memory. An object is watched from its first read until the last pod that references it is gone.
 */
import { isNotFound } from '../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import type { Logger } from '../../../client/logger.ts';
import type { Resource } from '../../../client/resource.ts';
import { configMaps, secrets } from '../../../client/resources.gen.ts';
import { FollowedObject } from './followed-object.ts';
import type { ObjectSource } from './object-source.ts';
import type { ConfigMap, Container, Pod, Secret } from '../../../api/types/core/v1.gen.ts';

/** An ObjectSource that watches the objects of the registered pods. */
export interface PodObjectSource extends ObjectSource {
  /** Registers a pod: its objects are watched from their first read. Idempotent. */
  follow(pod: Pod): void;
  unfollow(podUid: string): void;
}

export interface ApiObjectSourceOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  /** An object that the pod references has changed. */
  readonly onChange: (podUid: string) => void;
}

type Named = 'configMap' | 'secret';
interface Entry {
  readonly pods: Set<string>;
  readonly configMap?: FollowedObject<ConfigMap>;
  readonly secret?: FollowedObject<Secret>;
}

const keyOf = (kind: Named, namespace: string, name: string): string => `${kind}/${namespace}/${name}`;

export class ApiObjectSource implements PodObjectSource, Disposable {
  readonly #options: ApiObjectSourceOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #keysOfPod = new Map<string, readonly string[]>();

  constructor(options: ApiObjectSourceOptions) {
    this.#options = options;
  }

  async configMap(namespace: string, name: string, signal: AbortSignal): Promise<ConfigMap | undefined> {
    const followed = this.#entries.get(keyOf('configMap', namespace, name))?.configMap;
    return followed ? followed.read(signal) : this.#getOnce(configMaps, namespace, name, signal);
  }

  async secret(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined> {
    const followed = this.#entries.get(keyOf('secret', namespace, name))?.secret;
    return followed ? followed.read(signal) : this.#getOnce(secrets, namespace, name, signal);
  }

  async #getOnce<T extends ConfigMap | Secret>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    try {
      return await this.#options.client.get(resource, namespace, name, { signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  follow(pod: Pod): void {
    const { uid = '', namespace = '' } = pod.metadata ?? {};
    if (this.#keysOfPod.has(uid)) return;
    const named = [...namedBy(pod)];
    this.#keysOfPod.set(
      uid,
      named.map(([kind, name]) => keyOf(kind, namespace, name)),
    );
    for (const [kind, name] of named) {
      const key = keyOf(kind, namespace, name);
      const entry = this.#entries.get(key) ?? this.#open(kind, namespace, name);
      entry.pods.add(uid);
      this.#entries.set(key, entry);
    }
  }

  #open(kind: Named, namespace: string, name: string): Entry {
    const { client, logger, onChange } = this.#options;
    const pods = new Set<string>();
    const tellPods = (): void => pods.forEach(onChange);
    const common = { client, logger, namespace, name, onChange: tellPods };
    return kind === 'configMap'
      ? { pods, configMap: new FollowedObject({ ...common, resource: configMaps }) }
      : { pods, secret: new FollowedObject({ ...common, resource: secrets }) };
  }

  unfollow(podUid: string): void {
    for (const key of this.#keysOfPod.get(podUid) ?? []) {
      const entry = this.#entries.get(key);
      entry?.pods.delete(podUid);
      if (entry?.pods.size !== 0) continue;
      entry.configMap?.[Symbol.dispose]();
      entry.secret?.[Symbol.dispose]();
      this.#entries.delete(key);
    }
    this.#keysOfPod.delete(podUid);
  }

  [Symbol.dispose](): void {
    for (const podUid of [...this.#keysOfPod.keys()]) this.unfollow(podUid);
  }
}

/** Every configMap and secret that a pod references: volumes, environment, image pull secrets. With duplicates. */
function* namedBy({ spec }: Pod): Generator<[Named, string]> {
  for (const { configMap, secret, projected } of spec?.volumes ?? []) {
    if (configMap?.name) yield ['configMap', configMap.name];
    if (secret?.secretName) yield ['secret', secret.secretName];
    for (const source of projected?.sources ?? []) {
      if (source.configMap?.name) yield ['configMap', source.configMap.name];
      if (source.secret?.name) yield ['secret', source.secret.name];
    }
  }
  const containers: Pick<Container, 'env' | 'envFrom'>[] = [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  for (const { env, envFrom } of containers) {
    for (const { configMapRef, secretRef } of envFrom ?? []) {
      if (configMapRef?.name) yield ['configMap', configMapRef.name];
      if (secretRef?.name) yield ['secret', secretRef.name];
    }
    for (const { valueFrom } of env ?? []) {
      if (valueFrom?.configMapKeyRef?.name) yield ['configMap', valueFrom.configMapKeyRef.name];
      if (valueFrom?.secretKeyRef?.name) yield ['secret', valueFrom.secretKeyRef.name];
    }
  }
  for (const { name } of spec?.imagePullSecrets ?? []) if (name) yield ['secret', name];
}
