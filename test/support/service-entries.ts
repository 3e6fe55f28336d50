/** Services as the proxy represents them, built from Service and EndpointSlice objects. */
import { Cidr } from '../../api/domain/address.ts';
import type { ServiceProxyOptions } from '../../agent/network/services/service-proxy.ts';
import type { ServiceEntry } from '../../agent/network/services/model/service-entry.ts';
import { serviceEntry, serviceFacts, sliceFacts } from '../../agent/network/services/model/service-facts.ts';
import type { EndpointHints } from '../../api/types/discovery/v1.gen.ts';
import type { ServiceSpec } from '../../api/types/core/v1.gen.ts';

export const CLUSTER_CIDR = Cidr.parse('10.42.0.0/16')!;
export const SERVICE_CIDR = Cidr.parse('10.43.0.0/16')!;
/** The node that all tests look from. */
const NODE_NAME = 'node-0';

/** Options of a proxy whose health and metrics nobody wants. */
export const UNOBSERVED: Pick<ServiceProxyOptions, 'observer' | 'isProxyHealthy'> = {
  observer: {
    changed: () => undefined,
    pending: () => undefined,
    synced: () => undefined,
    wrote: () => undefined,
    programmed: () => undefined,
    reconciledFlows: () => undefined,
  },
  isProxyHealthy: () => true,
};

export interface EndpointShape {
  readonly ip: string;
  /** Null when nobody has said where. */
  readonly node?: string | null;
  readonly hints?: EndpointHints;
  readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
}

export interface Shape {
  readonly name?: string;
  readonly clusterIP?: string;
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  readonly port?: number;
  readonly targetPort?: number;
  readonly nodePort?: number;
  readonly endpoints?: readonly (string | EndpointShape)[];
  readonly spec?: ServiceSpec;
  readonly ingress?: readonly string[];
  /** The node's. */
  readonly zone?: string;
}

/** What an IPv6 cluster has in place of the IPv4 addresses that tests are written with. */
export const IPV6_CLUSTER_CIDR = Cidr.parse('fd00:42::/56')!;
export const IPV6_SERVICE_CIDR = Cidr.parse('fd00:43::/112')!;

/** The Service in the IP family of its cluster IP. */
export function entryOf(shape: Shape = {}): ServiceEntry {
  const { name = 'web', clusterIP = '10.43.0.5', protocol = 'TCP', port = 80, targetPort = 8080, nodePort } = shape;
  const { endpoints = [], spec, ingress = [] } = shape;
  const family = clusterIP.includes(':') ? 'IPv6' : 'IPv4';
  const facts = serviceFacts(
    {
      metadata: { namespace: 'default', name, uid: `uid-${name}` },
      spec: {
        type: nodePort ? 'NodePort' : 'ClusterIP',
        clusterIP,
        ports: [{ name: 'web', port, nodePort, protocol }],
        ...spec,
      },
      status: { loadBalancer: { ingress: ingress.map((ip) => ({ ip, ipMode: 'VIP' })) } },
    },
    [family],
  );
  const slice = sliceFacts(
    {
      metadata: { namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
      addressType: family,
      ports: [{ name: 'web', port: targetPort, protocol }],
      endpoints: endpoints
        .map((endpoint) => (typeof endpoint === 'string' ? { ip: endpoint } : endpoint))
        .map(({ ip, node = NODE_NAME, conditions = {}, hints }: EndpointShape) => ({
          addresses: [ip],
          ...{ conditions, hints },
          ...(node !== null && { nodeName: node }),
        })),
    },
    NODE_NAME,
  );
  const entry = facts && serviceEntry(facts, [slice], family, { nodeName: NODE_NAME, zone: shape.zone });
  if (!entry) throw new Error('a Service without rules');
  return entry;
}
