/** The network of this node: its own settings, else the cluster's configuration, else Kedge's defaults. */
import { type Cidr, CLUSTER_DNS_INDEX } from '../../api/domain/address.ts';
import { clusterRanges } from '../../api/domain/cluster-ranges.ts';
import type { Logger } from '../../client/logger.ts';
import { overlap, SettingValueError } from '../../daemon/setting-rules.ts';
import { NONE, type AgentConfig } from '../config.ts';
import type { ClusterDns } from '../pods/sandbox/dns.ts';
import type { LearnedNetwork } from './cluster-configuration.ts';

export interface ClusterNetwork {
  /** Of pods: one, or one of each family, the primary one first. */
  readonly podRanges: readonly [Cidr, ...Cidr[]];
  /** Likewise; none where connections to addresses that no Service has are not rejected. */
  readonly serviceRanges: readonly Cidr[];
  readonly dns: ClusterDns;
}

/** For a cluster that publishes no configuration. */
const DEFAULTS = { clusterCidr: '10.42.0.0/16', serviceCidr: '10.43.0.0/16', clusterDomain: 'cluster.local' };

type Settings = Pick<AgentConfig, 'clusterCidr' | 'serviceCidr' | 'clusterDomain' | 'clusterDns'>;
const FLAGS: Readonly<Record<keyof Settings, string>> = {
  clusterCidr: 'cluster-cidr',
  serviceCidr: 'service-cidr',
  clusterDomain: 'cluster-domain',
  clusterDns: 'cluster-dns',
};

/** Logs each setting that differs from the cluster. Throws SettingValueError when the ranges overlap, or leave DNS no address. */
export function clusterNetwork(settings: Settings, learned: LearnedNetwork, logger: Logger): ClusterNetwork {
  const ofCluster: Partial<Settings> = {
    ...learned,
    clusterDns: learned.serviceCidr === undefined ? undefined : dnsAddress(learned.serviceCidr),
  };
  for (const key of Object.keys(FLAGS) as (keyof Settings)[]) {
    const [value, clusterValue] = [settings[key], ofCluster[key]];
    if (value === '' || value === NONE || clusterValue === undefined || value === clusterValue) continue;
    logger.warn({ setting: FLAGS[key], value, clusterValue }, 'setting differs from the cluster, using the setting');
  }
  const chosen = (key: keyof typeof DEFAULTS): string => settings[key] || (ofCluster[key] ?? DEFAULTS[key]);
  const clusterCidr = chosen('clusterCidr');
  const serviceCidr = chosen('serviceCidr');
  if (overlap(clusterCidr, serviceCidr))
    throw new SettingValueError(`the range of pods ${clusterCidr} overlaps with that of Services ${serviceCidr}`);
  // The DNS Service is in the cluster's range, whatever the node's own setting.
  const range = learned.serviceCidr ?? (serviceCidr === NONE ? DEFAULTS.serviceCidr : serviceCidr);
  const server = settings.clusterDns || dnsAddress(range);
  return {
    podRanges: clusterRanges(clusterCidr),
    serviceRanges: serviceCidr === NONE ? [] : clusterRanges(serviceCidr),
    dns: { servers: server === NONE ? [] : [server], domain: chosen('clusterDomain') },
  };
}

/** In the primary range. */
function dnsAddress(serviceCidr: string): string {
  const address = clusterRanges(serviceCidr)[0].at(CLUSTER_DNS_INDEX);
  if (!address) throw new SettingValueError(`the range of Services ${serviceCidr} is too small, set cluster-dns`);
  return address.text;
}
