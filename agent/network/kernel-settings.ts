/** What the kernel must be told so that it routes for pods. */
import type { Logger } from '../../client/logger.ts';
import { readSysctl, writeSysctl } from '../host/sysctl.ts';

const SETTINGS: Readonly<Record<string, string>> = {
  'net.ipv4.ip_forward': '1',
  // Frames between pods on one bridge pass the Service rules too.
  'net.bridge.bridge-nf-call-iptables': '1',
};

/** Problems in words, for the Node's Ready condition; empty when all is as it should be. */
export async function applyKernelSettings(logger: Logger): Promise<string[]> {
  const problems: string[] = [];
  for (const [key, value] of Object.entries(SETTINGS)) {
    try {
      if ((await readSysctl(key)) === undefined) problems.push(`this kernel has no ${key} (is br_netfilter loaded?)`);
      else if (await writeSysctl(key, value)) logger.info({ key, value }, 'kernel setting changed');
    } catch (error) {
      problems.push(`cannot set ${key}: ${(error as Error).message}`);
    }
  }
  return problems;
}
