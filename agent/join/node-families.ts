/** The IP families that this node takes part in the cluster with. */
import type { Cidr, IpFamily } from '../../api/domain/address.ts';
import { familiesOf } from '../../api/domain/cluster-ranges.ts';
import type { Logger } from '../../client/logger.ts';
import { HostError } from '../host/host-error.ts';
import type { ClusterNetwork } from './cluster-network.ts';

/**
 * The network without the families that the host does not have: one that has IPv6 switched off still serves a dual-stack
 * cluster in IPv4. Throws HostError when no family of pods is left.
 */
export function networkOfHost(network: ClusterNetwork, isIpv6Enabled: boolean, logger: Logger): ClusterNetwork {
  if (isIpv6Enabled) return network;
  const { podRanges, serviceRanges } = network;
  const isUsed = ({ family }: Cidr): boolean => family === 'IPv4';
  const [first, ...rest] = podRanges.filter(isUsed);
  if (!first)
    throw new HostError(
      "IPv6 is off on this host (sysctl net.ipv6.conf.default.disable_ipv6), and the cluster's pods have no other addresses",
    );
  if (!podRanges.every(isUsed))
    logger.warn(
      { podRanges: podRanges.join() },
      'IPv6 is off on this host (sysctl net.ipv6.conf.default.disable_ipv6): pods on it have addresses of IPv4 alone',
    );
  return { ...network, podRanges: [first, ...rest], serviceRanges: serviceRanges.filter(isUsed) };
}

/**
 * The node's addresses in the order of the cluster's families, of which the first is primary: it is the one that pods on the host's
 * network have, and that the api-server connects to. Throws HostError when the host has none of a family that pods have.
 */
export function nodeAddresses(
  addresses: readonly string[],
  podRanges: readonly Cidr[],
): readonly [string, ...string[]] {
  const families = familiesOf(podRanges);
  const isOf = (family: IpFamily, address: string): boolean => address.includes(':') === (family === 'IPv6');
  const [first, ...rest] = families.flatMap((family) => addresses.find((address) => isOf(family, address)) ?? []);
  if (first === undefined)
    throw new HostError(
      `this host has no address of ${families.join(' or ')}, as the cluster's pods have: give it one, or set --node-ip to it`,
    );
  return [first, ...rest];
}

/** All addresses of IPv4, as the settings name them, are all addresses on a node that has IPv6, too. */
export const listenAddress = (bindAddress: string, podRanges: readonly Cidr[]): string =>
  bindAddress === '0.0.0.0' && familiesOf(podRanges).includes('IPv6') ? '::' : bindAddress;
