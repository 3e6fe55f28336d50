/**
 * What lets pods' packets through the host's FORWARD chain, whose policy may be to drop (docker's is). The iptables mode has this in
 * its own chain. No table of another mode can say it: what one table accepts, another may still drop.
 */
import type { Cidr } from '../../../../api/domain/address.ts';
import { isProgramMissing } from '../../../host/run.ts';
import type { Netfilter, NetfilterOwner } from '../../netfilter/netfilter.ts';
import { comment, type Rule } from '../../netfilter/rules.ts';
import type { WatchedChain } from '../../netfilter/rule-watch.ts';

/** Packets with this bit leave with the node's address (kube-proxy's default masquerade bit 14). */
export const MASQUERADE_MARK = '0x4000';

const CHAIN = 'KEDGE-FORWARD';

export const acceptServiceTraffic: readonly string[] = [
  `${comment('kubernetes forwarding rules')} -m mark --mark ${MASQUERADE_MARK}/${MASQUERADE_MARK} -j ACCEPT`,
  `${comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
];
export const acceptPodTraffic = ({ text: cluster }: Cidr): readonly string[] => [
  `-s ${cluster} ${comment('from pods')} -j ACCEPT`,
  `-d ${cluster} ${comment('to pods')} -j ACCEPT`,
];

/** On a host without iptables there is nothing that it could have told to drop them. All methods throw ProgramError. */
export class PodForwarding {
  readonly #owner: NetfilterOwner;

  /**
   * @param clusterCidr in the family of `netfilter`
   * @param chain the mode's own: while one mode follows another, both have it
   */
  constructor(netfilter: Netfilter, clusterCidr: Cidr, chain = CHAIN) {
    const jump: Rule = {
      ...{ table: 'filter', chain: 'FORWARD' },
      rule: `${comment('kubernetes forwarding rules')} -j ${chain}`,
    };
    const rules = [...acceptServiceTraffic, ...acceptPodTraffic(clusterCidr)];
    this.#owner = netfilter.register({
      ...{ name: 'pod forwarding', prefix: chain, jumps: [jump] },
      frame: (table) => new Map(table === 'filter' ? [[chain, rules]] : []),
    });
  }

  get watched(): readonly WatchedChain[] {
    return this.#owner.watched;
  }

  /** Returns whether the kernel had to be changed. */
  apply(): Promise<boolean> {
    return unlessMissing(async () => (await this.#owner.apply(new Map())).wrote, false);
  }

  verify(): Promise<boolean> {
    return unlessMissing(() => this.#owner.verify(), true);
  }

  remove(): Promise<void> {
    return unlessMissing(() => this.#owner.remove(), undefined);
  }
}

async function unlessMissing<T>(action: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!isProgramMissing(error)) throw error;
    return otherwise;
  }
}
