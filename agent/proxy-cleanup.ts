/** `kedge proxy cleanup`: removes Services from the kernel, in whatever modes they were written. The agent must not be running. */
import { resolve } from 'node:path';
import type { Logger } from '../client/logger.ts';
import { ipv4Cidr } from '../daemon/setting-rules.ts';
import { Attempts } from './attempts.ts';
import type { AgentConfig } from './config.ts';
import { Iptables } from './network/netfilter/iptables.ts';
import { Netfilter } from './network/netfilter/netfilter.ts';
import { Nft } from './network/netfilter/nft.ts';
import { DEFAULT_IPVS, ipvsHost } from './network/services/backends/ipvs/ipvs-host.ts';
import { proxyModes } from './network/services/backends/proxy-modes.ts';
import { restoreKernel } from './network/services/kernel-tuning.ts';

/** The pods' addresses have no part in the removal of rules, and the node may never have learned their range. */
export const ANY_ADDRESS = ipv4Cidr('0.0.0.0/0');

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
  for (const [mode, backendOf] of Object.entries(proxyModes)) {
    const netfilter = new Netfilter(new Iptables(ANY_ADDRESS.family, signal));
    const ipvs = ipvsHost(ANY_ADDRESS.family, DEFAULT_IPVS, signal);
    const backend = backendOf({ clusterCidr: ANY_ADDRESS, netfilter, nft: new Nft(signal), ipvs });
    await attempts.make(`remove service rules of mode ${mode}`, () => backend.remove());
  }
}
