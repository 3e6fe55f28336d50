/** The ranges of a cluster's pods or Services as settings have them: one, or one of each IP family, of which the first is primary. */
import { Cidr, type IpFamily } from './address.ts';

/** Parses `10.42.0.0/16` or `10.42.0.0/16,fd00:42::/56`; undefined unless it is one range, or one of each family. */
export function parseClusterRanges(text: string): readonly Cidr[] | undefined {
  const ranges: Cidr[] = [];
  for (const part of text.split(',')) {
    const range = Cidr.parse(part);
    if (!range || ranges.some(({ family }) => family === range.family)) return undefined;
    ranges.push(range);
  }
  return ranges;
}

/** Throws RangeError for what is no such text: settings are checked before. */
export function clusterRanges(text: string): readonly [Cidr, ...Cidr[]] {
  const [first, ...rest] = parseClusterRanges(text) ?? [];
  if (!first) throw new RangeError(`${JSON.stringify(text)} is not a CIDR, nor one of IPv4 and one of IPv6`);
  return [first, ...rest];
}

export const rangeOf = (family: IpFamily, ranges: readonly Cidr[]): Cidr | undefined =>
  ranges.find((range) => range.family === family);

export const familiesOf = (ranges: readonly Cidr[]): readonly IpFamily[] => ranges.map(({ family }) => family);

/** Whether some range of the one and some range of the other have an address in common. */
export const overlaps = (some: readonly Cidr[], others: readonly Cidr[]): boolean =>
  some.some((a) => others.some((b) => a.contains(b.network) || b.contains(a.network)));

/**
 * The cluster IP of the Service `kubernetes`: the first address after the network address of the primary range. Throws RangeError
 * for what is no range, and for one with a single address.
 */
export function kubernetesServiceIp(serviceCidr: string): string {
  const [primary] = clusterRanges(serviceCidr);
  const address = primary.at(1n);
  if (!address) throw new RangeError(`${JSON.stringify(serviceCidr)} has no addresses for Services`);
  return address.text;
}
