/**
 * Allocates cluster IPs: creating the IPAddress object claims the address, so two api-servers never allocate the same one.
 * Addresses are in their canonical form. An allocation whose Service is then not written is removed by `allocation-repair.ts`.
 */
import { IpAddress, type IpFamily } from '../../../../api/domain/address.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../../../api/machinery/status-error.ts';
import { ipAddresses } from '../../../../api/kinds/networking/ip-address.ts';
import type { IPAddress } from '../../../../api/types/networking/v1.gen.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import { allocatedAddress } from './allocated-address.ts';
import type { Owner, AllocationIndex } from './allocation-index.ts';
import type { ServiceRanges } from './service-ranges.ts';

export interface ClusterIPsOptions {
  readonly api: LocalApi;
  readonly ranges: ServiceRanges;
  readonly allocations: AllocationIndex;
  /** Resolves when `api` reflects all writes so far. */
  readonly fresh: () => Promise<void> | undefined;
}

export class ClusterIPs {
  readonly ranges: ServiceRanges;
  readonly #api: LocalApi;
  readonly #allocations: AllocationIndex;
  readonly #fresh: ClusterIPsOptions['fresh'];
  /** As the IPAddress objects say. Kept as numbers: a range that is nearly full is searched number by number. */
  readonly #allocated = new Set<AddressNumber>();
  /** Being claimed at the moment: of two requests to this server only one has to ask the store. */
  readonly #taking = new Set<AddressNumber>();

  constructor({ api, ranges, allocations, fresh }: ClusterIPsOptions) {
    this.#api = api;
    this.#allocations = allocations;
    this.#fresh = fresh;
    this.ranges = ranges;
    api.subscribe(ipAddresses, ({ name, object }) => {
      const address = IpAddress.parse(name);
      if (!address) return;
      if (object) this.#allocated.add(numberOf(address));
      else this.#allocated.delete(numberOf(address));
    });
  }

  isTaken(ip: string): boolean {
    const address = valid(ip);
    return this.#isTaken(numberOf(address), () => address);
  }

  #isTaken(number: AddressNumber, address: () => IpAddress): boolean {
    if (this.#allocated.has(number) || this.#taking.has(number)) return true;
    // A service from before there were such objects, until the repair has made its own.
    return this.#allocations.addresses.has(address().text);
  }

  /** Claims an address for the owner; returns false when it is taken. */
  async take(ip: string, owner: Owner): Promise<boolean> {
    // Another server may have released it.
    if (this.isTaken(ip)) await this.#fresh();
    return !this.isTaken(ip) && this.claim(ip, owner);
  }

  /** As `take`, for an address that the owner uses already. */
  async claim(ip: string, owner: Owner): Promise<boolean> {
    const address = valid(ip);
    const number = numberOf(address);
    this.#taking.add(number);
    try {
      await this.#api.create(ipAddresses, allocatedAddress(address, owner));
      return true;
    } catch (error) {
      if (isAlreadyExists(error)) return false;
      throw error;
    } finally {
      this.#taking.delete(number);
    }
  }

  /** Claims any free address of the family; undefined when all are taken. */
  async takeAny(family: IpFamily, owner: Owner): Promise<string | undefined> {
    const lost = new Set<AddressNumber>();
    for (;;) {
      const ip = this.pick(family, lost);
      if (ip === undefined || (await this.take(ip, owner))) return ip;
      lost.add(numberOf(valid(ip)));
    }
  }

  /** A free address that is not in `except`; undefined when there is none. */
  pick(family: IpFamily, except: ReadonlySet<AddressNumber> = new Set()): string | undefined {
    for (const { cidr, numbers } of this.ranges.of(family)) {
      const base = cidr.network.value;
      const numberAt = numbersFrom(base, family);
      const addressAt = (place: number): IpAddress => IpAddress.of(family, base + BigInt(place));
      const place = numbers.pick((candidate) => {
        const number = numberAt(candidate);
        return except.has(number) || this.#isTaken(number, () => addressAt(candidate));
      });
      if (place !== undefined) return addressAt(place).text;
    }
    return undefined;
  }

  /** Does nothing when the address no longer belongs to the owner. */
  async release(ip: string, owner: Owner): Promise<void> {
    const present = this.#api.get(ipAddresses, '', valid(ip).text);
    const { resource, namespace, name } = present?.spec?.parentRef ?? {};
    if (present && resource === 'services' && namespace === owner.namespace && name === owner.name) {
      await this.remove(present);
    }
  }

  /** Deletes this object only, by its uid, not one created in its place. */
  async remove({ metadata }: IPAddress): Promise<void> {
    try {
      await this.#api.delete(ipAddresses, '', metadata?.name ?? '', { preconditions: { uid: metadata?.uid } });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}

/** An address as a key of sets: IPv4 as a number, which takes a fraction of the time and memory of a bigint. */
type AddressNumber = number | bigint;
const numberOf = ({ family, value }: IpAddress): AddressNumber => (family === 'IPv4' ? Number(value) : value);
const numbersFrom = (base: bigint, family: IpFamily): ((place: number) => AddressNumber) => {
  const first = Number(base);
  return family === 'IPv4' ? (place) => first + place : (place) => base + BigInt(place);
};

/** @param ip one that validation has accepted; throws RangeError for others. */
function valid(ip: string): IpAddress {
  const address = IpAddress.parse(ip);
  if (!address) throw new RangeError(`${ip} is not an IP address`);
  return address;
}
