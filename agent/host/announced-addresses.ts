/** Addresses that this host answers for on its networks beside its own, by iproute2 and arping(8) of iputils. IPv4. */
import { setTimeout as delay } from 'node:timers/promises';
import { Cidr, type IpAddress } from '../../api/domain/address.ts';
import { ANNOUNCED_METRIC, listLinkAddresses, SERVICE_LINK, type ListedAddress } from './link-addresses.ts';
import { ProgramError, run } from './run.ts';

/** How long a neighbour has to answer, and how often is looked whether it has. */
const ANSWER_MS = 700;
const LOOK_MS = 100;

/** The links that have them, by address. */
export async function listAnnounced(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const links = [...(await listLinkAddresses({ family: 'IPv4' }, signal))];
  return new Map(
    links.flatMap(([link, addresses]) =>
      addresses.filter(isAnnounced).map(({ local }): [string, string] => [local, link]),
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

export async function bindAnnounced(address: string, link: string, signal: AbortSignal): Promise<void> {
  await run('ip', ['address', 'add', `${address}/32`, 'dev', link, 'metric', String(ANNOUNCED_METRIC)], { signal });
}

/** What is not there is no error. */
export async function unbindAnnounced(address: string, link: string, signal: AbortSignal): Promise<void> {
  try {
    await run('ip', ['address', 'delete', `${address}/32`, 'dev', link], { signal });
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

/** Tells the neighbours so many times, a second apart, that the address, which this host has, is at this link: RFC 5227, section 3. */
export async function announceToNeighbours(
  address: string,
  link: string,
  times: number,
  signal: AbortSignal,
): Promise<void> {
  await run('arping', ['-q', '-U', '-c', String(times), '-I', link, address], { signal });
}
