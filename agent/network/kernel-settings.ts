/** Kernel settings that the host needs to route for pods. */
import type { Logger } from '../../client/logger.ts';
import { run } from '../host/run.ts';
import { readSysctl, writeSysctl } from '../host/sysctl.ts';

const SETTINGS: Readonly<Record<string, string>> = {
  'net.ipv4.ip_forward': '1',
  // Frames between pods on one bridge pass the rules of Services and policies, too.
  'net.bridge.bridge-nf-call-iptables': '1',
  // Without a range of IPv6, pods still have link-local addresses.
  'net.bridge.bridge-nf-call-ip6tables': '1',
};

/** The module that provides a setting where the kernel is not built with it. */
const MODULES: ReadonlyMap<string, string> = new Map([
  ['net.bridge.bridge-nf-call-iptables', 'br_netfilter'],
  ['net.bridge.bridge-nf-call-ip6tables', 'br_netfilter'],
]);

/** Does not throw. Returns problems as sentences, for the Node's Ready condition; empty when all settings are made. */
export async function applyKernelSettings(logger: Logger): Promise<string[]> {
  const problems: string[] = [];
  for (const [key, value] of Object.entries(SETTINGS)) {
    try {
      const module = MODULES.get(key);
      if (module && (await readSysctl(key)) === undefined) {
        await run('modprobe', ['--', module]);
        logger.info({ module }, 'kernel module loaded');
      }
      if (await writeSysctl(key, value)) logger.info({ key, value }, 'sysctl changed');
    } catch (error) {
      problems.push(`cannot set ${key}: ${(error as Error).message}`);
    }
  }
  return problems;
}
