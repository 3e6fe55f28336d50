/**
 * The table of nftables beside the virtual servers: what IPVS cannot say. Which connections are masqueraded, whom a load balancer
 * admits, what is rejected. It is the same whatever Services there are: these are elements of its sets.
 *
 * A service address is the host's own, so packets to it come in by the input hook. After that (at the output hook for the host's
 * own), IPVS chooses the endpoint and sends them on from the output hook, past the forward hook. Sources are translated after
 * that, at postrouting, as the kernel's conntrack sees the connections of IPVS (`net.ipv4.vs.conntrack`).
 */
import { createHash } from 'node:crypto';
import type { IpFamily } from '../../../../../api/domain/address.ts';
import type { TableLayout } from '../../../netfilter/nft-table/owned-table.ts';
import { rule, type Chains, type Declarations, type TableUnit } from '../../../netfilter/nft-table/table-unit.ts';
import type { NftTable } from '../../../netfilter/nft.ts';
import { withLoopbackGuard, WORDS } from '../nft-words.ts';
import { MASQUERADE_MARK } from '../pod-forwarding.ts';
import type { Ranges } from '../ranges.ts';

export const TABLES: Readonly<Record<IpFamily, NftTable>> = {
  IPv4: { family: 'ip', name: 'kube-ipvs' },
  IPv6: { family: 'ip6', name: 'kube-ipvs' },
};

export function tableLayout(family: IpFamily, ranges: () => Ranges): TableLayout {
  const sets = fixedSets(family);
  const text = JSON.stringify([...sets, ...BASE_CHAINS]);
  const mark = `kedge-layout-${createHash('sha256').update(text).digest('hex').slice(0, 8)}`;
  return {
    ...{ table: TABLES[family], sets, hooks: BASE_CHAINS, mark },
    chains: () => new Map([...fixedChains(family, ranges()), [mark, []]]),
    objectsOf: () => ({ sets: new Map(), chains: new Map() }),
  };
}

function fixedSets(family: IpFamily): Declarations {
  const { type } = WORDS[family];
  const socket = `${type} . inet_proto . inet_service`;
  const nodePort = 'inet_proto . inet_service';
  const set = (type: string, comment: string): string => `set { type ${type}; comment "${comment}"; }`;
  const map = (type: string, comment: string): string => `map { type ${type}; comment "${comment}"; }`;
  return new Map([
    ['cluster-ips', set(type, 'cluster IPs of Services')],
    ['service-addresses', set(type, 'addresses that the host has for Services alone')],
    ['service-ips', set(socket, 'what has a virtual server')],
    ['masquerade-ips', set(socket, 'external and load balancer IPs whose endpoints reply to this node')],
    ['masquerade-nodeports', set(nodePort, 'node ports whose endpoints reply to this node')],
    ['inside-ips', map(`${socket} : ${type} . inet_service`, 'from inside to addresses with a Local policy')],
    ['inside-nodeports', map(`${nodePort} : ${type} . inet_service`, 'from inside to node ports with a Local policy')],
    ['hairpin-connections', set(`${type} . ${type}`, 'from an endpoint of this node to itself')],
    ['no-endpoint-services', map(`${socket} : verdict`, 'addresses without endpoints')],
    ['no-endpoint-nodeports', map(`${nodePort} : verdict`, 'node ports without endpoints')],
    ['firewall-ips', map(`${socket} : verdict`, 'load balancer IPs with source ranges')],
  ]);
}

/** Chains that the kernel itself leads to: name -> hook. All that lead to IPVS come before it, the last one after it. */
const BASE_CHAINS: Chains = new Map(
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

function fixedChains(family: IpFamily, ranges: Ranges): Chains {
  const fresh = (chain: string, why: string): string => rule(`ct state new jump ${chain}`, why);
  const chains: [string, string[]][] = [
    ['filter-prerouting-pre-dnat', [fresh('firewall-check', 'source ranges of load balancers')]],
    ['filter-output-pre-dnat', [fresh('firewall-check', 'source ranges of load balancers')]],
    ['filter-input', [fresh('service-check', 'no endpoints')]],
    [
      'filter-forward',
      [
        // Untranslated, such a packet would reach a client as another host's, and the client would reset its connection.
        rule('ct state invalid drop', 'packets of no connection'),
        fresh('address-check', 'no such Service'),
      ],
    ],
    ['filter-output', [fresh('address-check', 'no such Service')]],
    ['nat-prerouting', [rule('jump services', 'service portals')]],
    ['nat-output', [rule('jump services', 'service portals')]],
    ['nat-postrouting', [rule('jump masquerading', 'postrouting')]],
    ['reject-chain', [rule(`reject with ${WORDS[family].unreachable}`, 'no endpoints')]],
    ['mark-for-masquerade', [rule(`meta mark set meta mark | ${MASQUERADE_MARK}`, 'see chain masquerading')]],
    ...checkChains(family, ranges),
    ...translationChains(family, ranges),
  ];
  return new Map(family === 'IPv4' ? withLoopbackGuard(chains) : chains);
}

/** IPVS leads no packet from there elsewhere: nothing serves node ports at these addresses. */
const LOOPBACK: Readonly<Record<IpFamily, string>> = { IPv4: '127.0.0.0/8', IPv6: '::1' };
const NODE_PORT = 'meta l4proto . th dport';

function checkChains(family: IpFamily, { services }: Ranges): [string, string[]][] {
  const { ip } = WORDS[family];
  const socket = `${ip} daddr . ${NODE_PORT}`;
  return [
    ['firewall-check', [rule(`${socket} vmap @firewall-ips`, 'source ranges of load balancers')]],
    [
      'service-check',
      [
        rule(`${socket} vmap @no-endpoint-services`, 'addresses without endpoints'),
        // What no virtual server takes would reach the host's own programs.
        rule(
          `${ip} daddr @service-addresses ${socket} != @service-ips goto reject-chain`,
          'no such port or no endpoints',
        ),
        rule(`${NODE_PORT} vmap @no-endpoint-nodeports`, 'node ports without endpoints'),
      ],
    ],
    [
      'address-check',
      // Packets that no Service accepts must not leave the host by its default route. A host may have such an address itself.
      ['@cluster-ips', ...(services ? [services.text] : [])].map((range) =>
        rule(`${ip} daddr ${range} fib daddr type != local goto reject-chain`, 'no such Service'),
      ),
    ],
  ];
}

function translationChains(family: IpFamily, { cluster }: Ranges): [string, string[]][] {
  const { ip, multicast } = WORDS[family];
  const socket = `${ip} daddr . ${NODE_PORT}`;
  const toNode = `${ip} daddr != @service-addresses ${ip} daddr != ${LOOPBACK[family]} fib daddr type local`;
  const withPorts = 'meta l4proto { tcp, udp, sctp }';
  return [
    [
      'services',
      [
        rule(
          `${ip} daddr @cluster-ips ${ip} saddr != ${cluster.text} jump mark-for-masquerade`,
          'from outside of the pods to a cluster IP',
        ),
        rule(`${socket} @masquerade-ips jump mark-for-masquerade`, 'endpoints on other nodes reply to this one'),
        rule(
          `${toNode} ${NODE_PORT} @masquerade-nodeports jump mark-for-masquerade`,
          'endpoints on other nodes reply to this one',
        ),
        // Pods and the node itself are inside: they are not bound by the policy for traffic from outside.
        rule(`${ip} saddr ${cluster.text} goto inside`, 'from pods'),
        rule('fib saddr type local goto inside', 'from this node'),
      ],
    ],
    [
      'inside',
      [
        rule(`${withPorts} dnat ${ip} to ${socket} map @inside-ips`, 'on to the cluster IP'),
        rule(`${toNode} ${withPorts} dnat ${ip} to ${NODE_PORT} map @inside-nodeports`, 'on to the cluster IP'),
      ],
    ],
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
        // The kernel takes the address that the node connects to for its own, where a link of the node has it.
        rule(`${ip} saddr @service-addresses masquerade fully-random`, 'from this node'),
        // A pod that reaches itself through its Service must see another's address as the source.
        rule(`${ip} saddr . ${ip} daddr @hairpin-connections masquerade fully-random`, 'from a pod to itself'),
      ],
    ],
  ];
}

/** An element of every set and map that packets are looked up in. */
export function probeUnit(family: IpFamily): TableUnit {
  const address = family === 'IPv4' ? '192.0.2.1' : '2001:db8::1';
  return {
    sets: new Map(),
    chains: new Map(),
    elements: [
      { container: 'inside-ips', key: `${address} . tcp . 80`, tail: ` : ${address} . 80` },
      { container: 'inside-nodeports', key: 'tcp . 80', tail: ` : ${address} . 80` },
      { container: 'no-endpoint-services', key: `${address} . tcp . 80`, tail: ' : goto reject-chain' },
    ],
  };
}
