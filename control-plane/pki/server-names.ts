import type { NetworkInterfaceInfo } from 'node:os';
import { IpAddress } from '../../api/domain/address.ts';
import { apiServerNames } from '../../api/domain/api-server-names.ts';
import { clusterRanges, kubernetesServiceIp } from '../../api/domain/cluster-ranges.ts';

export interface ServerNamesOptions {
  readonly hostname: string;
  /** As returned by `os.networkInterfaces()`. */
  readonly interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>;
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** The first address of the first range is that of the `kubernetes` Service. The host's other addresses in it are those of Services that an agent serves here. */
  readonly serviceCidr: string;
  /** The host's addresses in it come and go with the pod bridge. Clients use neither. */
  readonly podCidr: string;
  readonly extra?: readonly string[];
}

/** Every DNS name and address at which clients may reach the api-server, sorted: the serving certificate's subjectAltName. */
export function serverNames(options: ServerNamesOptions): string[] {
  const ofCluster = [options.podCidr, options.serviceCidr].flatMap(clusterRanges);
  // Clients cannot use link-local IPv6 addresses.
  const isDialled = (address: IpAddress): boolean =>
    !ofCluster.some((range) => range.contains(address)) && !(address.family === 'IPv6' && address.isLinkLocalUnicast);
  const hostAddresses = Object.values(options.interfaces)
    .flatMap((addresses) => addresses ?? [])
    .flatMap(({ address }) => IpAddress.parse(address) ?? [])
    .filter(isDialled)
    .map(({ text }) => text);
  return [
    ...new Set([
      'localhost',
      options.hostname.toLowerCase(),
      ...apiServerNames(options.clusterDomain),
      '127.0.0.1',
      kubernetesServiceIp(options.serviceCidr),
      ...hostAddresses,
      ...(options.extra ?? []),
    ]),
  ].sort();
}
