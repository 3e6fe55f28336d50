/** Links, addresses and routes through iproute2. */
import type { IpFamily } from '../../api/domain/address.ts';
import { HostError } from './host-error.ts';
import {
  ANNOUNCED_METRIC,
  FAMILY_OPTIONS,
  type ListedAddress,
  listLinkAddresses,
  SERVICE_LINK,
} from './link-addresses.ts';
import { ProgramError, run } from './run.ts';
import { hasIpv6 } from './sysctl.ts';

export interface Route {
  /** `default` or a CIDR. */
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly prefsrc?: string;
  readonly protocol?: string;
  readonly metric?: number;
}

async function ip<T>(args: readonly string[], signal?: AbortSignal): Promise<T[]> {
  const { stdout } = await run('ip', ['-json', ...args], { signal });
  return stdout.trim() === '' ? [] : (JSON.parse(stdout) as T[]);
}

/** @param address or a range, in canonical form */
const optionOf = (address: string): string => FAMILY_OPTIONS[address.includes(':') ? 'IPv6' : 'IPv4'];

export const listRoutes = (family: IpFamily, signal?: AbortSignal): Promise<Route[]> =>
  ip<Route>([FAMILY_OPTIONS[family], 'route', 'show'], signal);

/**
 * The addresses that this host is reached at, one of each IP family that it has any of, IPv4 first: the source of its default route,
 * or else the first address that is not a loopback's. Throws when there is none.
 * @param ofPods links whose addresses are this host's for its pods alone
 */
export async function detectNodeIps(ofPods: readonly string[], signal?: AbortSignal): Promise<readonly string[]> {
  const families: readonly IpFamily[] = (await hasIpv6()) ? ['IPv4', 'IPv6'] : ['IPv4'];
  const found = await Promise.all(families.map((family) => detectNodeIp(family, ofPods, signal)));
  const addresses = found.filter((address) => address !== undefined);
  if (addresses.length === 0)
    throw new HostError('this host has no address: give it one, and set --node-ip if it has several');
  return addresses;
}

/** Undefined when the host has none in the family. Of IPv6, only global ones count, and none that the host gives up before long. */
async function detectNodeIp(
  family: IpFamily,
  ofPods: readonly string[],
  signal?: AbortSignal,
): Promise<string | undefined> {
  const defaultRoute = (await listRoutes(family, signal)).find(({ dst }) => dst === 'default');
  if (defaultRoute?.prefsrc) return defaultRoute.prefsrc;
  const links = [...(await listLinkAddresses({ family }, signal))].filter(
    ([name]) => name !== SERVICE_LINK && !ofPods.includes(name),
  );
  const isOwn = ({ metric, scope, temporary, deprecated }: ListedAddress): boolean =>
    metric !== ANNOUNCED_METRIC && (family === 'IPv4' || (scope === 'global' && !temporary && !deprecated));
  const addressesOn = (isWanted: (name: string) => boolean): string[] =>
    links.flatMap(([name, all]) => (isWanted(name) ? all.filter(isOwn).map(({ local }) => local) : []));
  return [...addressesOn((name) => name === defaultRoute?.dev), ...addressesOn((name) => name !== 'lo')][0];
}

export interface Way {
  /** The link by which packets leave. */
  readonly dev: string;
  /** Whether the address is a neighbour's: reached without a router in between. */
  readonly isOnLink: boolean;
}

/** How this host reaches the address of another host; undefined when it does not, or where it is no other host's alone. */
export async function wayTo(address: string, signal?: AbortSignal): Promise<Way | undefined> {
  try {
    const [route] = await ip<Route & { type?: string }>([optionOf(address), 'route', 'get', address], signal);
    // Others are `local` and `broadcast`.
    if (route?.dev === undefined || (route.type ?? 'unicast') !== 'unicast') return undefined;
    return { dev: route.dev, isOnLink: route.gateway === undefined };
  } catch (error) {
    if (error instanceof ProgramError && /unreachable|No route to host|prohibited/i.test(error.stderr))
      return undefined;
    throw error;
  }
}

/** In bytes. Throws ProgramError for a link that is not there. */
export async function linkMtu(name: string, signal?: AbortSignal): Promise<number> {
  const [link] = await ip<{ mtu: number }>(['link', 'show', 'dev', name], signal);
  if (!link) throw new HostError(`there is no link ${name}`);
  return link.mtu;
}

/** The agent's routes are marked by their protocol number, which the kernel stores and does not interpret. */
export async function replaceRoute(
  route: { dst: string; gateway: string; dev?: string; protocol: number },
  signal: AbortSignal,
): Promise<void> {
  const { dst, gateway, dev, protocol } = route;
  // A gateway that is reached by this link has an address of no network that the link is in.
  const by = dev === undefined ? [] : ['dev', dev, 'onlink'];
  await run('ip', [optionOf(dst), 'route', 'replace', dst, 'via', gateway, ...by, 'proto', String(protocol)], {
    signal,
  });
}

/** What is not there is no error. */
export async function deleteRoute(route: { dst: string; protocol: number }, signal: AbortSignal): Promise<void> {
  try {
    await run('ip', [optionOf(route.dst), 'route', 'delete', route.dst, 'proto', String(route.protocol)], { signal });
  } catch (error) {
    if (!(error instanceof ProgramError) || !error.stderr.includes('No such process')) throw error;
  }
}

/** What is not there is no error. */
export async function deleteLink(name: string, signal: AbortSignal): Promise<void> {
  try {
    await run('ip', ['link', 'delete', name], { signal });
  } catch (error) {
    if (!(error instanceof ProgramError) || !error.stderr.includes('Cannot find device')) throw error;
  }
}

/**
 * Gives the host an address that it alone has, on its loopback link: packets of its pods to it stay here. What is there is no error.
 * @param range the one address as a CIDR
 */
export async function addHostAddress(range: string, signal: AbortSignal): Promise<void> {
  // `scope host`: no packet leaves with it.
  const scope = range.includes(':') ? [] : ['scope', 'host'];
  await run('ip', ['address', 'replace', range, 'dev', 'lo', ...scope], { signal });
}

/** What is not there is no error. */
export async function deleteHostAddress(range: string, signal: AbortSignal): Promise<void> {
  try {
    await run('ip', ['address', 'delete', range, 'dev', 'lo'], { signal });
  } catch (error) {
    if (!(error instanceof ProgramError) || !/Cannot assign requested address|Address not found/.test(error.stderr))
      throw error;
  }
}
