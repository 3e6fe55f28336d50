/** Kernel parameters below /proc/sys: sysctl(8). */
import { readFile, writeFile } from 'node:fs/promises';
import { hasCode } from './files.ts';

/** `net.ipv4.ip_forward` -> its file. A name of a link may hold dots: write those keys with slashes. */
const fileOf = (key: string): string => `/proc/sys/${key.includes('/') ? key : key.replaceAll('.', '/')}`;

/** Undefined when this kernel does not have it. */
export async function readSysctl(key: string): Promise<string | undefined> {
  try {
    return (await readFile(fileOf(key), 'utf8')).trim();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Resolves to whether it was changed; it is not written when it has the value already. Throws when it is not there. */
export async function writeSysctl(key: string, value: string): Promise<boolean> {
  if ((await readSysctl(key)) === value) return false;
  await writeFile(fileOf(key), value);
  return true;
}

/** Whether links that are made, such as the pods' bridge, get addresses of IPv6: the kernel may lack it, or have it switched off. */
export const isIpv6Enabled = async (): Promise<boolean> =>
  (await readSysctl('net.ipv6.conf.default.disable_ipv6')) === '0';

/** Whether the kernel has IPv6 at all: it may have been started without. */
export const hasIpv6 = async (): Promise<boolean> => (await readSysctl('net.ipv6.conf.all.forwarding')) !== undefined;
