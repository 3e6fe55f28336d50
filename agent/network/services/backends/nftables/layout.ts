/**
 * The table that Services are in, as far as it is the same whatever Services there are. Names and roles are those of kube-proxy's
 * table, so that whoever knows one reads the other.
 *
 * Connections to a Service of N endpoints go through one chain `endpoints-N`, which all such Services share: it looks up the
 * endpoint in the map of the same name, by the Service's address and a random number below N. So a Service is elements of maps
 * alone, and neither nft(8) nor the kernel walks chains of all Services when one of them changes. Only what elements cannot
 * say (affinity, local policies, source ranges) has chains of its own, see `compile-service.ts`.
 */
import { createHash } from 'node:crypto';
import type { IpFamily } from '../../../../../api/domain/address.ts';
import type { TableLayout } from '../../../netfilter/nft-table/owned-table.ts';
import type { NftTable } from '../../../netfilter/nft.ts';
import { withLoopbackGuard, WORDS } from '../nft-words.ts';
import { MASQUERADE_MARK } from '../pod-forwarding.ts';
import { rule, type Chains, type Declarations, type Objects } from '../../../netfilter/nft-table/table-unit.ts';
import type { Ranges } from '../ranges.ts';

export const TABLES: Readonly<Record<IpFamily, NftTable>> = {
  IPv4: { family: 'ip', name: 'kube-proxy' },
  IPv6: { family: 'ip6', name: 'kube-proxy' },
};

export const protocolOf = (family: IpFamily): string => WORDS[family].ip;

export function fixedSets(family: IpFamily): Declarations {
  const { type } = WORDS[family];
  const socket = `${type} . inet_proto . inet_service`;
  return new Map([
    ['cluster-ips', `set { type ${type}; comment "cluster IPs of Services"; }`],
    ['hairpin-connections', `set { type ${type} . ${type}; comment "from an endpoint of this node to itself"; }`],
    ['service-ips', `map { type ${socket} : verdict; comment "cluster, external and load balancer IPs"; }`],
    ['service-nodeports', 'map { type inet_proto . inet_service : verdict; comment "node ports"; }'],
    ['no-endpoint-services', `map { type ${socket} : verdict; comment "addresses without endpoints"; }`],
    [
      'no-endpoint-nodeports',
      'map { type inet_proto . inet_service : verdict; comment "node ports without endpoints"; }',
    ],
    ['firewall-ips', `map { type ${socket} : verdict; comment "load balancer IPs with source ranges"; }`],
  ]);
}

/** Chains that the kernel itself leads to: name -> hook. */
export const BASE_CHAINS: Chains = new Map(
  [
    ['filter-prerouting-pre-dnat', 'type filter hook prerouting priority -110;'],
    ['filter-output-pre-dnat', 'type filter hook output priority -110;'],
    ['filter-input', 'type filter hook input priority 0;'],
    ['filter-forward', 'type filter hook forward priority 0;'],
    ['filter-output', 'type filter hook output priority 0;'],
    ['nat-prerouting', 'type nat hook prerouting priority -100;'],
    ['nat-output', 'type nat hook output priority -100;'],
    ['nat-postrouting', 'type nat hook postrouting priority 100;'],
  ].map(([name = '', hook = '']) => [name, [hook]]),
);

/**
 * The name of a chain that leads nowhere and says how the table is laid out: a table without it is another program's, or that of
 * another version.
 */
export function layoutMark(family: IpFamily): string {
  const text = JSON.stringify([...fixedSets(family), ...BASE_CHAINS, endpointObjects(family, 1)]);
  return `kedge-layout-${createHash('sha256').update(text).digest('hex').slice(0, 8)}`;
}

export function fixedChains(family: IpFamily, { cluster, services }: Ranges): Chains {
  const { ip, multicast, unreachable } = WORDS[family];
  const socket = `${ip} daddr . meta l4proto . th dport`;
  const toNode = 'fib daddr type local meta l4proto . th dport';
  const fresh = 'ct state new jump';
  const chains: [string, string[]][] = [
    ['filter-prerouting-pre-dnat', [rule(`${fresh} firewall-check`, 'source ranges of load balancers')]],
    ['filter-output-pre-dnat', [rule(`${fresh} firewall-check`, 'source ranges of load balancers')]],
    ['filter-input', [rule(`${fresh} endpoints-check`, 'no endpoints')]],
    [
      'filter-forward',
      [
        // Untranslated, such a packet would reach a client as another host's, and the client would reset its connection.
        rule('ct state invalid drop', 'packets of no connection'),
        rule(`${fresh} endpoints-check`, 'no endpoints'),
      ],
    ],
    ['filter-output', [rule(`${fresh} endpoints-check`, 'no endpoints')]],
    ['nat-prerouting', [rule('jump services', 'service portals')]],
    ['nat-output', [rule('jump services', 'service portals')]],
    ['nat-postrouting', [rule('jump masquerading', 'postrouting')]],
    ['firewall-check', [rule(`${socket} vmap @firewall-ips`, 'source ranges of load balancers')]],
    [
      'services',
      [
        rule(
          `${ip} daddr @cluster-ips ${ip} saddr != ${cluster.text} jump mark-for-masquerade`,
          'from outside of the pods to a cluster IP',
        ),
        rule(`${socket} vmap @service-ips`, 'addresses of Services'),
        rule(`${toNode} vmap @service-nodeports`, 'node ports; after all addresses'),
      ],
    ],
    [
      'endpoints-check',
      [
        rule(`${socket} vmap @no-endpoint-services`, 'addresses without endpoints'),
        rule(`${toNode} vmap @no-endpoint-nodeports`, 'node ports without endpoints'),
        // Packets that no Service accepts must not leave the host by its default route. A host may have such an address itself.
        ...['@cluster-ips', ...(services ? [services.text] : [])].map((range) =>
          rule(`${ip} daddr ${range} fib daddr type != local goto reject-chain`, 'no such Service, port or endpoints'),
        ),
      ],
    ],
    ['reject-chain', [rule(`reject with ${unreachable}`, 'no endpoints')]],
    ['mark-for-masquerade', [rule(`meta mark set meta mark | ${MASQUERADE_MARK}`, 'see chain masquerading')]],
    [
      'masquerading',
      [
        // Packets that pods send out of the cluster leave with the node's address; those to other pods keep the pod's.
        rule(
          `${ip} saddr ${cluster.text} ${ip} daddr != ${cluster.text} ${ip} daddr != ${multicast} masquerade fully-random`,
          'pods to the outside',
        ),
        rule(
          `meta mark & ${MASQUERADE_MARK} != 0 meta mark set meta mark ^ ${MASQUERADE_MARK} masquerade fully-random`,
          'marked service traffic',
        ),
        // A pod that reaches itself through its Service must see another's address as the source.
        rule(
          `ct status dnat ${ip} saddr . ${ip} daddr @hairpin-connections masquerade fully-random`,
          'from a pod to itself',
        ),
      ],
    ],
    [layoutMark(family), []],
  ];
  return new Map(family === 'IPv4' ? withLoopbackGuard(chains) : chains);
}

export const endpointsMap = (count: number): string => `endpoints-${count}`;
export const nodePortEndpointsMap = (count: number): string => `nodeport-endpoints-${count}`;
/** The chain for connections that are masqueraded. */
export const externalEndpointsChain = (count: number): string => `external-endpoints-${count}`;

const NOTHING: Objects = { sets: new Map(), chains: new Map() };

/** All protocols that Services have: the kernel translates ports of these alone. */
export const WITH_PORTS = 'meta l4proto { tcp, udp, sctp }';
const MASQUERADE = rule('jump mark-for-masquerade', 'endpoints on other nodes reply to this one');

/** What is there as long as the map has elements; nothing for other sets and maps. */
export function objectsOf(family: IpFamily, container: string): Objects {
  const [, nodePort, digits] = /^(nodeport-)?endpoints-(\d+)$/.exec(container) ?? [];
  if (digits === undefined) return NOTHING;
  return nodePort ? nodePortObjects(family, Number(digits)) : endpointObjects(family, Number(digits));
}

function endpointObjects(family: IpFamily, count: number): Objects {
  const { ip } = WORDS[family];
  const [name, key] = [endpointsMap(count), `${ip} daddr . meta l4proto . th dport . numgen random mod ${count}`];
  const translate = rule(`${WITH_PORTS} dnat ${ip} to ${key} map @${name}`, `one of ${count}`);
  return {
    sets: new Map([[name, `map { typeof ${key} : ${ip} daddr . th dport; }`]]),
    chains: new Map([
      [name, [translate]],
      [externalEndpointsChain(count), [MASQUERADE, translate]],
    ]),
  };
}

function nodePortObjects(family: IpFamily, count: number): Objects {
  const { ip } = WORDS[family];
  const [name, key] = [nodePortEndpointsMap(count), `meta l4proto . th dport . numgen random mod ${count}`];
  return {
    sets: new Map([[name, `map { typeof ${key} : ${ip} daddr . th dport; }`]]),
    chains: new Map([[name, [MASQUERADE, rule(`${WITH_PORTS} dnat ${ip} to ${key} map @${name}`, `one of ${count}`)]]]),
  };
}

/** The table as a whole. */
export const layoutOf = (family: IpFamily, ranges: () => Ranges): TableLayout => ({
  ...{ table: TABLES[family], sets: fixedSets(family), hooks: BASE_CHAINS, mark: layoutMark(family) },
  chains: () => fixedChains(family, ranges()),
  objectsOf: (container) => objectsOf(family, container),
});
