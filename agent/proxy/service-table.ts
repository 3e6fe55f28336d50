/**
 * Services and their endpoints as the rules need them: what a Service and its EndpointSlices say, without how a kernel is told.
 * https://kubernetes.io/docs/reference/networking/virtual-ips/
 */
import { Cidr, type IpAddress } from '../../api/domain/address.ts';
import { own } from '../../api/machinery/own.ts';
import { asAffinitySeconds, asLabel, asPort, asProtocol, asTarget } from './service-values.ts';
import type { AffinitySeconds, Label, Port, Protocol } from './service-values.ts';
import type { Service } from '../../api/types/core/v1.gen.ts';
import type { EndpointSlice } from '../../api/types/discovery/v1.gen.ts';

export interface Endpoint {
  readonly ip: IpAddress;
  readonly port: Port;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Runs on this node. */
  readonly local: boolean;
}

export interface ServicePort {
  readonly label: Label;
  readonly protocol: Protocol;
  readonly port: Port;
  readonly nodePort: Port | undefined;
  readonly endpoints: readonly Endpoint[];
}

/** All addresses are of IPv4. */
export interface ServiceEntry {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly clusterIP: IpAddress;
  /** Addresses from outside that lead here: externalIPs, and the load balancer's. */
  readonly externalIPs: readonly IpAddress[];
  readonly loadBalancerIPs: readonly IpAddress[];
  /** Who may come to the load balancer's addresses; everybody when undefined. */
  readonly loadBalancerSources: readonly Cidr[] | undefined;
  /** How long a client stays with an endpoint; undefined for no affinity. */
  readonly affinitySeconds: AffinitySeconds | undefined;
  readonly externalPolicyLocal: boolean;
  readonly internalPolicyLocal: boolean;
  /** Where load balancers ask whether this node has endpoints; undefined when they do not. */
  readonly healthCheckNodePort: Port | undefined;
  readonly ports: readonly ServicePort[];
}

/** What is kept of a Service. */
export interface ServiceFacts {
  readonly service: Omit<ServiceEntry, 'ports'>;
  /** With the names by which slices mean them. */
  readonly ports: readonly { readonly name: string; readonly port: Omit<ServicePort, 'endpoints'> }[];
  /** Values that nothing can be made of, as sentences; the rest of the Service is served. */
  readonly problems: readonly string[];
}

/** What is kept of an EndpointSlice. */
export interface SliceFacts {
  readonly namespace: string;
  readonly service: string;
  readonly ports: readonly { readonly name: string; readonly protocol: Protocol; readonly port: Port }[];
  readonly endpoints: readonly Omit<Endpoint, 'port'>[];
}

const DEFAULT_AFFINITY_SECONDS = 10_800;

/** By these labels, whatever they say, a Service is left to another proxy, or has no address that a proxy serves. */
const NOT_OURS = ['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless'];

/** Undefined for Services that have no rules: headless, ExternalName, another proxy's, of another IP family. */
export function serviceFacts(service: Service): ServiceFacts | undefined {
  const { metadata, spec = {}, status } = service;
  const clusterIPs = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP];
  const clusterIP = clusterIPs.map(asTarget).find((address) => address?.family === 'IPv4');
  if (spec.type === 'ExternalName' || !clusterIP) return undefined;
  if (NOT_OURS.some((label) => own(metadata?.labels, label) !== undefined)) return undefined;
  const problems: string[] = [];
  const isBalancer = spec.type === 'LoadBalancer';
  const addresses = (field: string, texts: readonly (string | undefined)[] = []): IpAddress[] =>
    readAll(field, texts, asTarget, problems).filter(({ family }) => family === 'IPv4');
  const isVirtual = ({ ipMode }: { readonly ipMode?: string }): boolean => ipMode !== 'Proxy';
  const ingress = (status?.loadBalancer?.ingress ?? []).filter((one) => one.ip && isVirtual(one));
  const kept: ServiceFacts['service'] = {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    clusterIP,
    externalIPs: addresses('spec.externalIPs', spec.externalIPs),
    loadBalancerIPs: addresses(
      'status.loadBalancer.ingress',
      ingress.map(({ ip }) => ip),
    ),
    loadBalancerSources: sourcesOf(spec.loadBalancerSourceRanges ?? [], problems),
    affinitySeconds: affinityOf(spec, problems),
    externalPolicyLocal: spec.externalTrafficPolicy === 'Local',
    internalPolicyLocal: spec.internalTrafficPolicy === 'Local',
    healthCheckNodePort:
      isBalancer && spec.externalTrafficPolicy === 'Local' ? asPort(spec.healthCheckNodePort) : undefined,
  };
  return { service: kept, ports: portsOf(service, problems), problems };
}

/** Blanks around a value are part of the API. An empty one says nothing; one that cannot be read is a problem. */
function readAll<T>(
  field: string,
  texts: readonly (string | undefined)[],
  read: (text: string) => T | undefined,
  problems: string[],
): T[] {
  return texts.flatMap((padded, index) => {
    const text = padded?.trim() ?? '';
    const value = read(text);
    if (value === undefined && text !== '')
      problems.push(`${field}[${index}] ${JSON.stringify(text)} is invalid and ignored`);
    return value ?? [];
  });
}

/**
 * Where ranges are given but none is of this family, nobody is let in: a filter that cannot be read must not open the door.
 * (kube-proxy lets everybody in then.)
 */
function sourcesOf(texts: readonly string[], problems: string[]): readonly Cidr[] | undefined {
  if (texts.every((text) => text.trim() === '')) return undefined;
  const ranges = readAll('spec.loadBalancerSourceRanges', texts, (text) => Cidr.parse(text), problems);
  const ours = ranges.filter(({ family }) => family === 'IPv4');
  return ours.some(({ length }) => length === 0) ? undefined : ours;
}

function affinityOf(spec: NonNullable<Service['spec']>, problems: string[]): AffinitySeconds | undefined {
  if (spec.sessionAffinity !== 'ClientIP') return undefined;
  const wanted = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  const seconds = asAffinitySeconds(wanted ?? DEFAULT_AFFINITY_SECONDS);
  if (seconds === undefined) problems.push(`session affinity timeout ${JSON.stringify(wanted)} is invalid and ignored`);
  return seconds;
}

function portsOf({ metadata, spec = {} }: Service, problems: string[]): ServiceFacts['ports'] {
  const { namespace = '', name: service = '' } = metadata ?? {};
  const hasNodePorts = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  return (spec.ports ?? []).flatMap(({ name = '', nodePort, ...rest }, index) => {
    const label = asLabel(namespace, service, name);
    const [protocol, port] = [asProtocol(rest.protocol ?? 'TCP'), asPort(rest.port)];
    if (label === undefined || protocol === undefined || port === undefined) {
      problems.push(`spec.ports[${index}] is invalid and ignored`);
      return [];
    }
    return { name, port: { label, protocol, port, nodePort: hasNodePorts ? asPort(nodePort) : undefined } };
  });
}

export function sliceFacts(slice: EndpointSlice, nodeName: string): SliceFacts {
  const { metadata, addressType } = slice;
  return {
    namespace: metadata?.namespace ?? '',
    service: metadata?.labels?.['kubernetes.io/service-name'] ?? '',
    ports: (slice.ports ?? []).flatMap(({ name, protocol: text = 'TCP', port: number }) => {
      const [protocol, port] = [asProtocol(text), asPort(number)];
      return protocol === undefined || port === undefined ? [] : [{ name: name ?? '', protocol, port }];
    }),
    endpoints:
      addressType !== 'IPv4'
        ? []
        : (slice.endpoints ?? []).flatMap(({ addresses, conditions, nodeName: node }) => {
            const ip = asTarget(addresses?.[0]);
            if (ip?.family !== 'IPv4') return [];
            return {
              ip,
              ready: conditions?.ready ?? true,
              serving: conditions?.serving ?? true,
              terminating: conditions?.terminating ?? false,
              local: node === nodeName,
            };
          }),
  };
}

/** Joins a Service with its slices. An endpoint that stands in two slices for a moment counts once. */
export function serviceEntry({ service, ports }: ServiceFacts, slices: readonly SliceFacts[]): ServiceEntry {
  return {
    ...service,
    ports: ports.map(({ name, port }) => {
      const endpoints = new Map<string, Endpoint>();
      for (const slice of slices) {
        for (const target of slice.ports) {
          if (target.name !== name || target.protocol !== port.protocol) continue;
          for (const endpoint of slice.endpoints) {
            const key = socketText(endpoint.ip, target.port);
            const known = endpoints.get(key);
            if (!known || (!known.ready && endpoint.ready)) endpoints.set(key, { ...endpoint, port: target.port });
          }
        }
      }
      return {
        ...port,
        endpoints: [...endpoints.values()].sort((a, b) => compare(a.ip.text, b.ip.text) || a.port - b.port),
      };
    }),
  };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** `10.42.0.5:8080` */
export const socketText = (ip: IpAddress, port: Port): string => `${ip.text}:${port}`;

/**
 * How many endpoints here a load balancer may count on. Those that terminate serve on, but it is to look elsewhere.
 * https://github.com/kubernetes/enhancements/tree/master/keps/sig-network/1669-proxy-terminating-endpoints
 */
export const localReadyCount = ({ ports }: ServiceEntry): number =>
  new Set(
    ports.flatMap(({ endpoints }) => endpoints.filter(({ ready, local }) => ready && local).map(({ ip }) => ip.text)),
  ).size;

/**
 * The endpoints that get new connections: the ready ones; where there are none, those that still serve while they terminate.
 */
export function usable(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  return ready.length ? ready : endpoints.filter((endpoint) => endpoint.serving && endpoint.terminating);
}
