/**
 * What is kept of Services and EndpointSlices, and how they are joined. Every value is parsed here, once: a value that is invalid is
 * ignored alone, and reported. https://kubernetes.io/docs/reference/networking/virtual-ips/
 */
import { compareText } from '../../../../api/machinery/compare-text.ts';
import {
  HEADLESS_LABEL,
  LAST_CHANGE_TRIGGER_TIME,
  SERVICE_NAME_LABEL,
} from '../../../../api/kinds/discovery/endpoint-slice.ts';
import { SERVICE_PROXY_LABEL } from '../../../../api/domain/cluster-dns.ts';
import { Cidr, type IpFamily } from '../../../../api/domain/address.ts';
import { DEFAULT_AFFINITY_SECONDS } from '../../../../api/domain/session-affinity.ts';
import { own } from '../../../../api/machinery/own.ts';
import type { Service } from '../../../../api/types/core/v1.gen.ts';
import type { EndpointSlice } from '../../../../api/types/discovery/v1.gen.ts';
import {
  led,
  socketText,
  type Endpoint,
  type Preference,
  type ServiceEntry,
  type ServicePort,
} from './service-entry.ts';
import { MAX_PAIRS, shareOf } from './service-limits.ts';
import { asAffinitySeconds, asLabel, asPort, asProtocol, asTarget } from './service-values.ts';
import type { AffinitySeconds, Port, Protocol } from './service-values.ts';

/** What is kept of a Service. */
export interface ServiceFacts {
  /** One for each IP family that the Service has a cluster IP of. */
  readonly services: readonly Omit<ServiceEntry, 'ports' | 'portsLeftOut'>[];
  /** With the names by which slices refer to them. */
  readonly ports: readonly {
    readonly name: string;
    readonly port: Omit<ServicePort, 'endpoints' | 'cluster' | 'local'>;
  }[];
  /** Invalid values, as sentences; the rest of the Service is served. */
  readonly problems: readonly string[];
}

/** What is kept of an EndpointSlice. */
export interface SliceFacts {
  readonly namespace: string;
  readonly service: string;
  /** Undefined for slices of names. */
  readonly family: IpFamily | undefined;
  /** When what it says had changed in the cluster, by the clock of whoever wrote it, in ms since 1970; undefined when it does not say. */
  readonly triggeredAtMs?: number;
  readonly ports: readonly { readonly name: string; readonly protocol: Protocol; readonly port: Port }[];
  readonly endpoints: readonly (Omit<Endpoint, 'port'> & Preference & { readonly hostname?: string })[];
}

/** With these labels, whatever their values, a Service belongs to another proxy, or has no address that a proxy serves. */
const NOT_OURS = [SERVICE_PROXY_LABEL, HEADLESS_LABEL];

/**
 * Undefined for Services that have no rules: headless, ExternalName, another proxy's, of other IP families.
 * @param families those that the node has rules of.
 */
export function serviceFacts(service: Service, families: readonly IpFamily[]): ServiceFacts | undefined {
  const { metadata, spec = {}, status } = service;
  if (spec.type === 'ExternalName') return undefined;
  const clusterIPs = (spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP]).map(asTarget);
  const served = families.flatMap((family) => clusterIPs.find((address) => address?.family === family) ?? []);
  if (served.length === 0) return undefined;
  if (NOT_OURS.some((label) => own(metadata?.labels, label) !== undefined)) return undefined;
  const problems: string[] = [];
  const isBalancer = spec.type === 'LoadBalancer';
  const isVirtual = ({ ipMode }: { readonly ipMode?: string }): boolean => ipMode !== 'Proxy';
  const ingress = (status?.loadBalancer?.ingress ?? []).filter((one) => one.ip && isVirtual(one));
  const externalIPs = readAll('spec.externalIPs', spec.externalIPs ?? [], asTarget, problems);
  const loadBalancerIPs = readAll(
    'status.loadBalancer.ingress',
    ingress.map(({ ip }) => ip),
    asTarget,
    problems,
  );
  const sourceTexts = spec.loadBalancerSourceRanges ?? [];
  const sources = readAll('spec.loadBalancerSourceRanges', sourceTexts, (text) => Cidr.parse(text), problems);
  const isFiltered = sourceTexts.some((text) => text.trim() !== '');
  const common = {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    affinitySeconds: affinityOf(spec, problems),
    externalPolicyLocal: spec.externalTrafficPolicy === 'Local',
    internalPolicyLocal: spec.internalTrafficPolicy === 'Local',
    healthCheckNodePort:
      isBalancer && spec.externalTrafficPolicy === 'Local' ? asPort(spec.healthCheckNodePort) : undefined,
  };
  const services = served.map((clusterIP): ServiceFacts['services'][number] => {
    const isOfFamily = ({ family }: { readonly family: IpFamily }): boolean => family === clusterIP.family;
    return {
      ...common,
      family: clusterIP.family,
      clusterIP,
      externalIPs: externalIPs.filter(isOfFamily),
      loadBalancerIPs: loadBalancerIPs.filter(isOfFamily),
      loadBalancerSources: isFiltered ? restrictionOf(sources.filter(isOfFamily)) : undefined,
    };
  });
  return { services, ports: portsOf(service, problems), problems };
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
 * Where ranges are given but none is of the family, no client is admitted: a filter that cannot be read must not admit everybody.
 * (kube-proxy admits everybody then.)
 */
const restrictionOf = (ranges: readonly Cidr[]): readonly Cidr[] | undefined =>
  ranges.some(({ length }) => length === 0) ? undefined : ranges;

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

const FAMILIES: readonly IpFamily[] = ['IPv4', 'IPv6'];
const NO_ZONES: readonly string[] = [];

export function sliceFacts(slice: EndpointSlice, nodeName: string): SliceFacts {
  const { metadata, addressType } = slice;
  const family = FAMILIES.find((each) => each === addressType);
  const triggeredAtMs = Date.parse(own(metadata?.annotations, LAST_CHANGE_TRIGGER_TIME) ?? '');
  return {
    namespace: metadata?.namespace ?? '',
    service: metadata?.labels?.[SERVICE_NAME_LABEL] ?? '',
    family,
    ...(Number.isFinite(triggeredAtMs) && { triggeredAtMs }),
    ports: (slice.ports ?? []).flatMap(({ name, protocol: text = 'TCP', port: number }) => {
      const [protocol, port] = [asProtocol(text), asPort(number)];
      return protocol === undefined || port === undefined ? [] : [{ name: name ?? '', protocol, port }];
    }),
    endpoints: (family === undefined ? [] : (slice.endpoints ?? [])).flatMap(
      ({ addresses, conditions, nodeName: node, hostname, hints }) => {
        const ip = asTarget(addresses?.[0]);
        if (!ip || ip.family !== family) return [];
        return {
          ip,
          ready: conditions?.ready ?? true,
          serving: conditions?.serving ?? true,
          terminating: conditions?.terminating ?? false,
          local: node === nodeName,
          elsewhere: node !== undefined && node !== nodeName,
          isForThisNode: hints?.forNodes?.length ? hints.forNodes.some(({ name }) => name === nodeName) : undefined,
          zones: hints?.forZones?.map(({ name }) => name) ?? NO_ZONES,
          ...(hostname && { hostname }),
        };
      },
    ),
  };
}

/** From where on this node's traffic goes. */
export interface Viewpoint {
  readonly nodeName?: string;
  /** Undefined when the node is in none that is known. */
  readonly zone?: string | undefined;
}

/**
 * Joins a Service with its slices, of which those of other families are skipped. Undefined where the Service has no address of the
 * family. An endpoint that is in two slices for a moment counts once.
 */
export function serviceEntry(
  { services, ports }: ServiceFacts,
  slices: readonly SliceFacts[],
  family: IpFamily,
  { nodeName = '', zone }: Viewpoint = {},
): ServiceEntry | undefined {
  const service = services.find((each) => each.family === family);
  if (!service) return undefined;
  const targets = targetsByPort(slices.filter((slice) => slice.family === family));
  const outside = service.externalIPs.length + service.loadBalancerIPs.length;
  const filtered = service.loadBalancerIPs.length * (service.loadBalancerSources?.length ?? 0);
  const joined: ServicePort[] = [];
  let pairs = 0;
  for (const { name, port } of ports) {
    const { endpoints, cluster, local } = led(endpointsOf(targets.get(targetKey(name, port.protocol)) ?? []), zone);
    const shares = { cluster: shareOf(cluster, nodeName), local: shareOf(local, nodeName) };
    const frontends = 1 + outside + (port.nodePort === undefined ? 0 : 1);
    pairs += frontends * (1 + shares.cluster.length) + filtered;
    if (pairs > MAX_PAIRS) break;
    joined.push({ ...port, endpoints, ...shares });
  }
  return { ...service, ports: joined, portsLeftOut: ports.length - joined.length };
}

/** A slice that has the port, and its number there. */
interface Target {
  readonly slice: SliceFacts;
  readonly port: Port;
}

const targetKey = (name: string, protocol: Protocol): string => `${protocol} ${name}`;

function targetsByPort(slices: readonly SliceFacts[]): ReadonlyMap<string, readonly Target[]> {
  const targets = new Map<string, Target[]>();
  for (const slice of slices)
    for (const { name, protocol, port } of slice.ports)
      targets.getOrInsertComputed(targetKey(name, protocol), () => []).push({ slice, port });
  return targets;
}

/** An address may be given to another pod before the one that had it is gone: what serves best counts. */
const usefulness = ({ ready, serving, terminating }: SliceFacts['endpoints'][number] | Endpoint): number =>
  ready ? 2 : serving && terminating ? 1 : 0;

function endpointsOf(targets: readonly Target[]): (Endpoint & Preference)[] {
  const endpoints = new Map<string, Endpoint & Preference>();
  for (const { slice, port } of targets) {
    for (const endpoint of slice.endpoints) {
      const key = socketText(endpoint.ip, port);
      const known = endpoints.get(key);
      if (!known || usefulness(endpoint) > usefulness(known)) endpoints.set(key, { ...endpoint, port });
    }
  }
  return [...endpoints.values()].sort((a, b) => compareText(a.ip.text, b.ip.text) || a.port - b.port);
}
