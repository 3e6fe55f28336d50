/** Kernel settings that the host needs to route for pods. */
import type { IpFamily } from '../../api/domain/address.ts';
import type { Logger } from '../../client/logger.ts';
import { keepAdvertisedRoutes } from '../host/router-advertisements.ts';
import { run } from '../host/run.ts';
import { readSysctl, writeSysctl } from '../host/sysctl.ts';

const SETTINGS: Readonly<Record<string, string>> = {
  // Frames between pods on one bridge pass the rules of Services and policies, too.
  'net.bridge.bridge-nf-call-iptables': '1',
  // Without a range of IPv6, pods still have link-local addresses.
  'net.bridge.bridge-nf-call-ip6tables': '1',
};

const FORWARDING: Readonly<Record<IpFamily, string>> = {
  IPv4: 'net.ipv4.ip_forward',
  IPv6: 'net.ipv6.conf.all.forwarding',
};

/** The module that provides a setting where the kernel is not built with it. */
const MODULES: ReadonlyMap<string, string> = new Map([
  ['net.bridge.bridge-nf-call-iptables', 'br_netfilter'],
  ['net.bridge.bridge-nf-call-ip6tables', 'br_netfilter'],
]);

/**
 * Does not throw. Returns problems as sentences, for the Node's Ready condition; empty when all settings are made.
 * @param families those that pods have addresses of
 */
export async function applyKernelSettings(
  families: readonly IpFamily[],
  logger: Logger,
  signal: AbortSignal,
): Promise<string[]> {
  const problems: string[] = [];
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      problems.push(`cannot ${what}: ${(error as Error).message}`);
    }
  };
  if (families.includes('IPv6'))
    await attempt('keep advertised routes', async () => {
      const links = await keepAdvertisedRoutes(signal);
      if (links.length > 0) logger.info({ links }, 'router advertisements are accepted although this host is a router');
    });
  const settings = [...families.map((family) => [FORWARDING[family], '1'] as const), ...Object.entries(SETTINGS)];
  for (const [key, value] of settings)
    await attempt(`set ${key}`, async () => {
      const module = MODULES.get(key);
      if (module && (await readSysctl(key)) === undefined) {
        await run('modprobe', ['--', module]);
        logger.info({ module }, 'kernel module loaded');
      }
      if (await writeSysctl(key, value)) logger.info({ key, value }, 'sysctl changed');
    });
  return problems;
}
