/**
 * A Service of one IP family joined with its endpoints: what a backend programs, in whatever way.
 * https://kubernetes.io/docs/reference/networking/virtual-ips/
 */
import type { Cidr, IpAddress, IpFamily } from '../../../../api/domain/address.ts';
import type { AffinitySeconds, Label, Port, Protocol } from './service-values.ts';

export interface Endpoint {
  readonly ip: IpAddress;
  readonly port: Port;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Runs on this node. */
  readonly local: boolean;
  /** Is known to run on another: of endpoints that users name, it need not be said where they are. */
  readonly elsewhere: boolean;
}

/** What a slice says about whom an endpoint is for: its hints. */
export interface Preference {
  /** Undefined when the slice names no nodes. */
  readonly isForThisNode: boolean | undefined;
  /** Empty when the slice names none. */
  readonly zones: readonly string[];
}

export interface ServicePort {
  readonly label: Label;
  readonly protocol: Protocol;
  readonly port: Port;
  readonly nodePort: Port | undefined;
  readonly endpoints: readonly Endpoint[];
  /** Those that new connections are led to, and under a Local policy, those of this node: see `usableEndpoints`. */
  readonly cluster: readonly Endpoint[];
  readonly local: readonly Endpoint[];
}

/** A Service in one IP family: all its addresses are of that family. */
export interface ServiceEntry {
  readonly family: IpFamily;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly clusterIP: IpAddress;
  /** Addresses outside of the cluster: externalIPs, and the load balancer's. */
  readonly externalIPs: readonly IpAddress[];
  readonly loadBalancerIPs: readonly IpAddress[];
  /** Clients that may connect to the load balancer's addresses; all when undefined. */
  readonly loadBalancerSources: readonly Cidr[] | undefined;
  /** How long a client keeps its endpoint; undefined for no affinity. */
  readonly affinitySeconds: AffinitySeconds | undefined;
  readonly externalPolicyLocal: boolean;
  readonly internalPolicyLocal: boolean;
  /** Where load balancers ask whether this node has endpoints; undefined when they do not. */
  readonly healthCheckNodePort: Port | undefined;
  readonly ports: readonly ServicePort[];
  /** How many more ports it has, which are not served because all together are too much. */
  readonly portsLeftOut: number;
}

/** `10.42.0.5:8080`, `[fd00::5]:8080` */
export const socketText = ({ family, text }: Pick<IpAddress, 'family' | 'text'>, port: number): string =>
  family === 'IPv4' ? `${text}:${port}` : `[${text}]:${port}`;

/**
 * How many endpoints here a load balancer may count on. Those that terminate serve on, but it is to look elsewhere.
 * https://github.com/kubernetes/enhancements/tree/master/keps/sig-network/1669-proxy-terminating-endpoints
 */
export const localReadyCount = ({ ports }: ServiceEntry): number =>
  new Set(
    ports.flatMap(({ endpoints }) => endpoints.filter(({ ready, local }) => ready && local).map(({ ip }) => ip.text)),
  ).size;

/** The ready endpoints; where there are none, those that still serve while they terminate. */
function usableEndpoints<E extends Endpoint>(endpoints: readonly E[]): readonly E[] {
  if (endpoints.every(({ ready }) => ready)) return endpoints;
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  return ready.length ? ready : endpoints.filter((endpoint) => endpoint.serving && endpoint.terminating);
}

/**
 * Those for this node, or else for its zone, where hints say so of every ready endpoint, and at least one is; otherwise all.
 * https://kubernetes.io/docs/concepts/services-networking/service/#traffic-distribution
 */
function nearestEndpoints<E extends Endpoint & Preference>(
  usable: readonly E[],
  zone: string | undefined,
): readonly E[] {
  if (!usable.some(({ ready }) => ready)) return usable;
  if (usable.every(({ isForThisNode }) => isForThisNode !== undefined)) {
    const here = usable.filter(({ isForThisNode }) => isForThisNode);
    if (here.length > 0) return here;
  }
  if (zone === undefined || !usable.every(({ zones }) => zones.length > 0)) return usable;
  const inZone = usable.filter(({ zones }) => zones.includes(zone));
  return inZone.length > 0 ? inZone : usable;
}

/** @param zone this node's; undefined when it is in none that is known. */
export const led = <E extends Endpoint & Preference>(
  endpoints: readonly E[],
  zone: string | undefined,
): Pick<ServicePort, 'endpoints' | 'cluster' | 'local'> => ({
  endpoints,
  cluster: nearestEndpoints(usableEndpoints(endpoints), zone),
  local: usableEndpoints(endpoints.filter(({ local }) => local)),
});
