/** The /etc/hosts of a pod's containers. */
import { podHostName } from './sandbox-config.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const LOOPBACK = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'fe00::0\tip6-mcastprefix',
  'fe00::1\tip6-allnodes',
  'fe00::2\tip6-allrouters',
];

/** `hostFile` is the host's own /etc/hosts, which pods on the host's network get. */
export function hostsFile(pod: Pod, podIPs: readonly string[], clusterDomain: string, hostFile: string): string {
  const { hostNetwork, hostAliases = [] } = pod.spec ?? {};
  const lines: string[] = [];
  if (hostNetwork) {
    lines.push('# Kubernetes-managed hosts file (host network).', hostFile.trimEnd());
  } else {
    lines.push('# Kubernetes-managed hosts file.', ...LOOPBACK);
    const { hostname, domain } = podHostName(pod, clusterDomain);
    const short = hostname.split('.')[0] ?? hostname;
    for (const ip of podIPs) lines.push(domain ? `${ip}\t${short}.${domain}\t${short}` : `${ip}\t${hostname}`);
  }
  if (hostAliases.length > 0) lines.push('', '# Entries added by HostAliases.');
  for (const { ip, hostnames = [] } of hostAliases) lines.push([ip, ...hostnames].join('\t'));
  return `${lines.join('\n')}\n`;
}
