/** The rules of netfilter for the cluster's DNS on this node. */
import type { Cidr } from '../../../api/domain/address.ts';
import { DNS_PORT } from '../../../api/domain/cluster-dns.ts';
import type { Netfilter, NetfilterOwner } from '../netfilter/netfilter.ts';
import { comment, type Chains, type Rule, type RuleUnit, type Table } from '../netfilter/rules.ts';

const PREFIX = 'KEDGE-DNS-';
const [IN, OUT] = [`${PREFIX}IN`, `${PREFIX}OUT`];
const JUMPS: readonly Rule[] = [
  { table: 'filter', chain: 'INPUT', rule: `${comment('kedge cluster DNS')} -j ${IN}` },
  { table: 'filter', chain: 'OUTPUT', rule: `${comment('kedge cluster DNS')} -j ${OUT}` },
];
const NO_CHAINS: Chains = new Map();
const ICMP = { IPv4: '-p icmp -m icmp --icmp-type 3/3', IPv6: '-p ipv6-icmp -m icmp6 --icmpv6-type 1/4' } as const;

export class DnsRules {
  readonly #owner: NetfilterOwner;
  readonly #pods: Cidr;
  #applied: ReadonlySet<string> = new Set();

  /** @param pods their range, in the family of `netfilter` */
  constructor(netfilter: Netfilter, pods: Cidr) {
    this.#pods = pods;
    this.#owner = netfilter.register({
      ...{ name: 'cluster DNS', prefix: PREFIX, jumps: JUMPS },
      // Both are there, as the jumps lead to them; those with rules are the units'.
      frame: (table: Table, shared) => {
        const withRules = new Set(shared);
        return new Map(
          table === 'nat' ? [] : [IN, OUT].filter((chain) => !withRules.has(chain)).map((chain) => [chain, []]),
        );
      },
    });
  }

  /** Throws ProgramError; the next call puts in force what this one could not. */
  async apply(addresses: readonly string[]): Promise<void> {
    const wanted = addresses.filter((address) => address.includes(':') === (this.#pods.family === 'IPv6'));
    const units = new Map<string, RuleUnit | undefined>([...this.#applied].map((address) => [address, undefined]));
    for (const address of wanted) units.set(address, this.#unitOf(address));
    this.#applied = new Set(wanted);
    await this.#owner.apply(units);
  }

  /** Whether the kernel still has them. */
  verify(): Promise<boolean> {
    return this.#owner.verify();
  }

  remove(): Promise<void> {
    return this.#owner.remove();
  }

  #unitOf(address: string): RuleUnit {
    const { text: pods, family } = this.#pods;
    const host = `${address}/${family === 'IPv6' ? 128 : 32}`;
    // Whatever else a firewall of the host keeps from it.
    const accepted = (['udp', 'tcp'] as const).map((protocol): Rule => {
      const rule = `-s ${pods} -d ${host} -p ${protocol} -m ${protocol} --dport ${DNS_PORT} ${comment('from pods')} -j ACCEPT`;
      return { table: 'filter', chain: IN, rule };
    });
    // A resolver waits for a server that is started again, and gives up at once when nobody seems to be there.
    const silence = `-s ${host} ${ICMP[family]} ${comment('nobody listens')} -j DROP`;
    return {
      chains: { nat: NO_CHAINS, filter: NO_CHAINS },
      shared: [...accepted, { table: 'filter', chain: OUT, rule: silence }],
    };
  }
}
