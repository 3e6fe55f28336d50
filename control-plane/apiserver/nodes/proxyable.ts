/**
 * Where the api-server may be led by what others write into objects: never to its own host, nor to the services that a cloud has on
 * link-local addresses. An address is judged, and connected to, as the value that its text stands for.
 */
import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Cidr, IpAddress } from '../../../api/domain/address.ts';
import { badRequest } from '../../../api/machinery/status-error.ts';

const NOT_ALLOWED = 'address not allowed';

/** A host name resolves to an address that is not allowed. */
export class AddressNotAllowedError extends Error {
  override readonly name = 'AddressNotAllowedError';
}

/** "This network": the kernel takes its first address for the host itself. */
const THIS_NETWORK = Cidr.parse('0.0.0.0/8');
const BROADCAST = Cidr.parse('255.255.255.255/32');

/** Go's `IsGlobalUnicast`, and not of "this network". */
const isProxyable = (address: IpAddress): boolean =>
  !address.isUnspecified &&
  !address.isLoopback &&
  !address.isMulticast &&
  !address.isLinkLocalUnicast &&
  !THIS_NETWORK?.contains(address) &&
  !BROADCAST?.contains(address);

/** The address in its canonical form. Throws a 400 StatusError for one that is none, or not allowed. */
export function proxyableAddress(text: string): string {
  const address = IpAddress.parse(text);
  if (!address || !isProxyable(address)) throw badRequest(NOT_ALLOWED);
  return address.text;
}

/** Resolves a host name for a connection, and fails when any of its addresses is not allowed: the one checked is the one used. */
const lookupProxyable: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    const addresses = found ?? [];
    const [first] = addresses;
    const allowed = addresses.every(({ address }) => {
      const parsed = IpAddress.parse(address);
      return parsed !== undefined && isProxyable(parsed);
    });
    if (error) callback(error, []);
    else if (!first || !allowed) callback(new AddressNotAllowedError(NOT_ALLOWED), []);
    else if (options.all) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

/** A host and how it is resolved. Throws a 400 StatusError for an address that is not allowed. */
export const proxyableHost = (host: string): { host: string; lookup?: LookupFunction } =>
  isIP(host) === 0 ? { host, lookup: lookupProxyable } : { host: proxyableAddress(host) };
