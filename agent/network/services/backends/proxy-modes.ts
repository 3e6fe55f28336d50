/** One backend per proxy mode: adding a mode is a folder with its backend, and a line here. */
import type { Cidr } from '../../../../api/domain/address.ts';
import type { Logger } from '../../../../client/logger.ts';
import { ProgramError } from '../../../host/run.ts';
import type { Iptables } from '../../netfilter/iptables.ts';
import type { Netfilter } from '../../netfilter/netfilter.ts';
import type { Nft } from '../../netfilter/nft.ts';
import type { Explain } from '../../trace/explanation.ts';
import { explainIptables } from './iptables/explain.ts';
import { explainIpvs } from './ipvs/explain.ts';
import { IpvsBackend } from './ipvs/ipvs-backend.ts';
import { requireIpvs, type IpvsHost } from './ipvs/ipvs-host.ts';
import { readIpvs } from './ipvs/listing.ts';
import { IptablesBackend } from './iptables/iptables-backend.ts';
import { readIptables } from './iptables/listing.ts';
import { explainNftables } from './nftables/explain.ts';
import { readNftables } from './nftables/listing.ts';
import { checkNftables, NftablesBackend } from './nftables/nftables-backend.ts';
import type { ProxyBackend } from './proxy-backend.ts';
import type { KernelRules } from './rule-listing.ts';
import { PROXY_MODES, type ProxyMode } from './proxy-mode.ts';
import type { Ranges } from './ranges.ts';

/** What this node gives a backend, in one IP family. */
export interface ProxyHost {
  /** Of the pods, in the family of `netfilter`. */
  readonly clusterCidr: Cidr;
  readonly netfilter: Netfilter;
  readonly nft: Nft;
  readonly ipvs: IpvsHost;
}

export const proxyModes: Readonly<Record<ProxyMode, (host: ProxyHost) => ProxyBackend>> = {
  nftables: (host) => new NftablesBackend(host),
  iptables: (host) => new IptablesBackend(host),
  ipvs: ({ ipvs, ...host }) => new IpvsBackend({ ...host, ...ipvs }),
};

/** Of every mode: the kernel may have rules of another than this node's. */
export const explainProxy: readonly Explain[] = Object.values({
  nftables: explainNftables,
  iptables: explainIptables,
  ipvs: explainIpvs,
} satisfies Record<ProxyMode, Explain>);

/** What a listing is read with, in one IP family. */
export interface ListingHost {
  readonly nft: Nft;
  readonly iptables: Iptables;
  readonly ipvs: IpvsHost;
  readonly ranges: Ranges;
}
/** What the kernel has of Services in each mode. All throw ProgramError when the kernel cannot be read. */
export const kernelRules: Readonly<Record<ProxyMode, (host: ListingHost) => Promise<KernelRules>>> = {
  nftables: ({ nft, ranges }) => readNftables(nft, ranges),
  iptables: ({ iptables, ranges }) => readIptables(iptables, ranges),
  ipvs: ({ ipvs, nft, ranges }) => readIpvs(ipvs, nft, ranges),
};

/** The mode's backend, and those of all others, which the node may have had before. */
export function backendsOf(mode: ProxyMode, host: ProxyHost): { backend: ProxyBackend; retired: ProxyBackend[] } {
  const others = PROXY_MODES.filter((other) => other !== mode);
  return { backend: proxyModes[mode](host), retired: others.map((other) => proxyModes[other](host)) };
}

/** Throws a HostError when the host lacks what a mode takes that its operator has chosen, and that no other stands in for. */
export async function requireProxyMode(mode: ProxyMode, hosts: readonly ProxyHost[]): Promise<void> {
  if (mode === 'ipvs') for (const host of hosts) await requireIpvs(host.ipvs, host);
}

/** The mode for a node whose operator has chosen none: nftables where the host has all that it takes, in each IP family. */
export async function availableProxyMode(
  hosts: readonly Pick<ProxyHost, 'clusterCidr' | 'nft'>[],
  logger: Logger,
): Promise<ProxyMode> {
  try {
    for (const host of hosts) await checkNftables(host);
    return 'nftables';
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    logger.warn({ err: error }, 'nftables is unavailable on this host, service rules are written with iptables');
    return 'iptables';
  }
}
