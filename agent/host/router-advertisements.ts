/** Routes that routers have advertised to this host: https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html (accept_ra) */
import { join } from 'node:path';
import { fileExists, namesIn } from './files.ts';
import { listRoutes } from './links.ts';
import { readSysctl, writeSysctl } from './sysctl.ts';

const SETTINGS = '/proc/sys/net/ipv6/conf';
/** `device` is there of links that are hardware. */
const LINKS = '/sys/class/net';
/** A router listens to no other routers, unless it is told to do so all the same. */
const IF_NOT_ROUTER = '1';
const ALWAYS = '2';

/**
 * Keeps a host that is about to become a router of IPv6 from losing the default route that another one advertises: the kernel removes it
 * then, and takes no new one. Only on the links where that router may be, so that nobody advertises routes on others, such as
 * the pods' bridge. Resolves to the links that were changed. Throws ProgramError.
 */
export async function keepAdvertisedRoutes(signal: AbortSignal): Promise<readonly string[]> {
  const advertised = (await listRoutes('IPv6', signal)).filter(({ protocol }) => protocol === 'ra');
  const changed: string[] = [];
  for (const link of await namesIn(SETTINGS)) {
    const key = `net/ipv6/conf/${link}/accept_ra`;
    if ((await readSysctl(key)) !== IF_NOT_ROUTER) continue;
    const isOfHost = advertised.some(({ dev }) => dev === link) || (await fileExists(join(LINKS, link, 'device')));
    if (isOfHost && (await writeSysctl(key, ALWAYS))) changed.push(link);
  }
  return changed;
}
