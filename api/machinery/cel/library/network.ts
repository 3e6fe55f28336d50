/** IP addresses and CIDRs: https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-ip-address-library */
import { isIP } from 'node:net';
import { Cidr, IpAddress } from '../../../domain/address.ts';
import { overload as declare, type Overload } from '../environment.ts';
import { type CelValue, Extension, Failure } from '../values.ts';
import { CIDR, IP, kubernetesTypes } from './kubernetes-types.ts';

const ADDRESS_BYTES = { IPv4: 4, IPv6: 16 } as const;

class IpValue extends Extension {
  readonly celType = IP;
  readonly address: IpAddress;
  constructor(address: IpAddress) {
    super();
    this.address = address;
  }
  override get size(): number {
    return ADDRESS_BYTES[this.address.family];
  }
  equals(other: Extension): boolean {
    return other instanceof IpValue && this.address.equals(other.address);
  }
  toPlain(): string {
    return this.address.text;
  }
}

/** A CIDR keeps the address that it was written with: `10.0.0.1/8` is not `10.0.0.0/8`. */
class CidrValue extends Extension {
  readonly celType = CIDR;
  readonly address: IpAddress;
  readonly cidr: Cidr;
  constructor(address: IpAddress, cidr: Cidr) {
    super();
    this.address = address;
    this.cidr = cidr;
  }
  override get size(): number {
    return Math.ceil(this.cidr.length / 8);
  }
  equals(other: Extension): boolean {
    return other instanceof CidrValue && this.toPlain() === other.toPlain();
  }
  toPlain(): string {
    return `${this.address.text}/${this.cidr.length}`;
  }
}

/** Longer texts are no addresses. */
const MAX_TEXT = 64;
const isMapped = (text: string): boolean => /^(0*:)*:?(0*:)*ffff:/i.test(text) && text.includes('.');

/** Stricter than fields are: no leading zeros, no IPv4 addresses in IPv6, no zones. */
function parseAddress(text: string): IpAddress | Failure {
  const shown = JSON.stringify(text);
  if (text.length > MAX_TEXT || isIP(text) === 0)
    return new Failure(
      `IP Address ${shown} parse error during conversion from string: ParseAddr(${shown}): unable to parse IP`,
    );
  if (text.includes('%')) return new Failure(`IP address ${shown} with zone value is not allowed`);
  const address = IpAddress.parse(text);
  if (!address || (address.family === 'IPv4' && text.includes(':')) || isMapped(text))
    return new Failure(`IPv4-mapped IPv6 address ${shown} is not allowed`);
  return address;
}

function ip(text: CelValue | undefined): CelValue {
  const address = parseAddress(text as string);
  return address instanceof Failure ? address : new IpValue(address);
}

function cidr(text: CelValue | undefined): CelValue {
  const given = text as string;
  const slash = given.lastIndexOf('/');
  const bits = given.slice(slash + 1);
  const address = slash < 0 ? undefined : parseAddress(given.slice(0, slash));
  const isLength = /^(0|[1-9]\d{0,2})$/.test(bits);
  const parsed = isLength && address instanceof IpAddress ? Cidr.parse(given) : undefined;
  if (parsed && address instanceof IpAddress) return new CidrValue(address, parsed);
  const shown = JSON.stringify(given);
  const prefix = 'network address parse error during conversion from string: ';
  const why = slash < 0 ? 'no "/"' : isLength ? 'unable to parse IP' : `bad bits after slash: ${JSON.stringify(bits)}`;
  return new Failure(`${prefix}${prefix}netip.ParsePrefix(${shown}): ${why}`);
}

const overload = (signature: string, call: Overload['call']): Overload => declare(signature, call, kubernetesTypes);
const address = (value: CelValue | undefined): IpAddress => (value as IpValue).address;
const range = (value: CelValue | undefined): Cidr => (value as CidrValue).cidr;

function containsIp(outer: CelValue | undefined, inner: CelValue): CelValue {
  return inner instanceof IpValue ? range(outer).contains(inner.address) : inner;
}

function containsCidr(outer: CelValue | undefined, inner: CelValue): CelValue {
  if (!(inner instanceof CidrValue)) return inner;
  const container = range(outer);
  return container.length <= inner.cidr.length && container.contains(inner.cidr.network);
}

const isGlobalUnicast = (value: IpAddress): boolean =>
  !value.isUnspecified &&
  !value.isLoopback &&
  !value.isMulticast &&
  !value.isLinkLocalUnicast &&
  value.text !== '255.255.255.255';

export const networkLibrary = (): Overload[] => [
  overload('ip(string): net.IP', ([text]) => ip(text)),
  overload('isIP(string): bool', ([text]) => ip(text) instanceof IpValue),
  overload('ip.isCanonical(string): bool', ([text]) => {
    const value = ip(text);
    return value instanceof IpValue ? value.address.text === text : value;
  }),
  overload('string(net.IP): string', ([value]) => address(value).text),
  overload('net.IP:family(): int', ([value]) => (address(value).family === 'IPv4' ? 4n : 6n)),
  overload('net.IP:isUnspecified(): bool', ([value]) => address(value).isUnspecified),
  overload('net.IP:isLoopback(): bool', ([value]) => address(value).isLoopback),
  overload('net.IP:isLinkLocalMulticast(): bool', ([value]) => address(value).isLinkLocalMulticast),
  overload('net.IP:isLinkLocalUnicast(): bool', ([value]) => address(value).isLinkLocalUnicast),
  overload('net.IP:isGlobalUnicast(): bool', ([value]) => isGlobalUnicast(address(value))),
  overload('cidr(string): net.CIDR', ([text]) => cidr(text)),
  overload('isCIDR(string): bool', ([text]) => cidr(text) instanceof CidrValue),
  overload('string(net.CIDR): string', ([value]) => (value as CidrValue).toPlain()),
  overload('net.CIDR:containsIP(string): bool', ([value, inner]) => containsIp(value, ip(inner))),
  overload('net.CIDR:containsIP(net.IP): bool', ([value, inner = null]) => containsIp(value, inner)),
  overload('net.CIDR:containsCIDR(string): bool', ([value, inner]) => containsCidr(value, cidr(inner))),
  overload('net.CIDR:containsCIDR(net.CIDR): bool', ([value, inner = null]) => containsCidr(value, inner)),
  overload('net.CIDR:ip(): net.IP', ([value]) => new IpValue((value as CidrValue).address)),
  overload('net.CIDR:prefixLength(): int', ([value]) => BigInt(range(value).length)),
  overload('net.CIDR:masked(): net.CIDR', ([value]) => new CidrValue(range(value).network, range(value))),
];
