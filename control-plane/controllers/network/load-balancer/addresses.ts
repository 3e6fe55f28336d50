/**
 * Gives Services of type LoadBalancer their addresses. With pools configured, each gets one of its own, which `announcers.ts` has a node
 * announce; without any, its ports are open on the addresses of the nodes, as k3s' ServiceLB has it.
 * https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer
 */
import { balancedPort, isLoadBalanced } from '../../../../api/domain/load-balancer.ts';
import type { Service, ServicePort } from '../../../../api/types/core/v1.gen.ts';
import { referenceTo } from '../../../../client/event-recorder.ts';
import { services as serviceResource } from '../../../../client/resources.gen.ts';
import { endpointSliceCache, nodeCache, serviceCache } from '../../caches/definitions.ts';
import type { NodeView } from '../../caches/node-view.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { writeStatus } from '../../framework/status.ts';
import { watch } from '../../framework/watch.ts';
import type { AddressPools } from './address-pools.ts';
import {
  hasReleased,
  ingressAddresses,
  keyOf,
  mayBalance,
  planNodeAddresses,
  planPoolAddresses,
  type AddressesPlan,
} from './addresses-plan.ts';
import { nodesWithEndpoints, whenMoved } from './local-endpoints.ts';

export interface LoadBalancerOptions {
  readonly pools: AddressPools;
  /** Whether no load balancer may have this port on the nodes' own addresses. */
  readonly isReserved: (port: number) => boolean;
}

/** How soon a Service without its addresses is looked at again, and users are told again, though nothing has happened. */
const RETRY_MS = 300_000;

export const loadBalancerController = (options: LoadBalancerOptions): ControllerDescriptor => ({
  name: 'service-lb-controller',
  // One at a time: what one Service gets must be seen when the next one asks.
  workers: 1,
  create: (context) => create(context, options),
});

const others = (all: readonly Service[], service: Service): readonly Service[] =>
  all.filter(({ metadata }) => metadata?.uid !== service.metadata?.uid);

/** What load balancers have of a node. */
const partOf = (node: NodeView): string =>
  JSON.stringify(mayBalance(node) ? node.addresses.map(({ type, address }) => [type, address]) : []);

function create(context: ControllerContext, { pools, isReserved }: LoadBalancerOptions): Controller {
  const { client, informer, recorder, queue } = context;
  const services = informer(serviceCache);
  const nodes = informer(nodeCache);
  const slices = informer(endpointSliceCache);
  const events = recorder('service-controller');
  /** What has been written and may not be in the cache yet: addresses by the key of their Service. */
  const allotted = new Map<string, readonly string[]>();
  /** Those that do not have what they ask for, with the reason. */
  const waiting = new Map<string, string>();

  /** Of two Services that ask for the same, the one goes first that has addresses, and of two of these the older one. */
  const isBefore = (a: Service, b: Service): boolean => seniority(a) < seniority(b);
  function seniority(service: Service): string {
    const { creationTimestamp = '', uid = '' } = service.metadata ?? {};
    const has = (allotted.get(keyOf(service)) ?? ingressAddresses(service)).length > 0;
    return `${has ? 'first' : 'then'} ${creationTimestamp} ${uid}`;
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const service = services.getByKey(key);
    if (!service || !isLoadBalanced(service)) {
      // Whatever was about to be written to it has lost against the change that made it something else.
      allotted.delete(key);
      waiting.delete(key);
      return undefined;
    }
    const { addresses, problem } = pools.isEmpty ? ofNodes(service) : ofPools(service);
    const texts = addresses.map(({ text }) => text);
    allotted.set(key, texts);
    const ingress = texts.map((ip) => ({ ip, ipMode: 'VIP' }));
    const written = await writeStatus(
      ...([serviceResource, service, { ...service.status, loadBalancer: { ingress } }] as const),
      { client, signal },
    );
    if (!written) allotted.delete(key);
    else if (texts.length > 0) {
      const message = `addresses of the load balancer: ${texts.join(', ')}`;
      events.event(referenceTo('v1', 'Service', service), 'Normal', 'EnsuredLoadBalancer', message);
    }
    return report(service, problem);
  }

  function report(service: Service, problem: string | undefined): number | undefined {
    const key = keyOf(service);
    if (problem === undefined) {
      waiting.delete(key);
      return undefined;
    }
    if (waiting.get(key) !== problem)
      events.event(referenceTo('v1', 'Service', service), 'Warning', 'SyncLoadBalancerFailed', problem);
    waiting.set(key, problem);
    return RETRY_MS;
  }

  function ofPools(service: Service): AddressesPlan {
    const own = new Set(ingressAddresses(service).map(({ text }) => text));
    const never = new Set(nodes.list().flatMap(({ addresses }) => addresses.map(({ address }) => address)));
    const key = keyOf(service);
    const unseen = new Set([...allotted].flatMap(([other, texts]) => (other === key ? [] : texts)));
    return planPoolAddresses(service, pools, ({ text }) => {
      const rivals = others(services.byIndex('address', text), service);
      // What a node says of its addresses takes none away from a Service: any node may say anything.
      if (own.has(text)) return rivals.some((other) => isBefore(other, service));
      return never.has(text) || unseen.has(text) || rivals.length > 0;
    });
  }

  const ofNodes = (service: Service): AddressesPlan =>
    planNodeAddresses(service, {
      nodes: nodes.list().filter(mayBalance),
      withEndpoints:
        service.spec?.externalTrafficPolicy === 'Local'
          ? nodesWithEndpoints(slices.byIndex('service', keyOf(service)))
          : undefined,
      portProblem: (port) => portProblem(port, service),
    });

  function portProblem(port: ServicePort, service: Service): string | undefined {
    const shown = balancedPort(port);
    if (isReserved(port.port)) return `port ${shown} of the nodes is reserved: see load-balancer-reserved-ports`;
    const first = others(services.byIndex('balancedPort', shown), service).find((other) => isBefore(other, service));
    return first && `port ${shown} of the nodes belongs to the Service ${keyOf(first)}`;
  }

  /** What a Service has given up, others may be waiting for. */
  function wakeWaiting(): void {
    for (const key of waiting.keys()) queue.add(key);
  }

  function wakeSharing({ spec }: Service): void {
    if (!pools.isEmpty) return;
    for (const port of spec?.ports ?? [])
      for (const other of services.byIndex('balancedPort', balancedPort(port))) queue.add(keyOf(other));
  }

  /** With pools, a Service has its address wherever its endpoints are. */
  function wakeLocal(key: string): void {
    if (pools.isEmpty && services.getByKey(key)?.spec?.externalTrafficPolicy === 'Local') queue.add(key);
  }

  const nodesChanged = (): void => {
    if (!pools.isEmpty) return wakeWaiting();
    for (const service of services.values()) if (isLoadBalanced(service)) queue.add(keyOf(service));
  };

  return {
    watches: () => [
      watch(services, {
        onAdd: (service, key) => {
          if (isLoadBalanced(service)) queue.add(key);
        },
        onUpdate: (old, service, key) => {
          const texts = ingressAddresses(service).map(({ text }) => text);
          if (allotted.get(key)?.join() === texts.join()) allotted.delete(key);
          if (!isLoadBalanced(old) && !isLoadBalanced(service)) return;
          queue.add(key);
          wakeSharing(service);
          if (hasReleased(old, service)) wakeWaiting();
        },
        onDelete: (service, key) => {
          allotted.delete(key);
          waiting.delete(key);
          if (isLoadBalanced(service)) wakeWaiting();
        },
      }),
      watch(nodes, {
        onAdd: nodesChanged,
        onUpdate: (old, node) => {
          if (partOf(old) !== partOf(node)) nodesChanged();
        },
        onDelete: nodesChanged,
      }),
      watch(slices, whenMoved(wakeLocal)),
    ],
    reconcile,
  };
}
