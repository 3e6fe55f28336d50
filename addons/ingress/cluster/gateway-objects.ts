/**
 * The objects of the Gateway API, kept in sync where it is installed. A kind that is not served, or that the controller may not read, is
 * looked for again from time to time: its definition may come later, from somebody else.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { isNotFound, StatusError } from '../../../api/machinery/status-error.ts';
import type { Namespace } from '../../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { ConnectionError } from '../../../client/connection-error.ts';
import { DeadlineError } from '../../../client/deadline.ts';
import { Informer } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import type { Resource } from '../../../client/resource.ts';
import { namespaces } from '../../../client/resources.gen.ts';
import type { Route } from '../gateway/attach.ts';
import {
  backendTlsPolicies,
  gatewayClasses,
  gateways,
  grpcRoutes,
  httpRoutes,
  listenerSets,
  referenceGrants,
  tlsRoutes,
  type BackendTLSPolicy,
  type Gateway,
  type GatewayClass,
  type GRPCRoute,
  type HTTPRoute,
  type ListenerSet,
  type ReferenceGrant,
  type TLSRoute,
} from '../gateway/objects.ts';

export interface GatewayObjectsOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  /** Called after each change. */
  readonly onChange: () => void;
}

const FORBIDDEN = 403;
const LOOK_AGAIN_MS = 10_000;
const RETRY_MS = 1_000;

export class GatewayObjects {
  readonly #classes: LateKind<GatewayClass>;
  readonly #gateways: LateKind<Gateway>;
  readonly #httpRoutes: LateKind<HTTPRoute>;
  readonly #grpcRoutes: LateKind<GRPCRoute>;
  readonly #tlsRoutes: LateKind<TLSRoute>;
  readonly #sets: LateKind<ListenerSet>;
  readonly #policies: LateKind<BackendTLSPolicy>;
  readonly #grants: LateKind<ReferenceGrant>;
  readonly #namespaces: LateKind<Namespace, NamespaceLabels>;

  constructor(options: GatewayObjectsOptions) {
    const late = <T extends KubeObject>(resource: Resource<T>) =>
      new LateKind<T>({ ...options, resource, select: (object) => object });
    this.#classes = late(gatewayClasses);
    this.#gateways = late(gateways);
    this.#httpRoutes = late(httpRoutes);
    this.#grpcRoutes = late(grpcRoutes);
    this.#tlsRoutes = late(tlsRoutes);
    this.#sets = late(listenerSets);
    this.#policies = late(backendTlsPolicies);
    this.#grants = late(referenceGrants);
    this.#namespaces = new LateKind<Namespace, NamespaceLabels>({
      ...{ ...options, resource: namespaces },
      select: ({ metadata }) => ({ metadata: { labels: { ...metadata?.labels } } }),
    });
  }

  get #all(): readonly Late[] {
    const routes = [this.#httpRoutes, this.#grpcRoutes, this.#tlsRoutes];
    return [this.#classes, this.#gateways, this.#sets, ...routes, this.#policies, this.#grants, this.#namespaces];
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#all.map((each) => each.run(signal)));
  }

  /** Resolves when each kind has been listed, or is known not to be there. */
  async hasSynced(): Promise<void> {
    await Promise.all(this.#all.map((each) => each.hasSettled()));
  }

  get gatewayClasses(): Iterable<GatewayClass> {
    return this.#classes.values();
  }
  get gateways(): Iterable<Gateway> {
    return this.#gateways.values();
  }
  get httpRoutes(): Iterable<HTTPRoute> {
    return this.#httpRoutes.values();
  }
  get grpcRoutes(): Iterable<GRPCRoute> {
    return this.#grpcRoutes.values();
  }
  get tlsRoutes(): Iterable<TLSRoute> {
    return this.#tlsRoutes.values();
  }
  get listenerSets(): Iterable<ListenerSet> {
    return this.#sets.values();
  }
  get backendTlsPolicies(): Iterable<BackendTLSPolicy> {
    return this.#policies.values();
  }
  get referenceGrants(): Iterable<ReferenceGrant> {
    return this.#grants.values();
  }
  namespaceLabels(name: string): Readonly<Record<string, string>> | undefined {
    return this.#namespaces.get(name)?.metadata.labels;
  }
  gatewayClass(name: string): GatewayClass | undefined {
    return this.#classes.get(name);
  }
  gateway(key: string): Gateway | undefined {
    return this.#gateways.get(key);
  }
  listenerSet(key: string): ListenerSet | undefined {
    return this.#sets.get(key);
  }
  backendTlsPolicy(key: string): BackendTLSPolicy | undefined {
    return this.#policies.get(key);
  }
  route(kind: Route['kind'], key: string): Route['object'] | undefined {
    switch (kind) {
      case 'HTTPRoute':
        return this.#httpRoutes.get(key);
      case 'GRPCRoute':
        return this.#grpcRoutes.get(key);
      case 'TLSRoute':
        return this.#tlsRoutes.get(key);
    }
  }
}

interface NamespaceLabels {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
}
type Kept = Pick<KubeObject, 'metadata'> | NamespaceLabels;

interface Late {
  run(signal: AbortSignal): Promise<void>;
  hasSettled(): Promise<void>;
}

interface LateKindOptions<T extends KubeObject, S> extends GatewayObjectsOptions {
  readonly resource: Resource<T>;
  readonly select: (object: T) => S;
}

/** An informer that begins when its kind is served. */
class LateKind<T extends KubeObject, S extends Kept = T> implements Late {
  readonly #options: LateKindOptions<T, S>;
  readonly #informer: Informer<T, S>;
  readonly #settled = Promise.withResolvers<void>();

  constructor(options: LateKindOptions<T, S>) {
    this.#options = options;
    const { client, resource, logger, select, onChange } = options;
    this.#informer = new Informer<T, S>({ client, resource, logger, select });
    this.#informer.addHandlers({
      ...{ onAdd: onChange, onDelete: onChange },
      onUpdate: (old, now) => {
        if (!isSameButStatus(old, now)) onChange();
      },
      onSynced: () => {
        this.#settled.resolve();
        onChange();
      },
    });
  }

  hasSettled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Nothing before the first list is complete. */
  values(): Iterable<S> {
    return this.#informer.isSynced ? this.#informer.values() : [];
  }

  get(key: string): S | undefined {
    return this.#informer.getByKey(key);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { client, resource, logger } = this.#options;
    const outage = new Outage({ logger });
    while (!signal.aborted) {
      try {
        await client.list(resource, { limit: 1, signal });
        break;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof StatusError || error instanceof ConnectionError || error instanceof DeadlineError))
          throw error;
        const isAbsent = isNotFound(error) || (error instanceof StatusError && error.code === FORBIDDEN);
        if (isAbsent) this.#settled.resolve();
        else outage.failed(error, { resource: resource.plural }, 'failed to look for a kind of the Gateway API');
        await delay(isAbsent ? LOOK_AGAIN_MS : RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
    if (!signal.aborted) await this.#informer.run(signal);
  }
}

/** The controller's own writes to a status concern nobody. */
function isSameButStatus(old: Kept, now: Kept): boolean {
  const [a, b] = [old.metadata, now.metadata] as (KubeObject['metadata'] | undefined)[];
  return (
    a?.uid !== undefined &&
    a.uid === b?.uid &&
    a.generation !== undefined &&
    a.generation === b?.generation &&
    a.deletionTimestamp === b?.deletionTimestamp
  );
}
