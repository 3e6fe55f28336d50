/** The address that other hosts reach this one at, when the settings do not say. */
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import { own } from '../../../api/machinery/own.ts';

/** The IPv4 address of the interface that the default route leaves by, or else of any interface; 127.0.0.1 on a host without one. */
export async function advertisedAddress(): Promise<string> {
  const routes = await readFile('/proc/net/route', 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return defaultRouteAddress(routes, os.networkInterfaces()) ?? '127.0.0.1';
}

/** @param routes the text of `/proc/net/route`. */
export function defaultRouteAddress(
  routes: string,
  interfaces: NodeJS.Dict<readonly os.NetworkInterfaceInfo[]>,
): string | undefined {
  const candidates = routes
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')
    .sort((a, b) => Number(a[6]) - Number(b[6]));
  const usable = (name: string) =>
    own(interfaces, name)?.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  const names = [...candidates.map(([name = '']) => name), ...Object.keys(interfaces)];
  return names.map(usable).find((address) => address !== undefined);
}
