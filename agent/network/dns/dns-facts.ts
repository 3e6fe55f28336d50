/** What DNS has of Services: their facts, and those facts joined with their endpoints. */
import { CLUSTER_DNS, DNS_PROXY_NAME, SERVICE_PROXY_LABEL } from '../../../api/domain/cluster-dns.ts';
import { IpAddress } from '../../../api/domain/address.ts';
import { own } from '../../../api/machinery/own.ts';
import type { Service } from '../../../api/types/core/v1.gen.ts';
import type { SliceFacts } from '../services/model/service-facts.ts';
import { isEncodable } from './message.ts';
import type { DnsEndpoint, DnsService } from './dns-service.ts';

export interface DnsFacts extends Omit<DnsService, 'endpoints'> {
  readonly isHeadless: boolean;
  /** The addresses at which the agents serve DNS, of the one Service that says so. */
  readonly dnsAddresses?: readonly string[];
}

const NO_ADDRESS = 'None';

export function dnsFacts({ metadata, spec = {} }: Service): DnsFacts {
  const { namespace = '', name = '', labels } = metadata ?? {};
  const { type, externalName, clusterIP = '', clusterIPs = [] } = spec;
  const isName = type === 'ExternalName';
  const addresses = (clusterIPs.length > 0 ? clusterIPs : [clusterIP]).flatMap(
    (text) => IpAddress.parse(text)?.text ?? [],
  );
  const isDns =
    namespace === CLUSTER_DNS.namespace &&
    name === CLUSTER_DNS.name &&
    own(labels, SERVICE_PROXY_LABEL) === DNS_PROXY_NAME;
  return {
    ...{ namespace, name, addresses: isName ? [] : addresses },
    isHeadless: !isName && clusterIP === NO_ADDRESS,
    ports: (isName ? [] : (spec.ports ?? [])).map(({ name: port = '', protocol = 'TCP', port: number }) => ({
      ...{ name: port, protocol: protocol.toLowerCase(), port: number ?? 0 },
    })),
    ...(isName && externalName && isEncodable(externalName) && { externalName }),
    ...(isDns && { dnsAddresses: addresses }),
  };
}

/** Undefined for a Service that has no records: one that waits for its addresses, or is the name of nothing. */
export function dnsService(
  { isHeadless, dnsAddresses: _, ...facts }: DnsFacts,
  slices: readonly SliceFacts[],
): DnsService | undefined {
  if (isHeadless) return { ...facts, endpoints: endpointsOf(slices) };
  return facts.addresses.length > 0 || facts.externalName !== undefined ? facts : undefined;
}

/** Those that are ready, with the ports of their slice: shared, for a slice has up to 20,000 of them and 1,000 endpoints. */
function endpointsOf(slices: readonly SliceFacts[]): DnsEndpoint[] {
  return slices.flatMap(({ endpoints, ports }) => {
    const named = ports.map(({ name, protocol, port }) => ({ name, protocol: protocol.toLowerCase(), port }));
    return endpoints.flatMap(({ ip, ready, hostname }) => (ready ? { address: ip.text, hostname, ports: named } : []));
  });
}
