/** The Services and EndpointSlices of the cluster, read once for the rules of Services and for DNS. */
import type { IpFamily } from '../../api/domain/address.ts';
import type { Service } from '../../api/types/core/v1.gen.ts';
import type { EndpointSlice } from '../../api/types/discovery/v1.gen.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { Informer } from '../../client/informer.ts';
import type { Logger } from '../../client/logger.ts';
import { endpointSlices, services } from '../../client/resources.gen.ts';
import { announcedFacts } from './announcer/announced-facts.ts';
import { dnsFacts, type DnsFacts } from './dns/dns-facts.ts';
import { serviceFacts, sliceFacts, type ServiceFacts, type SliceFacts } from './services/model/service-facts.ts';

export interface ServiceCacheOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  readonly nodeName: string;
  /** Those that the node has rules of. */
  readonly families: readonly IpFamily[];
  /** The node may not see the endpoints of Services. */
  readonly onForbidden?: () => void;
}

export interface CachedService {
  /** For rules. */
  readonly facts: ServiceFacts | undefined;
  readonly dns: DnsFacts;
  /** The addresses of the load balancer that this node is to announce. */
  readonly announced: readonly string[] | undefined;
}

/** The key of the Service that a slice belongs to. */
export const serviceKeyOf = ({ namespace, service }: SliceFacts): string => `${namespace}/${service}`;

export class ServiceCache {
  readonly services: Informer<Service, CachedService>;
  /** Indexed by `service`. */
  readonly slices: Informer<EndpointSlice, SliceFacts>;

  constructor({ client, logger, nodeName, families, onForbidden }: ServiceCacheOptions) {
    this.services = new Informer({
      ...{ client, logger, resource: services },
      select: (service) => ({
        facts: serviceFacts(service, families),
        dns: dnsFacts(service),
        announced: announcedFacts(service, nodeName),
      }),
    });
    this.slices = new Informer({
      ...{ client, logger, resource: endpointSlices, onForbidden },
      select: (slice) => sliceFacts(slice, nodeName),
      indexes: { service: (slice) => [serviceKeyOf(slice)] },
    });
  }

  /** Calls `changed` with the key of each Service that has changed, or whose endpoints have. */
  onChange(changed: (key: string) => void): void {
    this.services.addHandlers({
      onAdd: (_, key) => changed(key),
      onUpdate: (_, __, key) => changed(key),
      onDelete: (_, key) => changed(key),
    });
    this.slices.addHandlers({
      onAdd: (slice) => changed(serviceKeyOf(slice)),
      onUpdate: (old, slice) => {
        changed(serviceKeyOf(old));
        changed(serviceKeyOf(slice));
      },
      onDelete: (slice) => changed(serviceKeyOf(slice)),
    });
  }

  /** Rejects when it is stopped before. */
  async hasSynced(): Promise<void> {
    await Promise.all([this.services.hasSynced(), this.slices.hasSynced()]);
  }

  /** Until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.services.run(signal), this.slices.run(signal)]);
  }
}
