/**
 * IP addresses and CIDRs as values. A string from outside is parsed once, here; comparing, compiling and printing use the
 * parsed value, so that `010.0.0.1`, `::ffff:10.0.0.1` and `10.0.0.1` can never be checked as one address and used as another.
 *
 * What is accepted is what upstream accepts in fields that are older than its strict checks (`ParseIPSloppy`,
 * `ParseCIDRSloppy` of k8s.io/utils/net): leading zeros are decimal, an IPv4-mapped IPv6 address is the IPv4 address, zones are
 * rejected. `addressProblems` and `cidrProblems` return what is merely tolerated.
 */
import { isIP } from 'node:net';

export type IpFamily = 'IPv4' | 'IPv6';

const BITS: Readonly<Record<IpFamily, number>> = { IPv4: 32, IPv6: 128 };
const GROUPS = 8;
const GROUP_BITS = 16n;
/** ::ffff:0:0/96 */
const MAPPED_BITS = 96;
const MAPPED_PREFIX = 0xffffn << 32n;
const isMapped = (value: bigint): boolean => value >> 32n === MAPPED_PREFIX >> 32n;

/** An address as it was written, before a mapped one becomes IPv4. */
interface Written {
  readonly family: IpFamily;
  readonly value: bigint;
  readonly leadingZeros: boolean;
}

const valueOfIPv4 = (text: string): bigint =>
  BigInt(text.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0));

function valueOfIPv6(text: string): bigint {
  const tail = text.slice(text.lastIndexOf(':') + 1);
  if (tail.includes('.')) return valueOfIPv6(`${text.slice(0, -tail.length)}0:0`) | valueOfIPv4(tail);
  const [head = [], rest = []] = text.split('::').map((part) => (part === '' ? [] : part.split(':')));
  const zeros = Array.from({ length: GROUPS - head.length - rest.length }, () => '0');
  return [...head, ...zeros, ...rest].reduce((sum, group) => (sum << GROUP_BITS) | BigInt(`0x${group}`), 0n);
}

function read(text: string): Written | undefined {
  if (text.includes('%')) return undefined;
  const plain = isIP(text) ? text : text.replace(/(^|[.:])0+(?=[0-9a-f])/gi, '$1');
  const leadingZeros = plain !== text;
  switch (isIP(plain)) {
    case 4:
      return { family: 'IPv4', value: valueOfIPv4(plain), leadingZeros };
    case 6:
      return { family: 'IPv6', value: valueOfIPv6(plain), leadingZeros };
    default:
      return undefined;
  }
}

/** RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups as `::`. */
function textOfIPv6(value: bigint): string {
  const groups = Array.from({ length: GROUPS }, (_, index) =>
    ((value >> (BigInt(GROUPS - 1 - index) * GROUP_BITS)) & 0xffffn).toString(16),
  );
  let best = { start: 0, length: 1 };
  for (let start = 0; start < GROUPS; start++) {
    let end = start;
    while (groups[end] === '0') end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  if (best.length < 2) return groups.join(':');
  return `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`;
}

const textOfIPv4 = (value: bigint): string => {
  const number = Number(value);
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');
};

/** Created by parsing only: because of the private field, no other object is assignable to it. */
export class IpAddress {
  readonly family: IpFamily;
  /** The canonical form. */
  readonly text: string;
  readonly #value: bigint;

  private constructor(family: IpFamily, value: bigint) {
    this.family = family;
    this.#value = value;
    this.text = family === 'IPv4' ? textOfIPv4(value) : textOfIPv6(value);
  }

  /** Returns undefined unless the string is an address. The caller trims whitespace where it is allowed. */
  static parse(text: string): IpAddress | undefined {
    const written = read(text);
    return written && IpAddress.of(written.family, written.value);
  }

  /** @param value within the family's bits. */
  static of(family: IpFamily, value: bigint): IpAddress {
    return family === 'IPv6' && isMapped(value)
      ? new IpAddress('IPv4', value - MAPPED_PREFIX)
      : new IpAddress(family, value);
  }

  equals(other: IpAddress): boolean {
    return this.family === other.family && this.value === other.value;
  }

  toString(): string {
    return this.text;
  }

  /** The address as an integer of 32 or 128 bits. */
  get value(): bigint {
    return this.#value;
  }

  get isUnspecified(): boolean {
    return this.#value === 0n;
  }

  get isLoopback(): boolean {
    return isIn(this, LOOPBACK);
  }

  get isLinkLocalUnicast(): boolean {
    return isIn(this, LINK_LOCAL);
  }

  get isLinkLocalMulticast(): boolean {
    return isIn(this, LINK_LOCAL_MULTICAST);
  }

  /** Multicast that stays on the host: ff01::/16 with any flags. */
  get isInterfaceLocalMulticast(): boolean {
    return isIn(this, INTERFACE_LOCAL_MULTICAST);
  }

  get isMulticast(): boolean {
    return isIn(this, MULTICAST);
  }
}

/** A network: no bits are set beyond `length`. */
export class Cidr {
  readonly network: IpAddress;
  readonly length: number;
  readonly text: string;
  readonly #rest: bigint;

  private constructor(network: IpAddress, length: number) {
    this.#rest = BigInt(BITS[network.family] - length);
    this.network = network;
    this.length = length;
    this.text = `${network.text}/${length}`;
  }

  /** Parses `ADDRESS/LENGTH`; bits beyond the length are cleared. Returns undefined for anything else. */
  static parse(text: string): Cidr | undefined {
    const written = readRange(text);
    return written && Cidr.#of(written, written.length);
  }

  /** The CIDR that contains this address only. */
  static host(address: IpAddress): Cidr {
    return new Cidr(address, BITS[address.family]);
  }

  static #of({ family, value }: Written, length: number): Cidr {
    const rest = BigInt(BITS[family] - length);
    const network = IpAddress.of(family, (value >> rest) << rest);
    return new Cidr(network, network.family === family ? length : length - MAPPED_BITS);
  }

  get family(): IpFamily {
    return this.network.family;
  }

  /** How many addresses there are, the network's own and the last one among them. */
  get size(): bigint {
    return 1n << this.#rest;
  }

  /** The address at `index`, counted from the network address; undefined beyond the end of the range. */
  at(index: bigint): IpAddress | undefined {
    return index >= 0n && index >> this.#rest === 0n
      ? IpAddress.of(this.family, this.network.value + index)
      : undefined;
  }

  contains(address: IpAddress): boolean {
    return address.family === this.family && address.value >> this.#rest === this.network.value >> this.#rest;
  }

  toString(): string {
    return this.text;
  }
}

/** Where in the range of Services the cluster's DNS is: kubeadm's convention. */
export const CLUSTER_DNS_INDEX = 10n;

function readRange(text: string): (Written & { readonly length: number; readonly digits: string }) | undefined {
  const slash = text.indexOf('/');
  const digits = text.slice(slash + 1);
  const written = slash < 0 ? undefined : read(text.slice(0, slash));
  if (!written || !/^\d+$/.test(digits) || Number(digits) > BITS[written.family]) return undefined;
  return { ...written, digits, length: Number(digits) };
}

export type AddressProblem = 'leading zeros' | 'IPv4-mapped';

/** Why a strict parser would reject an address that `IpAddress.parse` accepts; undefined for what it does not accept. */
export function addressProblems(text: string): readonly AddressProblem[] | undefined {
  const written = read(text);
  if (!written) return undefined;
  if (written.leadingZeros) return ['leading zeros'];
  return written.family === 'IPv6' && isMapped(written.value) ? ['IPv4-mapped'] : [];
}

export type CidrProblem = AddressProblem | 'bits beyond the length';

/** As `addressProblems`, for CIDRs. */
export function cidrProblems(text: string): readonly CidrProblem[] | undefined {
  const written = readRange(text);
  if (!written) return undefined;
  const { family, value, length, digits, leadingZeros } = written;
  if (leadingZeros || /^0\d/.test(digits)) return ['leading zeros'];
  if (family === 'IPv6' && isMapped(value)) return ['IPv4-mapped'];
  const rest = BigInt(BITS[family] - length);
  return (value >> rest) << rest === value ? [] : ['bits beyond the length'];
}

const ranges = (...texts: readonly string[]): readonly Cidr[] => texts.flatMap((text) => Cidr.parse(text) ?? []);
const isIn = (address: IpAddress, within: readonly Cidr[]): boolean => within.some((range) => range.contains(address));

const LOOPBACK = ranges('127.0.0.0/8', '::1/128');
const LINK_LOCAL = ranges('169.254.0.0/16', 'fe80::/10');
const MULTICAST = ranges('224.0.0.0/4', 'ff00::/8');
/** The scope is the second byte's low half; the flags above it may be any. */
const ofScope = (scope: string): string[] =>
  Array.from({ length: 16 }, (_, flags) => `ff${flags.toString(16)}${scope}::/16`);
const LINK_LOCAL_MULTICAST = ranges('224.0.0.0/24', ...ofScope('2'));
const INTERFACE_LOCAL_MULTICAST = ranges(...ofScope('1'));
