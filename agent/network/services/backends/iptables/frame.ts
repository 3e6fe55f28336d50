/** The rules that are there whatever Services there are. Names and roles of the chains are kube-proxy's. */
import type { Cidr, IpFamily } from '../../../../../api/domain/address.ts';
import { comment, type Chains, type Rule, type RuleSet, type Table } from '../../../netfilter/rules.ts';
import { acceptPodTraffic, acceptServiceTraffic, MASQUERADE_MARK } from '../pod-forwarding.ts';
import { dispatchChains } from './shared-chains.ts';
import type { Ranges } from '../ranges.ts';

/** Of all chains of Services. */
export const PREFIX = 'KUBE-';
const MASQUERADE = `${MASQUERADE_MARK}/${MASQUERADE_MARK}`;

const ALL_FAMILIES: readonly Rule[] = [
  { table: 'nat', chain: 'PREROUTING', rule: `${comment('kubernetes service portals')} -j KUBE-SERVICES` },
  { table: 'nat', chain: 'OUTPUT', rule: `${comment('kubernetes service portals')} -j KUBE-SERVICES` },
  { table: 'nat', chain: 'POSTROUTING', rule: `${comment('kubernetes postrouting rules')} -j KUBE-POSTROUTING` },
  {
    table: 'filter',
    chain: 'INPUT',
    rule: `-m conntrack --ctstate NEW ${comment('kubernetes service portals')} -j KUBE-SERVICES`,
  },
  {
    table: 'filter',
    chain: 'OUTPUT',
    rule: `-m conntrack --ctstate NEW ${comment('kubernetes service portals')} -j KUBE-SERVICES`,
  },
  { table: 'filter', chain: 'FORWARD', rule: `${comment('kubernetes forwarding rules')} -j KUBE-FORWARD` },
];
/** IPv6 has no addresses of loopback that packets from elsewhere could be routed to. */
const IPV4_ALONE: readonly Rule[] = [
  { table: 'filter', chain: 'INPUT', rule: `${comment('kubernetes firewall')} -j KUBE-FIREWALL` },
  { table: 'filter', chain: 'OUTPUT', rule: `${comment('kubernetes firewall')} -j KUBE-FIREWALL` },
];

export const JUMPS: Readonly<Record<IpFamily, readonly Rule[]>> = {
  IPv4: [...ALL_FAMILIES, ...IPV4_ALONE],
  IPv6: ALL_FAMILIES,
};

/** The chains of one table that belong to no Service. */
export const frameChains = (table: Table, shared: Iterable<string>, { cluster, services }: Ranges): Chains =>
  new Map([...dispatchChains(table, shared, services), ...baseChains(cluster)[table]]);

export function baseChains(range: Cidr): RuleSet {
  const { text: cluster, family } = range;
  return {
    nat: new Map([
      ['KUBE-MARK-MASQ', [`-j MARK --set-xmark ${MASQUERADE}`]],
      [
        'KUBE-POSTROUTING',
        [
          // Packets that pods send out of the cluster leave with the node's address; those to other pods keep the pod's.
          `-s ${cluster} ! -d ${cluster} -m addrtype ! --dst-type MULTICAST ${comment('pods to the outside')} -j MASQUERADE --random-fully`,
          `-m mark ! --mark ${MASQUERADE} -j RETURN`,
          // Clears the bit.
          `-j MARK --set-xmark ${MASQUERADE_MARK}/0x0`,
          `${comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
        ],
      ],
    ]),
    filter: new Map([
      ...(family === 'IPv4' ? [FIREWALL] : []),
      [
        'KUBE-FORWARD',
        [
          // Untranslated, such a packet would reach a client as another host's, and the client would reset its connection.
          `-m conntrack --ctstate INVALID ${comment('packets of no connection')} -j DROP`,
          ...acceptServiceTraffic,
          // Here and not in FORWARD: what Services reject must be rejected before pods are let through.
          `-m conntrack --ctstate NEW ${comment('kubernetes service portals')} -j KUBE-SERVICES`,
          ...acceptPodTraffic(range),
        ],
      ],
    ]),
  };
}

const FIREWALL: readonly [string, readonly string[]] = [
  'KUBE-FIREWALL',
  [
    // With route_localnet the kernel would accept what other hosts send to 127.0.0.0/8 (CVE-2020-8558).
    `! -s 127.0.0.0/8 -d 127.0.0.0/8 ${comment('block incoming localnet connections')} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`,
  ],
];
