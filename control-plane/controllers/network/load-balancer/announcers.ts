/**
 * Has one node announce each address that a load balancer has from the pools, and another one take it over when that node dies. While it
 * announces, a node renews its Lease several times a second and lists there what it announces: see `agent/network/announcer/`.
 */
import {
  ANNOUNCER_SILENCE_MS,
  ANNOUNCING_NODE,
  EXCLUDE_FROM_LOAD_BALANCERS,
  isLoadBalanced,
  nodeThat,
  TAKEOVER_NODE,
} from '../../../../api/domain/load-balancer.ts';
import { NODE_LEASE_NAMESPACE } from '../../../../api/domain/node-identity.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import type { Service } from '../../../../api/types/core/v1.gen.ts';
import { referenceTo } from '../../../../client/event-recorder.ts';
import { leases as leaseResource, services as serviceResource } from '../../../../client/resources.gen.ts';
import { endpointSliceCache, leaseCache, nodeCache, serviceCache } from '../../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { unlessGone, unlessNotFound } from '../../framework/outcomes.ts';
import { watch } from '../../framework/watch.ts';
import type { AddressPools } from './address-pools.ts';
import { ingressAddresses, keyOf, mayBalance } from './addresses-plan.ts';
import { planAnnouncers, type Announcers } from './announcers-plan.ts';
import { nodesWithEndpoints, whenMoved } from './local-endpoints.ts';

/** How long a node has to begin announcing, of which an address of IPv6 takes three seconds, and for how long one that does not is passed over. */
const BEGIN_MS = 6_000;
const DECLINED_MS = 60_000;
/** A server that needs longer for a request may have kept renewals waiting as well. */
const PROMPT_MS = 500;

export const announcerController = (pools: AddressPools): ControllerDescriptor => ({
  name: 'service-lb-announcer-controller',
  workers: 2,
  create: (context) => create(context, pools),
});

const announcersOf = (service: Service): Announcers => ({
  holder: nodeThat(ANNOUNCING_NODE, service),
  takeover: nodeThat(TAKEOVER_NODE, service),
});

const isAnnounced = (service: Service): boolean => {
  const { holder, takeover } = announcersOf(service);
  return holder !== undefined || takeover !== undefined;
};

/** For a strategic merge patch: other conditions stay. */
const conditionOf = (type: string, node: string | undefined): object =>
  node === undefined
    ? { type, $patch: 'delete' }
    : { type, status: 'True', reason: 'NodeChosen', message: node, lastTransitionTime: timeOf(Date.now()) };

interface Assigned {
  readonly node: string;
  readonly at: number;
}

function create({ client, informer, recorder, queue }: ControllerContext, pools: AddressPools): Controller {
  const services = informer(serviceCache);
  const nodes = informer(nodeCache);
  const leases = informer(leaseCache);
  const slices = informer(endpointSliceCache);
  const events = recorder('service-controller');
  /** By node, when this process last heard of it; ms of the monotonic clock, like all times here. */
  const heardAt = new Map<string, number>();
  /** Until they renew their Lease: what that lists of a node that has died is not true. */
  const silent = new Set<string>();
  /** By Service: the node that is to begin, and since when. */
  const assigned = new Map<string, Assigned>();
  /** By Service: the nodes that are passed over, and until when. */
  const declined = new Map<string, Map<string, number>>();
  /** Services that no node can announce, of which users have been told. */
  const unannounced = new Set<string>();

  /** A key with a slash is a Service's, one without a node's. */
  const reconcile = (key: string, signal: AbortSignal): Promise<number | undefined> =>
    key.includes('/') ? reconcileService(key, signal) : reconcileNode(key, signal);

  async function reconcileService(key: string, signal: AbortSignal): Promise<number | undefined> {
    const service = services.getByKey(key);
    if (!service) return undefined;
    const addresses = isLoadBalanced(service)
      ? ingressAddresses(service)
          .filter((address) => pools.contains(address))
          .map(({ text }) => text)
      : [];
    const now = announcersOf(service);
    const announces = (node: string): boolean => {
      const announced = leases.get(NODE_LEASE_NAMESPACE, node)?.announced ?? [];
      return addresses.every((address) => announced.includes(address));
    };
    const progress = addresses.length > 0 ? noteProgress(key, now, announces) : undefined;
    if (progress?.declined !== undefined)
      tell(service, `node ${progress.declined} does not announce ${addresses.join(', ')}: its agent's log says why`);
    const planned =
      addresses.length > 0
        ? planAnnouncers({
            ...{ key, now, announces },
            candidates: candidatesFor(service, key),
            exists: (node) => nodes.get('', node) !== undefined,
            isSilent: (node) => silent.has(node),
            hasDeclined: (node) => (declined.get(key)?.get(node) ?? 0) > performance.now(),
          })
        : { holder: undefined, takeover: undefined };
    if (addresses.length === 0 || planned.holder !== undefined) unannounced.delete(key);
    else if (!unannounced.has(key)) {
      unannounced.add(key);
      tell(service, `no node can announce ${addresses.join(', ')}: ${whyNone(service)}`);
    }
    if (planned.holder === now.holder && planned.takeover === now.takeover) return progress?.waitMs;
    // One that has changed meanwhile comes again.
    if (!(await write(service, planned, signal))) return undefined;
    if (planned.holder !== undefined && planned.holder !== now.holder) {
      const message = `node ${planned.holder} announces ${addresses.join(', ')}`;
      events.event(referenceTo('v1', 'Service', service), 'Normal', 'AnnouncingNode', message);
    }
    return BEGIN_MS;
  }

  const tell = (service: Service, message: string): void =>
    events.event(referenceTo('v1', 'Service', service), 'Warning', 'AddressNotAnnounced', message);

  /** Resolves to whether it has been written: the Service is as it was planned for, and still there. */
  async function write({ metadata = {} }: Service, planned: Announcers, signal: AbortSignal): Promise<boolean> {
    const conditions = [conditionOf(ANNOUNCING_NODE, planned.holder), conditionOf(TAKEOVER_NODE, planned.takeover)];
    const { namespace = '', name = '', uid, resourceVersion } = metadata;
    const patch = { metadata: { uid, resourceVersion }, status: { conditions } };
    const options = { type: 'strategic', subresource: 'status', signal } as const;
    return (await unlessGone(client.patch(serviceResource, namespace, name, patch, options))) !== undefined;
  }

  /** Notes a node that does not begin, though it lives. Returns when to look again, ms, and the node when it is passed over from now on. */
  function noteProgress(
    key: string,
    { holder, takeover }: Announcers,
    announces: (node: string) => boolean,
  ): { readonly waitMs: number; readonly declined?: string } | undefined {
    // One that is to take over waits for as long as the holder answers.
    const node = takeover === undefined ? holder : undefined;
    if (node === undefined || announces(node)) {
      assigned.delete(key);
      return undefined;
    }
    const now = performance.now();
    const before = assigned.get(key);
    const since = before?.node === node ? before.at : now;
    assigned.set(key, { node, at: since });
    const leftMs = since + BEGIN_MS - now;
    if (leftMs > 0) return { waitMs: leftMs };
    assigned.delete(key);
    if (silent.has(node)) return { waitMs: DECLINED_MS };
    const nodesPassed = declined.get(key) ?? new Map<string, number>();
    declined.set(key, nodesPassed.set(node, now + DECLINED_MS));
    return { waitMs: DECLINED_MS, declined: node };
  }

  function candidatesFor({ spec }: Service, key: string): readonly string[] {
    const local =
      spec?.externalTrafficPolicy === 'Local' ? nodesWithEndpoints(slices.byIndex('service', key)) : undefined;
    return nodes.list().flatMap((node) => (mayBalance(node) && (local?.has(node.name) ?? true) ? node.name : []));
  }

  const whyNone = ({ spec }: Service): string =>
    spec?.externalTrafficPolicy === 'Local' && nodes.list().some(mayBalance)
      ? 'none that may has a ready endpoint, which externalTrafficPolicy Local asks for'
      : `none is ready, and without the label ${EXCLUDE_FROM_LOAD_BALANCERS}`;

  async function reconcileNode(name: string, signal: AbortSignal): Promise<number | undefined> {
    if (services.byIndex('announcer', name).length === 0) {
      heardAt.delete(name);
      return undefined;
    }
    const known = heardAt.get(name);
    // It may not have heard yet that it is to announce.
    if (known === undefined) heardAt.set(name, performance.now() + BEGIN_MS - ANNOUNCER_SILENCE_MS);
    const leftMs = (heardAt.get(name) ?? 0) + ANNOUNCER_SILENCE_MS - performance.now();
    if (leftMs > 0) return leftMs;
    if (silent.has(name) || (await isLate(name, signal))) return ANNOUNCER_SILENCE_MS;
    silent.add(name);
    wakeServicesOf(name);
    return ANNOUNCER_SILENCE_MS;
  }

  /** Whether it is this process or the server that has been slow, and not the node. */
  async function isLate(name: string, signal: AbortSignal): Promise<boolean> {
    const seen = leases.get(NODE_LEASE_NAMESPACE, name)?.renewTime;
    const askedAt = performance.now();
    const lease = await unlessNotFound(client.get(leaseResource, NODE_LEASE_NAMESPACE, name, { signal }));
    const isLate = performance.now() - askedAt > PROMPT_MS || (lease?.spec?.renewTime ?? seen) !== seen;
    if (isLate) heardAt.set(name, performance.now());
    return isLate;
  }

  function wakeServicesOf(node: string): void {
    for (const service of services.byIndex('announcer', node)) queue.add(keyOf(service));
  }

  const wakeAll = (): void => {
    for (const service of services.values())
      if (isLoadBalanced(service) || isAnnounced(service)) queue.add(keyOf(service));
  };

  return {
    watches: () => [
      watch(services, {
        onAdd: (service, key) => wake(service, key),
        onUpdate: (old, service, key) => {
          if (isLoadBalanced(old)) queue.add(key);
          wake(service, key);
        },
        onDelete: (_, key) => {
          assigned.delete(key);
          declined.delete(key);
          unannounced.delete(key);
        },
      }),
      watch(nodes, {
        onAdd: wakeAll,
        onUpdate: (old, node) => {
          if (mayBalance(old) !== mayBalance(node)) wakeAll();
        },
        onDelete: ({ name }) => {
          silent.delete(name);
          wakeAll();
        },
      }),
      watch(leases, {
        onUpdate: (old, lease) => {
          const { namespace, name } = lease;
          if (namespace !== NODE_LEASE_NAMESPACE || lease.renewTime === old.renewTime) return;
          if (!heardAt.has(name) && !silent.has(name)) return;
          if (heardAt.has(name)) heardAt.set(name, performance.now());
          if (silent.delete(name) || lease.announced.join() !== old.announced.join()) wakeServicesOf(name);
        },
      }),
      watch(
        slices,
        whenMoved((key) => {
          const service = services.getByKey(key);
          if (service && isLoadBalanced(service)) queue.add(key);
        }),
      ),
    ],
    reconcile,
  };

  function wake(service: Service, key: string): void {
    const { holder, takeover } = announcersOf(service);
    if (isLoadBalanced(service) || isAnnounced(service)) queue.add(key);
    for (const node of [holder, takeover]) if (node !== undefined) queue.add(node);
  }
}
