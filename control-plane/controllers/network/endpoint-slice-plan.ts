/** Which EndpointSlices a Service needs, and how to get there from those it has with as little rewriting as possible. */
import { HEADLESS_LABEL, SERVICE_NAME_LABEL } from '../../../api/kinds/discovery/endpoint-slice.ts';
import { isDeepStrictEqual } from 'node:util';
import { isIPv6 } from 'node:net';
import { services } from '../../../client/resources.gen.ts';
import { isTerminated, type PodView } from '../caches/pod-view.ts';
import { controllerReference } from '../framework/owner-references.ts';
import { topologyHints, wantsTopologyHints, type ZoneShares } from './topology-hints.ts';
import { MANAGED_BY, NOT_COPIED, withTriggerTime, type SlicePlan } from './endpoint-slices.ts';
import type { Service, ServicePort } from '../../../api/types/core/v1.gen.ts';
import type { Endpoint, EndpointHints, EndpointPort, EndpointSlice } from '../../../api/types/discovery/v1.gen.ts';

export const CONTROLLER_NAME = 'endpointslice-controller.k8s.io';
/** Upstream's --max-endpoints-per-slice. */
const MAX_ENDPOINTS = 100;

/** What became of the hints of a Service that asks for them by its topology mode. */
export interface TopologyOutcome {
  readonly addressType: AddressType;
  /** Why there are none, as a sentence; undefined when there are. */
  readonly problem: string | undefined;
}

export interface EndpointSlicePlan extends SlicePlan {
  /** One for each address type; absent when the Service does not ask for hints in this way. */
  readonly topology?: readonly TopologyOutcome[];
}

export interface ServiceState {
  readonly service: Service;
  /** The pods that its selector matches. */
  readonly pods: readonly PodView[];
  /** Its slices that this controller manages. */
  readonly slices: readonly EndpointSlice[];
  readonly zoneOf: (nodeName: string) => string | undefined;
  /** The part of the cluster's CPU in each zone: for Services that ask for hints by their topology mode. */
  readonly shares?: ZoneShares | undefined;
  /** When the change came about that the slices have to show, in ms since 1970; undefined when that is not known. */
  readonly triggeredAt?: number | undefined;
}

type AddressType = 'IPv4' | 'IPv6';

/** The endpoints that share a port mapping: with a named target port, pods may differ in it. */
interface Group {
  readonly addressType: AddressType;
  readonly ports: EndpointPort[];
  readonly endpoints: Endpoint[];
}

export function reconcileEndpointSlices(state: ServiceState): EndpointSlicePlan {
  const { service, slices } = state;
  if (service.metadata?.deletionTimestamp) return { create: [], update: [], remove: [] };
  if (service.spec?.type === 'ExternalName' || !service.spec?.selector) return { create: [], update: [], remove: [] };
  const create: EndpointSlice[] = [];
  const update: EndpointSlice[] = [];
  const remaining = new Set(slices);
  const groups = desiredGroups(state);
  const topology = wantsTopologyHints(service) ? hintByTopology(groups, state) : undefined;
  for (const group of groups) {
    const own = [...remaining].filter(
      ({ addressType, ports }) =>
        addressType === group.addressType && isDeepStrictEqual(sortedPorts(ports ?? []), sortedPorts(group.ports)),
    );
    for (const slice of own) remaining.delete(slice);
    const placed = place(group, own);
    for (const { slice, endpoints, changed } of placed.kept) {
      const wanted = withMetadata(service, { ...slice, endpoints });
      if (endpoints.length === 0 && placed.kept.length + placed.added.length > 1) remaining.add(slice);
      else if (changed || wanted.metadata !== slice.metadata) update.push(wanted);
    }
    for (const endpoints of placed.added) create.push(newSlice(service, group, endpoints));
  }
  const remove = [...remaining];
  // A slice that has to go is rewritten for one that has to come.
  while (remove.length > 0 && create.length > 0) {
    const at = remove.findIndex(({ addressType }) => addressType === create[0]?.addressType);
    if (at < 0) break;
    const [old] = remove.splice(at, 1);
    const { endpoints, ports, metadata } = create.shift()!;
    update.push({ ...old!, endpoints, ports, metadata: { ...old!.metadata, labels: metadata?.labels } });
  }
  const stamp = (slice: EndpointSlice): EndpointSlice => withTriggerTime(slice, state.triggeredAt);
  return { create: create.map(stamp), update: update.map(stamp), remove, ...(topology && { topology }) };
}

function desiredGroups({ service, pods, zoneOf }: ServiceState): Group[] {
  const groups = new Map<string, Group>();
  const families = service.spec?.ipFamilies ?? [];
  const addressTypes = [...new Set(families.length > 0 ? families : ['IPv4'])] as AddressType[];
  for (const addressType of addressTypes) {
    let isEmpty = true;
    for (const pod of pods) {
      if (isTerminated(pod)) continue;
      const addresses = pod.ips.filter((ip) => (isIPv6(ip) ? 'IPv6' : 'IPv4') === addressType);
      if (addresses.length === 0) continue;
      isEmpty = false;
      const ports = portsOf(service, pod);
      const key = `${addressType} ${JSON.stringify(sortedPorts(ports))}`;
      const group = groups.get(key) ?? { addressType, ports, endpoints: [] };
      group.endpoints.push(endpointOf(service, pod, addresses, zoneOf(pod.nodeName)));
      groups.set(key, group);
    }
    // A Service without endpoints has an empty slice, so that one can see that somebody looked.
    if (isEmpty) groups.set(addressType, { addressType, ports: [], endpoints: [] });
  }
  return [...groups.values()];
}

/** The target port as the pod has it: a number, or the number of the container port of that name. */
export function resolveTargetPort(
  { targetPort, port, protocol = 'TCP' }: ServicePort,
  pod: PodView,
): number | undefined {
  if (targetPort === undefined || targetPort === 0 || targetPort === '') return port;
  if (typeof targetPort === 'number') return targetPort;
  return pod.ports.find((each) => each.name === targetPort && each.protocol === protocol)?.port;
}

function portsOf(service: Service, pod: PodView): EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((servicePort) => {
    const port = resolveTargetPort(servicePort, pod);
    if (port === undefined) return [];
    const { name = '', protocol = 'TCP', appProtocol } = servicePort;
    return [{ name, port, protocol, ...(appProtocol && { appProtocol }) }];
  });
}

const sortedPorts = (ports: readonly EndpointPort[]) =>
  ports
    .map(({ name, port, protocol, appProtocol }) =>
      [name ?? '', port ?? 0, protocol ?? 'TCP', appProtocol ?? ''].join('/'),
    )
    .sort();

function endpointOf(service: Service, pod: PodView, addresses: string[], zone: string | undefined): Endpoint {
  const { namespace, name, uid, nodeName, hostname, subdomain } = pod;
  const serving = pod.ready;
  const terminating = pod.deleting;
  const isNamed = hostname !== '' && subdomain === service.metadata?.name && namespace === service.metadata.namespace;
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const isOfTopology = wantsTopologyHints(service);
  const hints = ready && !isOfTopology ? hintsFor(service.spec?.trafficDistribution, zone, nodeName) : undefined;
  return {
    addresses,
    conditions: { ready, serving, terminating },
    ...(isNamed && { hostname }),
    targetRef: { kind: 'Pod', namespace, name, uid },
    ...(nodeName && { nodeName }),
    ...(zone && { zone }),
    ...(hints && { hints }),
  };
}

/** Whom the endpoint is for. https://kubernetes.io/docs/concepts/services-networking/service/#traffic-distribution */
function hintsFor(
  distribution: string | undefined,
  zone: string | undefined,
  nodeName: string,
): EndpointHints | undefined {
  const isSameNode = distribution === 'PreferSameNode';
  if (!isSameNode && distribution !== 'PreferSameZone' && distribution !== 'PreferClose') return undefined;
  const hints: EndpointHints = {
    ...(zone && { forZones: [{ name: zone }] }),
    ...(isSameNode && nodeName && { forNodes: [{ name: nodeName }] }),
  };
  return hints.forZones || hints.forNodes ? hints : undefined;
}

/** Gives the ready endpoints of each address type a zone each, or none of them. */
function hintByTopology(groups: readonly Group[], { slices, shares }: ServiceState): TopologyOutcome[] {
  const hinted = new Map<string, string>();
  for (const { endpoints } of slices)
    for (const endpoint of endpoints ?? []) {
      const [only, ...others] = endpoint.hints?.forZones ?? [];
      if (only && others.length === 0) hinted.set(identityOf(endpoint), only.name);
    }
  return [...new Set(groups.map(({ addressType }) => addressType))].map((addressType) => {
    const places = groups
      .filter((group) => group.addressType === addressType)
      .flatMap(({ endpoints }) => endpoints.map((endpoint, index) => ({ endpoints, endpoint, index })))
      .filter(({ endpoint }) => endpoint.conditions?.ready);
    const hints = topologyHints(
      places.map(({ endpoint }) => ({ zone: endpoint.zone, hint: hinted.get(identityOf(endpoint)) })),
      shares,
    );
    if ('problem' in hints) return { addressType, problem: hints.problem };
    for (const [at, { endpoints, endpoint, index }] of places.entries())
      endpoints[index] = { ...endpoint, hints: { forZones: [{ name: hints.zones[at] ?? '' }] } };
    return { addressType, problem: undefined };
  });
}

const identityOf = ({ addresses, targetRef }: Endpoint): string => `${targetRef?.uid ?? ''} ${addresses.join(',')}`;

/**
 * Leaves endpoints where they are. New ones fill slices that change anyway, then a slice with room for them all, then new
 * slices.
 */
function place(
  { endpoints: wanted }: Group,
  slices: readonly EndpointSlice[],
): { kept: { slice: EndpointSlice; endpoints: Endpoint[]; changed: boolean }[]; added: Endpoint[][] } {
  const missing = new Map(wanted.map((endpoint) => [identityOf(endpoint), endpoint]));
  const kept = slices.map((slice) => {
    const old = slice.endpoints ?? [];
    const endpoints: Endpoint[] = [];
    let changed = false;
    for (const endpoint of old) {
      const key = identityOf(endpoint);
      const now = missing.get(key);
      missing.delete(key);
      if (now) endpoints.push(now);
      if (!now || !isDeepStrictEqual(endpoint, now)) changed = true;
    }
    return { slice, endpoints, changed };
  });
  let rest = [...missing.values()];
  const fill = (entry: (typeof kept)[number]): void => {
    const room = MAX_ENDPOINTS - entry.endpoints.length;
    if (room <= 0 || rest.length === 0) return;
    entry.endpoints = [...entry.endpoints, ...rest.slice(0, room)];
    entry.changed = true;
    rest = rest.slice(room);
  };
  for (const entry of kept) if (entry.changed) fill(entry);
  const fitting = kept
    .filter(({ endpoints }) => endpoints.length + rest.length <= MAX_ENDPOINTS)
    .sort((a, b) => b.endpoints.length - a.endpoints.length)[0];
  if (fitting) fill(fitting);
  const added: Endpoint[][] = [];
  while (rest.length > 0) added.push(rest.splice(0, MAX_ENDPOINTS));
  if (kept.length === 0 && added.length === 0) added.push([]);
  return { kept, added };
}

const isReserved = (label: string): boolean =>
  label === SERVICE_NAME_LABEL || label === MANAGED_BY || label === HEADLESS_LABEL;

function labelsFor({ metadata, spec }: Service): Record<string, string> {
  const own = Object.entries(metadata?.labels ?? {}).filter(([label]) => !isReserved(label));
  return {
    ...Object.fromEntries(own),
    [SERVICE_NAME_LABEL]: metadata?.name ?? '',
    [MANAGED_BY]: CONTROLLER_NAME,
    ...(spec?.clusterIP === 'None' && { [HEADLESS_LABEL]: '' }),
  };
}

function annotationsFor({ metadata }: Service): Record<string, string> {
  const own = Object.entries(metadata?.annotations ?? {}).filter(([key]) => !NOT_COPIED.has(key));
  return Object.fromEntries(own);
}

/** The slice with the labels that go with its Service; the slice itself when they are right. */
function withMetadata(service: Service, slice: EndpointSlice): EndpointSlice {
  const labels = labelsFor(service);
  if (isDeepStrictEqual(slice.metadata?.labels, labels)) return slice;
  return { ...slice, metadata: { ...slice.metadata, labels } };
}

function newSlice(service: Service, { addressType, ports }: Group, endpoints: Endpoint[]): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace: service.metadata?.namespace,
      generateName: `${service.metadata?.name}-`,
      labels: labelsFor(service),
      annotations: annotationsFor(service),
      ownerReferences: [controllerReference(services, service)],
    },
    addressType,
    endpoints,
    ports,
  };
}
