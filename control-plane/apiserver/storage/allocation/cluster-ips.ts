/**
 * Allocates cluster IPs: creating the IPAddress object claims the address, so two api-servers never allocate the same one.
 * Addresses are IPv4 in their canonical form. An allocation whose Service is then not written is removed by `allocation-repair.ts`.
 */
import { isIPv4 } from 'node:net';
import { IpAddress } from '../../../../api/domain/address.ts';
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
  readonly #allocated = new Set<number>();
  /** Being claimed at the moment: of two requests to this server only one has to ask the store. */
  readonly #taking = new Set<number>();

  constructor({ api, ranges, allocations, fresh }: ClusterIPsOptions) {
    this.#api = api;
    this.#allocations = allocations;
    this.#fresh = fresh;
    this.ranges = ranges;
    api.subscribe(ipAddresses, ({ name, object }) => {
      if (!isIPv4(name)) return;
      if (object) this.#allocated.add(numberOf(name));
      else this.#allocated.delete(numberOf(name));
    });
  }

  isTaken(ip: string): boolean {
    return this.#isTaken(numberOf(ip));
  }

  #isTaken(number: number): boolean {
    if (this.#allocated.has(number) || this.#taking.has(number)) return true;
    // A service from before there were such objects, until the repair has made its own.
    return this.#allocations.addresses.has(addressOf(number));
  }

  /** Claims an address for the owner; returns false when it is taken. */
  async take(ip: string, owner: Owner): Promise<boolean> {
    // Another server may have released it.
    if (this.isTaken(ip)) await this.#fresh();
    return !this.isTaken(ip) && this.claim(ip, owner);
  }

  /** As `take`, for an address that the owner uses already. */
  async claim(ip: string, owner: Owner): Promise<boolean> {
    const number = numberOf(ip);
    this.#taking.add(number);
    try {
      await this.#api.create(ipAddresses, allocatedAddress(ip, owner));
      return true;
    } catch (error) {
      if (isAlreadyExists(error)) return false;
      throw error;
    } finally {
      this.#taking.delete(number);
    }
  }

  /** Claims any free address; undefined when all are taken. */
  async takeAny(owner: Owner): Promise<string | undefined> {
    const lost = new Set<number>();
    for (;;) {
      const ip = this.pick(lost);
      if (ip === undefined || (await this.take(ip, owner))) return ip;
      lost.add(numberOf(ip));
    }
  }

  /** A free address that is not in `except`; undefined when there is none. */
  pick(except: ReadonlySet<number> = new Set()): string | undefined {
    for (const range of this.ranges.numbers()) {
      const number = range.pick((candidate) => except.has(candidate) || this.#isTaken(candidate));
      if (number !== undefined) return addressOf(number);
    }
    return undefined;
  }

  /** Does nothing when the address no longer belongs to the owner. */
  async release(ip: string, owner: Owner): Promise<void> {
    const present = this.#api.get(ipAddresses, '', ip);
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

/** @param ip one that validation has accepted; throws RangeError for others. */
function numberOf(ip: string): number {
  const address = IpAddress.parse(ip);
  if (!address) throw new RangeError(`${ip} is not an IP address`);
  return Number(address.value);
}
const addressOf = (number: number): string => IpAddress.of('IPv4', BigInt(number)).text;
