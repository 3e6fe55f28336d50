import type { NetworkInterfaceInfo } from 'node:os';
import { Cidr, IpAddress } from '../../api/domain/address.ts';

export interface ServerNamesOptions {
  readonly hostname: string;
  /** As returned by `os.networkInterfaces()`. */
  readonly interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>;
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** The cluster IP of the `kubernetes` service: the first address of the service range. */
  readonly kubernetesServiceIp: string;
  /** The pod CIDR: the host's addresses in it come and go with the pod bridge, and no client uses them. */
  readonly podCidr: string;
  readonly extra?: readonly string[];
}

/** Every DNS name and address at which clients may reach the api-server, sorted: the serving certificate's subjectAltName. */
export function serverNames(options: ServerNamesOptions): string[] {
  const pods = Cidr.parse(options.podCidr);
  // Clients cannot use link-local IPv6 addresses.
  const isDialled = (address: IpAddress): boolean =>
    !pods?.contains(address) && !(address.family === 'IPv6' && address.isLinkLocalUnicast);
  const hostAddresses = Object.values(options.interfaces)
    .flatMap((addresses) => addresses ?? [])
    .flatMap(({ address }) => IpAddress.parse(address) ?? [])
    .filter(isDialled)
    .map(({ text }) => text);
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
