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

/** In all IP families that the node has pods of. */
export class DnsRules {
  readonly #families: readonly FamilyDnsRules[];
  /** A family without an address of DNS gets no chains either. */
  readonly #used = new Set<FamilyDnsRules>();

  constructor(families: readonly FamilyDnsRules[]) {
    this.#families = families;
  }

  /** Throws ProgramError; the next call puts in force what this one could not. */
  async apply(addresses: readonly string[]): Promise<void> {
    for (const family of this.#families) {
      if (family.concerns(addresses)) this.#used.add(family);
      if (this.#used.has(family)) await family.apply(addresses);
    }
  }

  /** Whether the kernel still has them. */
  async verify(): Promise<boolean> {
    const intact = await Promise.all([...this.#used].map((family) => family.verify()));
    return !intact.includes(false);
  }
}

/** In one IP family. */
export class FamilyDnsRules {
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

  /** Whether some of the addresses are of this family. */
  concerns(addresses: readonly string[]): boolean {
    return addresses.some((address) => this.#isOwn(address));
  }

  #isOwn(address: string): boolean {
    return address.includes(':') === (this.#pods.family === 'IPv6');
  }

  /** Throws ProgramError; the next call puts in force what this one could not. */
  async apply(addresses: readonly string[]): Promise<void> {
    const wanted = addresses.filter((address) => this.#isOwn(address));
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
