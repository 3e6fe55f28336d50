/** Ranges of addresses as users write them: a CIDR, one address, or the first and the last one. */
import { Cidr, IpAddress, type IpFamily } from './address.ts';

/** Throws RangeError for what is no range: settings are checked before. */
export const addressRanges = (texts: readonly string[]): readonly AddressRange[] =>
  texts.map((text) => {
    const range = AddressRange.parse(text);
    if (!range) throw new RangeError(`${JSON.stringify(text)} is not a range of addresses`);
    return range;
  });

/** Prefix lengths of IPv4 whose first and last address are the addresses of hosts. */
const LONGEST_IPV4_NETWORK = 30;

export class AddressRange {
  readonly first: IpAddress;
  readonly last: IpAddress;

  private constructor(first: IpAddress, last: IpAddress) {
    this.first = first;
    this.last = last;
  }

  /**
   * Parses `192.0.2.0/28`, `192.0.2.7` or `192.0.2.10-192.0.2.20`; undefined for anything else. Of an IPv4 CIDR the network's own and the
   * broadcast address are left out.
   */
  static parse(text: string): AddressRange | undefined {
    if (text.includes('/')) return AddressRange.#ofCidr(text);
    const [from = '', to = from, ...rest] = text.split('-').map((part) => part.trim());
    const [first, last] = [IpAddress.parse(from), IpAddress.parse(to)];
    if (!first || first.family !== last?.family || first.value > last.value || rest.length > 0) return undefined;
    return new AddressRange(first, last);
  }

  static #ofCidr(text: string): AddressRange | undefined {
    const cidr = Cidr.parse(text);
    const [first, last] = [cidr?.network, cidr?.at(cidr.size - 1n)];
    if (!cidr || !first || !last) return undefined;
    if (cidr.family === 'IPv6' || cidr.length > LONGEST_IPV4_NETWORK) return new AddressRange(first, last);
    return new AddressRange(IpAddress.of('IPv4', first.value + 1n), IpAddress.of('IPv4', last.value - 1n));
  }

  get family(): IpFamily {
    return this.first.family;
  }

  contains(address: IpAddress): boolean {
    return address.family === this.family && address.value >= this.first.value && address.value <= this.last.value;
  }

  overlaps(other: AddressRange): boolean {
    return this.contains(other.first) || other.contains(this.first);
  }

  /** The first address of which `isTaken` is false; undefined when there is none. */
  firstFree(isTaken: (address: IpAddress) => boolean): IpAddress | undefined {
    for (let value = this.first.value; value <= this.last.value; value++) {
      const address = IpAddress.of(this.family, value);
      if (!isTaken(address)) return address;
    }
    return undefined;
  }
}
