/** The addresses of this host's links: its own, and those that it has on behalf of Services. */
import type { IpFamily } from '../../api/domain/address.ts';
import { run } from './run.ts';

/** The link that has the addresses of Services in proxy mode ipvs, as kube-proxy names it. */
export const SERVICE_LINK = 'kube-ipvs0';
/**
 * Marks addresses that the host has on behalf of load balancers: the kernel makes no use of the metric of an address that is its own
 * whole network.
 */
export const ANNOUNCED_METRIC = 107;

/** Of ip(8). */
export const FAMILY_OPTIONS: Readonly<Record<IpFamily, string>> = { IPv4: '-4', IPv6: '-6' };

/** iproute2 prints an empty object for a link that has no address of the family. */
interface ListedLink {
  readonly ifname?: string;
  readonly addr_info?: readonly ListedAddress[];
}
export interface ListedAddress {
  readonly local: string;
  readonly prefixlen: number;
  readonly scope: string;
  readonly metric?: number;
  /** Of IPv6: for privacy, and replaced before long. */
  readonly temporary?: boolean;
  readonly deprecated?: boolean;
  /** Of IPv6: the kernel does not answer for it until it has found out that no other host does. */
  readonly tentative?: boolean;
  /** Another host has it, so that it stays tentative. */
  readonly dadfailed?: boolean;
}

/** By link; of all links unless one is named. Throws ProgramError. */
export async function listLinkAddresses(
  { family, link }: { readonly family?: IpFamily; readonly link?: string },
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, readonly ListedAddress[]>> {
  const args = [...(family ? [FAMILY_OPTIONS[family]] : []), 'address', 'show', ...(link ? ['dev', link] : [])];
  const { stdout } = await run('ip', ['-json', ...args], { signal });
  const links = JSON.parse(stdout.trim() || '[]') as readonly ListedLink[];
  return new Map(links.flatMap(({ ifname, addr_info = [] }) => (ifname === undefined ? [] : [[ifname, addr_info]])));
}

/**
 * The addresses in the family that this host is reached at, in order; those of Services and of loopback are none. Throws
 * ProgramError.
 */
export async function hostAddresses(family: IpFamily, signal: AbortSignal): Promise<readonly string[]> {
  const links = await listLinkAddresses({ family }, signal);
  const found = [...links]
    .filter(([name]) => name !== SERVICE_LINK)
    .flatMap(([, addresses]) => addresses)
    .filter(({ scope, metric }) => scope === 'global' && metric !== ANNOUNCED_METRIC);
  return [...new Set(found.map(({ local }) => local))].sort();
}
