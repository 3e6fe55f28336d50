/** The objects of the cluster that the compiler reads, kept in sync. */
import type { ConfigMap, Secret, Service } from '../../../api/types/core/v1.gen.ts';
import type { EndpointSlice } from '../../../api/types/discovery/v1.gen.ts';
import type { Ingress, IngressClass } from '../../../api/types/networking/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { DeadlineError, withDeadline } from '../../../client/deadline.ts';
import { Informer, objectKey } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import {
  configMaps,
  endpointSlices,
  ingressClasses,
  ingresses,
  secrets,
  services,
} from '../../../client/resources.gen.ts';
import type { GatewayView } from '../gateway/view.ts';
import type { ServiceFacts } from '../model/cluster-view.ts';
import { serviceFacts, sliceFacts, type KeptSlice } from './facts.ts';
import { GatewayObjects } from './gateway-objects.ts';
import { NamedObjects } from './named-objects.ts';

export interface ClusterObjectsOptions {
  readonly client: ApiClient;
  readonly refreshMs: number;
  readonly logger: Logger;
  /** Called after each change. */
  readonly onChange: () => void;
}

/** How long a round waits for objects that it has asked for first. */
const READ_LIMIT_MS = 1_000;

export class ClusterObjects implements GatewayView {
  /** Those of the Gateway API. */
  readonly gatewayApi: GatewayObjects;
  readonly #ingresses: Informer<Ingress>;
  readonly #classes: Informer<IngressClass>;
  readonly #services: Informer<Service, ServiceFacts>;
  readonly #slices: Informer<EndpointSlice, KeptSlice>;
  readonly #secrets: NamedObjects<Secret>;
  readonly #configMaps: NamedObjects<ConfigMap>;

  constructor({ client, refreshMs, logger, onChange }: ClusterObjectsOptions) {
    this.#ingresses = new Informer<Ingress>({ client, resource: ingresses, logger });
    this.#classes = new Informer<IngressClass>({ client, resource: ingressClasses, logger });
    this.#services = new Informer({ client, resource: services, logger, select: serviceFacts });
    this.#slices = new Informer({
      ...{ client, resource: endpointSlices, logger, select: sliceFacts },
      indexes: { service: ({ namespace, service }) => [objectKey(namespace, service)] },
    });
    const handlers = { onAdd: onChange, onUpdate: onChange, onDelete: onChange };
    this.#ingresses.addHandlers({
      ...handlers,
      // The controller's own writes to the status concern nobody.
      onUpdate: (old, now) => {
        if (!isSameButStatus(old, now)) onChange();
      },
    });
    for (const informer of [this.#classes, this.#services, this.#slices]) informer.addHandlers(handlers);
    this.gatewayApi = new GatewayObjects({ client, logger, onChange });
    const named = { client, refreshMs, logger, onChange };
    this.#secrets = new NamedObjects<Secret>({ ...named, resource: secrets });
    this.#configMaps = new NamedObjects<ConfigMap>({ ...named, resource: configMaps });
  }

  async run(signal: AbortSignal): Promise<void> {
    const parts = [this.#ingresses, this.#classes, this.#services, this.#slices, this.#secrets, this.#configMaps];
    await Promise.all([...parts, this.gatewayApi].map((part) => part.run(signal)));
  }

  async hasSynced(): Promise<void> {
    const all = [this.#ingresses, this.#classes, this.#services, this.#slices, this.gatewayApi];
    await Promise.all(all.map((each) => each.hasSynced()));
  }

  get ingresses(): Iterable<Ingress> {
    return this.#ingresses.values();
  }
  get classes(): Iterable<IngressClass> {
    return this.#classes.values();
  }
  get gatewayClasses(): GatewayView['gatewayClasses'] {
    return this.gatewayApi.gatewayClasses;
  }
  get gateways(): GatewayView['gateways'] {
    return this.gatewayApi.gateways;
  }
  get httpRoutes(): GatewayView['httpRoutes'] {
    return this.gatewayApi.httpRoutes;
  }
  get grpcRoutes(): GatewayView['grpcRoutes'] {
    return this.gatewayApi.grpcRoutes;
  }
  get tlsRoutes(): GatewayView['tlsRoutes'] {
    return this.gatewayApi.tlsRoutes;
  }
  get listenerSets(): GatewayView['listenerSets'] {
    return this.gatewayApi.listenerSets;
  }
  get backendTlsPolicies(): GatewayView['backendTlsPolicies'] {
    return this.gatewayApi.backendTlsPolicies;
  }
  get referenceGrants(): GatewayView['referenceGrants'] {
    return this.gatewayApi.referenceGrants;
  }
  namespaceLabels(name: string): Readonly<Record<string, string>> | undefined {
    return this.gatewayApi.namespaceLabels(name);
  }
  ingress(key: string): Ingress | undefined {
    return this.#ingresses.getByKey(key);
  }
  service(namespace: string, name: string): ServiceFacts | undefined {
    return this.#services.get(namespace, name);
  }
  slices(namespace: string, service: string): readonly KeptSlice[] {
    return this.#slices.byIndex('service', objectKey(namespace, service));
  }
  secret(namespace: string, name: string): Secret | 'unknown' | undefined {
    return this.#secrets.get(namespace, name);
  }
  configMap(namespace: string, name: string): ConfigMap | 'unknown' | undefined {
    return this.#configMaps.get(namespace, name);
  }

  /** Compiles, and once more when objects were named that had not been read yet: they are read first, if that does not take long. */
  async compiled<T>(compile: () => T, signal: AbortSignal): Promise<T> {
    const named = [this.#secrets, this.#configMaps];
    for (const each of named) each.beginRound();
    const first = compile();
    for (const each of named) each.endRound();
    if (named.every((each) => each.isSettled)) return first;
    try {
      await withDeadline({ what: 'named objects', limitMs: READ_LIMIT_MS, signal }, () =>
        Promise.all(named.map((each) => each.settled())),
      );
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
    }
    return compile();
  }
}

const isSameButStatus = (old: Ingress, now: Ingress): boolean =>
  old.metadata?.uid === now.metadata?.uid &&
  old.metadata?.generation === now.metadata?.generation &&
  old.metadata?.deletionTimestamp === now.metadata?.deletionTimestamp &&
  JSON.stringify(old.metadata?.annotations) === JSON.stringify(now.metadata?.annotations);
