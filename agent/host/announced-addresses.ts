/**
 * Addresses that this host answers for on its networks beside its own, by iproute2; neighbours are told of those of IPv4 by arping(8) of
 * iputils, of those of IPv6 by the kernel.
 */
import { isIPv6 } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Cidr, IpAddress } from '../../api/domain/address.ts';
import { ANNOUNCED_METRIC, listLinkAddresses, SERVICE_LINK, type ListedAddress } from './link-addresses.ts';
import { ProgramError, run } from './run.ts';
import { writeSysctl } from './sysctl.ts';

/** How long a neighbour has to answer, and how often is looked whether it has. */
const ANSWER_MS = 700;
const LOOK_MS = 100;
/** How long the kernel has to find out whether another host has an address of IPv6: RFC 4862, section 5.4 makes it two seconds at most. */
const DETECTION_MS = 5_000;

export interface AnnouncedAddress {
  readonly link: string;
  /** False for one of IPv6 that the kernel does not answer for: another host has it, or who bound it was stopped on the way. */
  readonly isAnswered: boolean;
}

/** By address, as IpAddress writes it. */
export async function listAnnounced(signal: AbortSignal): Promise<ReadonlyMap<string, AnnouncedAddress>> {
  const links = [...(await listLinkAddresses({}, signal))];
  return new Map(
    links.flatMap(([link, addresses]) =>
      addresses
        .filter(isAnnounced)
        .map(({ local, tentative = false }): [string, AnnouncedAddress] => [
          IpAddress.parse(local)?.text ?? local,
          { link, isAnswered: !tentative },
        ]),
    ),
  );
}

const isAnnounced = ({ metric }: ListedAddress): boolean => metric === ANNOUNCED_METRIC;

/** The link that is in the network of the address, of several the smallest; undefined when none is. */
export async function linkInNetworkOf(address: IpAddress, signal: AbortSignal): Promise<string | undefined> {
  const links = [...(await listLinkAddresses({ family: address.family }, signal))];
  const found = links.flatMap(([link, addresses]) =>
    addresses
      .filter((own) => link !== SERVICE_LINK && !isAnnounced(own))
      .flatMap(({ local, prefixlen }) => Cidr.parse(`${local}/${prefixlen}`) ?? [])
      .filter((network) => network.contains(address))
      .map(({ length }) => ({ link, length })),
  );
  return found.toSorted((a, b) => b.length - a.length)[0]?.link;
}

/** With the length of a prefix that is the address alone. */
const alone = (address: string): string => `${address}/${isIPv6(address) ? 128 : 32}`;

/** Resolves when the kernel answers for the address. Throws, and leaves nothing, when another host has it. */
export async function bindAnnounced(address: string, link: string, signal: AbortSignal): Promise<void> {
  const add = ['address', 'add', alone(address), 'dev', link, 'metric', String(ANNOUNCED_METRIC)];
  if (!isIPv6(address)) {
    await run('ip', add, { signal });
    return;
  }
  // The kernel tells the neighbours, unasked, as soon as it has found out that no other host has the address: RFC 4861, section 7.2.6.
  await writeSysctl(`net/ipv6/conf/${link}/ndisc_notify`, '1');
  // Deprecated, so that the host does not take it for the source of its own connections: RFC 6724, section 5.
  await run('ip', [...add, 'preferred_lft', '0', 'noprefixroute'], { signal });
  const problem = await whyUnanswered(address, link, signal);
  if (problem === undefined) return;
  await unbindAnnounced(address, link, signal);
  throw new Error(problem);
}

/** Resolves once the kernel has found out whether another host has the address of IPv6; undefined when none does. */
async function whyUnanswered(address: string, link: string, signal: AbortSignal): Promise<string | undefined> {
  for (const end = performance.now() + DETECTION_MS; ; await delay(LOOK_MS, undefined, { signal })) {
    const listed = (await listLinkAddresses({ family: 'IPv6', link }, signal)).get(link) ?? [];
    const bound = listed.find((one) => isAnnounced(one) && IpAddress.parse(one.local)?.text === address);
    if (bound?.dadfailed) return `another host on ${link} has it`;
    if (bound && !bound.tentative) return undefined;
    if (performance.now() > end) return `${link} did not take it within ${DETECTION_MS / 1000} s: is it up?`;
  }
}

/** What is not there is no error. */
export async function unbindAnnounced(address: string, link: string, signal: AbortSignal): Promise<void> {
  try {
    await run('ip', ['address', 'delete', alone(address), 'dev', link], { signal });
  } catch (error) {
    if (!(error instanceof ProgramError) || !/Cannot assign requested address|Cannot find device/.test(error.stderr))
      throw error;
  }
}

/** The link-layer address of the host that answers for the address; undefined when none does. This host must not have it. */
export async function whoAnswers(address: string, link: string, signal: AbortSignal): Promise<string | undefined> {
  await forgetNeighbour(address, link, signal);
  try {
    // The kernel asks, without a packet that rules could redirect.
    await run('ip', ['neighbour', 'replace', address, 'dev', link, 'use'], { signal });
    for (const end = performance.now() + ANSWER_MS; performance.now() < end;) {
      await delay(LOOK_MS, undefined, { signal });
      const { stdout } = await run('ip', ['-json', 'neighbour', 'show', 'to', address, 'dev', link], { signal });
      const [neighbour] = JSON.parse(stdout || '[]') as readonly { readonly lladdr?: string }[];
      if (neighbour?.lladdr !== undefined) return neighbour.lladdr;
    }
    return undefined;
  } finally {
    await forgetNeighbour(address, link, signal);
  }
}

async function forgetNeighbour(address: string, link: string, signal: AbortSignal): Promise<void> {
  try {
    await run('ip', ['neighbour', 'delete', address, 'dev', link], { signal });
  } catch (error) {
    if (!(error instanceof ProgramError) || !error.stderr.includes('No such file')) throw error;
  }
}

/**
 * Tells the neighbours so many times, a second apart, that the address, which this host has, is at this link: RFC 5227, section 3. Of IPv6,
 * the kernel has told them, and they find out by themselves within seconds when nobody answers at the place that they know: RFC 4861,
 * section 7.3.
 */
export async function announceToNeighbours(
  address: string,
  link: string,
  times: number,
  signal: AbortSignal,
): Promise<void> {
  if (isIPv6(address)) return;
  await run('arping', ['-q', '-U', '-c', String(times), '-I', link, address], { signal });
}
