/** What tables of nftables that Services are in have in common, in each IP family. */
import type { IpFamily } from '../../../../api/domain/address.ts';
import { rule } from '../../netfilter/nft-table/table-unit.ts';

interface Words {
  /** The protocol, as in `ip daddr`. */
  readonly ip: string;
  readonly type: string;
  readonly multicast: string;
  readonly unreachable: string;
}
export const WORDS: Readonly<Record<IpFamily, Words>> = {
  IPv4: { ip: 'ip', type: 'ipv4_addr', multicast: '224.0.0.0/4', unreachable: 'icmp port-unreachable' },
  IPv6: { ip: 'ip6', type: 'ipv6_addr', multicast: 'ff00::/8', unreachable: 'icmpv6 port-unreachable' },
};
/** IPv6 has no addresses of loopback that packets from elsewhere could be routed to. */
export function withLoopbackGuard(chains: readonly [string, string[]][]): [string, string[]][] {
  const jump = rule('ip saddr != 127.0.0.0/8 ip daddr 127.0.0.0/8 jump loopback-guard', 'see chain loopback-guard');
  const guarded = chains.map(([name, rules]): [string, string[]] =>
    name === 'filter-input' || name === 'filter-output' ? [name, [jump, ...rules]] : [name, rules],
  );
  const guard = [
    rule('ct state established,related return', 'known connections'),
    rule('ct status dnat return', 'node ports'),
    // With route_localnet the kernel would accept what other hosts send to 127.0.0.0/8 (CVE-2020-8558).
    rule('drop', 'from elsewhere to loopback'),
  ];
  return [...guarded, ['loopback-guard', guard]];
}
