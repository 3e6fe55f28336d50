/** The address that other hosts reach this one at, when the settings do not say. */
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import { IpAddress, type IpFamily } from '../../../api/domain/address.ts';
import { own } from '../../../api/machinery/own.ts';

const LOOPBACK: Readonly<Record<IpFamily, string>> = { IPv4: '127.0.0.1', IPv6: '::1' };

/**
 * The address, in the family of the Service `kubernetes`, of the interface that the default route of IPv4 leaves by, or else of any
 * interface; loopback on a host without one.
 */
export async function advertisedAddress(family: IpFamily): Promise<string> {
  const routes = await readFile('/proc/net/route', 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return defaultRouteAddress(routes, os.networkInterfaces(), family) ?? LOOPBACK[family];
}

/** Clients cannot use link-local addresses of IPv6. */
const isOfLink = (address: string): boolean =>
  address.includes(':') && IpAddress.parse(address)?.isLinkLocalUnicast !== false;

/** @param routes the text of `/proc/net/route`. */
export function defaultRouteAddress(
  routes: string,
  interfaces: NodeJS.Dict<readonly os.NetworkInterfaceInfo[]>,
  wanted: IpFamily = 'IPv4',
): string | undefined {
  const candidates = routes
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')
    .sort((a, b) => Number(a[6]) - Number(b[6]));
  const usable = (name: string) =>
    own(interfaces, name)?.find(({ family, internal, address }) => family === wanted && !internal && !isOfLink(address))
      ?.address;
  const names = [...candidates.map(([name = '']) => name), ...Object.keys(interfaces)];
  return names.map(usable).find((address) => address !== undefined);
}
