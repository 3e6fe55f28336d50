/** The addresses that load balancers may have, as the server's setting lists them. */
import type { IpAddress, IpFamily } from '../../../../api/domain/address.ts';
import type { AddressRange } from '../../../../api/domain/address-range.ts';

export class AddressPools {
  readonly #ranges: readonly AddressRange[];

  constructor(ranges: readonly AddressRange[]) {
    this.#ranges = ranges;
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  has(family: IpFamily): boolean {
    return this.#ranges.some((range) => range.family === family);
  }

  contains(address: IpAddress): boolean {
    return this.#ranges.some((range) => range.contains(address));
  }

  /** The first address of the family, in the order of the ranges, of which `isTaken` is false; undefined when there is none. */
  firstFree(family: IpFamily, isTaken: (address: IpAddress) => boolean): IpAddress | undefined {
    for (const range of this.#ranges) {
      const free = range.family === family ? range.firstFree(isTaken) : undefined;
      if (free) return free;
    }
    return undefined;
  }
}
