import { BlockList, isIPv6 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';

export interface ServerNamesOptions {
  readonly hostname: string;
  /** As `os.networkInterfaces()` answers. */
  readonly interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>;
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** The cluster IP of the `kubernetes` service: the first address of the service range. */
  readonly kubernetesServiceIp: string;
  /** The range of pod addresses: the host's own addresses in it come and go with the pod bridge, and nobody dials them. */
  readonly podCidr: string;
  readonly extra?: readonly string[];
}

const LINK_LOCAL = /^fe80:/i;

function inRange(cidr: string): (address: string) => boolean {
  const [network = '', prefix = ''] = cidr.split('/');
  const range = new BlockList();
  const family = isIPv6(network) ? 'ipv6' : 'ipv4';
  range.addSubnet(network, Number(prefix), family);
  return (address) => range.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** Every DNS name and address under which clients may reach the api-server, sorted: what its serving certificate is for. */
export function serverNames(options: ServerNamesOptions): string[] {
  const isPodAddress = inRange(options.podCidr);
  const hostAddresses = Object.values(options.interfaces)
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => address)
    .filter((address) => !LINK_LOCAL.test(address) && !isPodAddress(address));
  return [
    ...new Set([
      'localhost',
      options.hostname.toLowerCase(),
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      `kubernetes.default.svc.${options.clusterDomain}`,
      '127.0.0.1',
      options.kubernetesServiceIp,
      ...hostAddresses,
      ...(options.extra ?? []),
    ]),
  ].sort();
}
