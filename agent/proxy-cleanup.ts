/** `kedge proxy cleanup`: removes Services from the kernel, in whatever modes they were written. The agent must not be running. */
import { resolve } from 'node:path';
import type { Logger } from '../client/logger.ts';
import type { Cidr } from '../api/domain/address.ts';
import { clusterRanges } from '../api/domain/cluster-ranges.ts';
import { Attempts } from './attempts.ts';
import type { AgentConfig } from './config.ts';
import { hasIpv6 } from './host/sysctl.ts';
import { Iptables } from './network/netfilter/iptables.ts';
import { Netfilter } from './network/netfilter/netfilter.ts';
import { Nft } from './network/netfilter/nft.ts';
import { DEFAULT_IPVS, ipvsHost } from './network/services/backends/ipvs/ipvs-host.ts';
import { proxyModes } from './network/services/backends/proxy-modes.ts';
import { restoreKernel } from './network/services/kernel-tuning.ts';

/**
 * One of each IP family that the host has. The pods' addresses have no part in the removal of rules, and the node may never have
 * learned their ranges.
 */
export const anyAddress = async (): Promise<readonly Cidr[]> =>
  clusterRanges((await hasIpv6()) ? '0.0.0.0/0,::/0' : '0.0.0.0/0');

type DataDir = Pick<AgentConfig, 'dataDir'>;

/** Throws a HostError with the first failure, after everything has been tried. */
export async function cleanUpProxy(config: DataDir, signal: AbortSignal, logger: Logger): Promise<void> {
  const attempts = new Attempts(logger);
  await removeServiceRules(config, attempts, signal);
  attempts.end();
}

/** Removes the rules of every proxy mode, and restores the kernel's settings. */
export async function removeServiceRules({ dataDir }: DataDir, attempts: Attempts, signal: AbortSignal): Promise<void> {
  await attempts.make('restore kernel settings', () => restoreKernel(resolve(dataDir)));
  for (const clusterCidr of await anyAddress())
    for (const [mode, backendOf] of Object.entries(proxyModes)) {
      const { family } = clusterCidr;
      const netfilter = new Netfilter(new Iptables(family, signal));
      const ipvs = ipvsHost(family, DEFAULT_IPVS, signal);
      const backend = backendOf({ clusterCidr, netfilter, nft: new Nft(signal), ipvs });
      await attempts.make(`remove service rules of mode ${mode} and ${family}`, () => backend.remove());
    }
}
