/**
 * How much of the kernel one Service may take on a node: its rules are written in one transaction, in which all others that change
 * meanwhile wait.
 */
import { createHash } from 'node:crypto';
import { compareText } from '../../../../api/machinery/compare-text.ts';
import { socketText, type Endpoint } from './service-entry.ts';

/**
 * Of one port. With more, a node leads connections to a part of the endpoints, each node to another: with 50,000, iptables-restore
 * took longer than a minute, and so did nft(8) with session affinity; with 5,000, it is seconds.
 */
export const MAX_ENDPOINTS_PER_PORT = 5_000;
/** Of all ports: pairs of an address or node port and an endpoint, and of a load balancer's address and a source range. */
export const MAX_PAIRS = 100_000;

/** The endpoints of one node, of which few change when others come and go. In the same order. */
export function shareOf<E extends Pick<Endpoint, 'ip' | 'port'>>(
  endpoints: readonly E[],
  nodeName: string,
): readonly E[] {
  if (endpoints.length <= MAX_ENDPOINTS_PER_PORT) return endpoints;
  const rankOf = ({ ip, port }: E): string =>
    createHash('sha256')
      .update(`${nodeName} ${socketText(ip, port)}`)
      .digest('hex');
  const ranked = endpoints.map((endpoint) => ({ endpoint, rank: rankOf(endpoint) }));
  ranked.sort((a, b) => compareText(a.rank, b.rank));
  const chosen = new Set(ranked.slice(0, MAX_ENDPOINTS_PER_PORT).map(({ endpoint }) => endpoint));
  return endpoints.filter((endpoint) => chosen.has(endpoint));
}
