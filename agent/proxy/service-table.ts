/**
 * Services and their endpoints as the rules need them: what a Service and its EndpointSlices say, without how a kernel is told.
 * https://kubernetes.io/docs/reference/networking/virtual-ips/
 */
import type { Service } from '../../api/core/service.ts';
import type { EndpointSlice } from '../../api/discovery/endpoint-slice.ts';
import { own } from '../../api/machinery/own.ts';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

export interface Endpoint {
  readonly ip: string;
  readonly port: number;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Runs on this node. */
  readonly local: boolean;
}

export interface ServicePort {
  /** `namespace/name:port`, as it stands in rule comments. */
  readonly label: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** 0 when it has none. */
  readonly nodePort: number;
  readonly endpoints: readonly Endpoint[];
}

export interface ServiceEntry {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIP: string;
  /** Addresses from outside that lead here: externalIPs, and the load balancer's. */
  readonly externalIPs: readonly string[];
  /** The load balancer's, let through only from these networks when there are any. */
  readonly loadBalancerSourceRanges: readonly string[];
  readonly loadBalancerIPs: readonly string[];
  /** Seconds that a client stays with an endpoint; 0 for no affinity. */
  readonly affinitySeconds: number;
  readonly externalPolicyLocal: boolean;
  readonly internalPolicyLocal: boolean;
  /** Where load balancers ask whether this node has endpoints; 0 when they do not. */
  readonly healthCheckNodePort: number;
  readonly ports: readonly ServicePort[];
}

/** What is kept of a Service. */
export type ServiceFacts = Omit<ServiceEntry, 'ports'> & {
  readonly ports: readonly Omit<ServicePort, 'endpoints'>[];
  /** Which ports of the slices belong to each of `ports`. */
  readonly portNames: readonly string[];
};

/** What is kept of an EndpointSlice. */
export interface SliceFacts {
  readonly namespace: string;
  readonly service: string;
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[];
  readonly endpoints: readonly Omit<Endpoint, 'port'>[];
}

const DEFAULT_AFFINITY_SECONDS = 10_800;
const isIPv4 = (address: string | undefined): address is string =>
  address !== undefined && /^\d+(\.\d+){3}$/.test(address);

/** By these labels, whatever they say, a Service is left to another proxy, or has no address that a proxy serves. */
const NOT_OURS = ['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless'];

/** Undefined for Services that have no rules: headless, ExternalName, another proxy's. */
export function serviceFacts(service: Service): ServiceFacts | undefined {
  const { metadata, spec = {}, status } = service;
  if (spec.type === 'ExternalName' || !isIPv4(spec.clusterIP)) return undefined;
  if (NOT_OURS.some((label) => own(metadata?.labels, label) !== undefined)) return undefined;
  const [namespace, name] = [metadata?.namespace ?? '', metadata?.name ?? ''];
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  return {
    namespace,
    name,
    clusterIP: spec.clusterIP,
    externalIPs: (spec.externalIPs ?? []).filter(isIPv4),
    loadBalancerIPs: (status?.loadBalancer?.ingress ?? [])
      .filter((ingress) => ingress.ipMode !== 'Proxy')
      .map((ingress) => ingress.ip)
      .filter(isIPv4),
    loadBalancerSourceRanges: spec.loadBalancerSourceRanges ?? [],
    affinitySeconds:
      spec.sessionAffinity === 'ClientIP'
        ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS)
        : 0,
    externalPolicyLocal: spec.externalTrafficPolicy === 'Local',
    internalPolicyLocal: spec.internalTrafficPolicy === 'Local',
    healthCheckNodePort: spec.healthCheckNodePort ?? 0,
    portNames: (spec.ports ?? []).map((port) => port.name ?? ''),
    ports: (spec.ports ?? []).map((port) => ({
      label: `${namespace}/${name}${port.name ? `:${port.name}` : ''}`,
      protocol: port.protocol ?? 'TCP',
      port: port.port,
      nodePort: external ? (port.nodePort ?? 0) : 0,
    })),
  };
}

export function sliceFacts(slice: EndpointSlice, nodeName: string): SliceFacts {
  const { metadata, addressType } = slice;
  return {
    namespace: metadata?.namespace ?? '',
    service: metadata?.labels?.['kubernetes.io/service-name'] ?? '',
    ports: (slice.ports ?? []).flatMap(({ name, protocol, port }) =>
      port === undefined ? [] : [{ name: name ?? '', protocol: protocol ?? 'TCP', port }],
    ),
    endpoints:
      addressType !== 'IPv4'
        ? []
        : (slice.endpoints ?? []).flatMap(({ addresses, conditions, nodeName: node }) =>
            addresses.slice(0, 1).map((ip) => ({
              ip,
              ready: conditions?.ready ?? true,
              serving: conditions?.serving ?? conditions?.ready ?? true,
              terminating: conditions?.terminating ?? false,
              local: node === nodeName,
            })),
          ),
  };
}

/** Joins a Service with its slices. An endpoint that stands in two slices for a moment counts once. */
export function serviceEntry({ portNames, ...facts }: ServiceFacts, slices: readonly SliceFacts[]): ServiceEntry {
  return {
    ...facts,
    ports: facts.ports.map((port, index) => {
      const endpoints = new Map<string, Endpoint>();
      for (const slice of slices) {
        for (const target of slice.ports) {
          if (target.name !== portNames[index] || target.protocol !== port.protocol) continue;
          for (const endpoint of slice.endpoints) {
            const key = `${endpoint.ip}:${target.port}`;
            const known = endpoints.get(key);
            if (!known || (!known.ready && endpoint.ready)) endpoints.set(key, { ...endpoint, port: target.port });
          }
        }
      }
      return { ...port, endpoints: [...endpoints.values()].sort((a, b) => compare(a.ip, b.ip) || a.port - b.port) };
    }),
  };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * How many endpoints here a load balancer may count on. Those that terminate serve on, but it is to look elsewhere.
 * https://github.com/kubernetes/enhancements/tree/master/keps/sig-network/1669-proxy-terminating-endpoints
 */
export const localReadyCount = ({ ports }: ServiceEntry): number =>
  new Set(ports.flatMap(({ endpoints }) => endpoints.filter(({ ready, local }) => ready && local).map(({ ip }) => ip)))
    .size;

/**
 * The endpoints that get new connections: the ready ones; where there are none, those that still serve while they terminate.
 */
export function usable(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  return ready.length ? ready : endpoints.filter((endpoint) => endpoint.serving && endpoint.terminating);
}
