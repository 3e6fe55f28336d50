/** What is under the listener: the registry over the store, the write path, and the API of the server's own parts. */
import type { Kind } from '../../api/machinery/kind.ts';
import { events } from '../../api/kinds/core/event.ts';
import { validatingAdmissionPolicies } from '../../api/kinds/admissionregistration/validating-admission-policy.ts';
import { customResourceDefinitions } from '../../api/kinds/apiextensions/custom-resource-definition.ts';
import { services } from '../../api/kinds/core/service.ts';
import { kinds as allKinds } from '../../api/registry.ts';
import type { Logger } from '../../client/logger.ts';
import type { Store } from '../store/store.ts';
import { checkPolicyTypes } from './admission/policies/type-check-controller.ts';
import { CachedApi } from './storage/cached-api.ts';
import { DEFAULT_EVENT_TTL_MS, expireEvents } from './storage/event-expiry.ts';
import type { LocalApi } from './catalogue/local-api.ts';
import { WebhookClient, type ResolveService } from './admission/webhooks/webhook-client.ts';
import type { CallWebhook } from './catalogue/conversion-webhook.ts';
import { CustomResourceMetrics } from './catalogue/metrics.ts';
import { CustomResources } from './catalogue/custom-resources.ts';
import { serviceAddress } from './nodes/proxy-target.ts';
import { GROUPED_KEYS, type KeyLayout } from './catalogue/key-layout.ts';
import { openRegistry, type Registry } from './catalogue/registry.ts';
import {
  DEFAULT_SERVICE_NETWORK,
  ServiceAllocator,
  type ServiceNetwork,
} from './storage/allocation/service-allocation.ts';
import type { Reserver } from './storage/reserver.ts';
import { ObjectWriter } from './storage/write.ts';
import { AllocationRepair } from './storage/allocation/allocation-repair.ts';
import { ClusterIPs } from './storage/allocation/cluster-ips.ts';
import { NodePorts } from './storage/allocation/node-ports.ts';
import { AllocationIndex } from './storage/allocation/allocation-index.ts';
import { keepServiceCIDRs, ServiceRanges } from './storage/allocation/service-ranges.ts';

export interface CoreOptions {
  readonly store: Store;
  /** Under which keys objects are stored; default: those of the embedded store. */
  readonly keys?: KeyLayout;
  readonly kinds?: readonly Kind[];
  readonly network?: ServiceNetwork;
  readonly eventTtlMs?: number;
  /** After how long an address or port is released whose service was never written. */
  readonly allocationGraceMs?: number;
  /** Where webhooks of services are reached; by default at an endpoint of the service. */
  readonly resolveService?: ResolveService;
  readonly logger: Logger;
  /** Aborted when the server stops: the store is followed no longer. */
  readonly signal: AbortSignal;
}

export interface ApiCore {
  readonly registry: Registry;
  readonly writer: ObjectWriter;
  readonly api: LocalApi;
  /** Calls webhooks, those of admission and of conversion. */
  readonly webhookClient: WebhookClient;
  readonly metrics: CustomResourceMetrics;
}

/** Reads the store. Authorizers and admission are built over `api` next, and then `serve` over it all. */
export async function openCore({
  store,
  keys = GROUPED_KEYS,
  kinds = allKinds,
  network = DEFAULT_SERVICE_NETWORK,
  eventTtlMs = DEFAULT_EVENT_TTL_MS,
  allocationGraceMs,
  resolveService,
  logger,
  signal,
}: CoreOptions): Promise<ApiCore> {
  const registry = await openRegistry({ store, kinds, keys, logger, signal });
  const reservers = new Map<Kind, Reserver>();
  const writer = new ObjectWriter(registry, reservers, new Map([[events, eventTtlMs]]));
  const api = new CachedApi(registry, writer);
  if (kinds.includes(services)) {
    const allocations = new AllocationIndex(api);
    const fresh = (): Promise<void> | undefined => api.fresh();
    const ranges = new ServiceRanges(network.serviceCIDR, api);
    const addresses = new ClusterIPs({ api, ranges, allocations, fresh });
    const ports = new NodePorts(store, network.nodePorts, keys.root);
    reservers.set(services, new ServiceAllocator({ addresses, ports, allocations, logger }));
    const graceMs = allocationGraceMs;
    await new AllocationRepair({ api, allocations, addresses, ports, fresh, graceMs, logger, signal }).start();
    void keepServiceCIDRs({ api, logger, signal });
  }
  if (kinds.includes(events) && !store.expires) {
    expireEvents({ events: registry.of(events), store, ttlMs: eventTtlMs, logger, signal });
  }
  const webhookClient = new WebhookClient(
    resolveService ?? ((namespace, name, port) => serviceAddress(api, namespace, name, port)),
  );
  signal.addEventListener('abort', () => webhookClient[Symbol.dispose](), { once: true });
  const callWebhook: CallWebhook = (config, review, limitMs) =>
    webhookClient.call(config, [Buffer.from(JSON.stringify(review))], { limitMs, signal });
  const metrics = new CustomResourceMetrics();
  if (kinds.includes(customResourceDefinitions))
    await new CustomResources({ registry, api, callWebhook, metrics, logger, signal }).start();
  if (kinds.includes(validatingAdmissionPolicies)) checkPolicyTypes({ api, kinds: registry.kinds, logger, signal });
  return { registry, writer, api, webhookClient, metrics };
}
