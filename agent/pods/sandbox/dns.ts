/** The resolver configuration of a pod: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/ */
import { MAX_NAMESERVERS, MAX_SEARCHES } from '../../../api/domain/pod-dns.ts';
import type { DNSConfig } from '../../cri/types.ts';
import { optionName } from '../../host/resolv-conf.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface ClusterDns {
  /** Addresses of the cluster's DNS service; none when the cluster has none. */
  readonly servers: readonly string[];
  /** `cluster.local` */
  readonly domain: string;
}

/** `host` is the host's own resolv.conf. */
export function podDns(pod: Pod, cluster: ClusterDns, host: DNSConfig): DNSConfig {
  const { hostNetwork, dnsConfig } = pod.spec ?? {};
  let { dnsPolicy = 'ClusterFirst' } = pod.spec ?? {};
  if (dnsPolicy === 'ClusterFirst' && hostNetwork) dnsPolicy = 'Default';
  if (dnsPolicy.startsWith('ClusterFirst') && cluster.servers.length === 0) dnsPolicy = 'Default';
  const base = baseOf(dnsPolicy, pod.metadata?.namespace ?? '', cluster, host);
  const options = new Map(base.options.map((option) => [optionName(option), option]));
  for (const { name = '', value } of dnsConfig?.options ?? []) {
    options.set(name, value === undefined || value === '' ? name : `${name}:${value}`);
  }
  return {
    servers: unique([...base.servers, ...(dnsConfig?.nameservers ?? [])]).slice(0, MAX_NAMESERVERS),
    searches: unique([...base.searches, ...(dnsConfig?.searches ?? [])]).slice(0, MAX_SEARCHES),
    options: [...options.values()],
  };
}

function baseOf(policy: string, namespace: string, cluster: ClusterDns, host: DNSConfig): DNSConfig {
  switch (policy) {
    case 'None':
      return { servers: [], searches: [], options: [] };
    case 'Default':
      return host;
    default: {
      const { domain, servers } = cluster;
      const searches = [`${namespace}.svc.${domain}`, `svc.${domain}`, domain, ...host.searches];
      return { servers, searches: unique(searches), options: ['ndots:5'] };
    }
  }
}

const unique = (values: readonly string[]): string[] => [...new Set(values)];
