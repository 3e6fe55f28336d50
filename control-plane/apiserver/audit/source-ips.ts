/** The addresses that a request came from, as it says itself and as the server sees it. */
import { IpAddress } from '../../../api/domain/address.ts';
import type { Request } from '../http/message.ts';

/** Addresses that a client may claim to have passed through; upstream has no limit. */
const MAX_FORWARDED = 64;
const IPV4_MAPPED = /^::ffff:(?=\d+\.)/;

/**
 * As upstream's `SourceIPs`: what `X-Forwarded-For` lists, then `X-Real-Ip`, then the address of the connection, each once. All but the
 * last are the client's word.
 */
export function sourceIPs({ headers, socket }: Pick<Request, 'headers' | 'socket'>): string[] {
  const remote = remoteAddress(socket.remoteAddress);
  const forwarded = headers['x-forwarded-for'];
  const real = headers['x-real-ip'];
  if (forwarded === undefined && real === undefined) return remote ? [remote] : [];
  const claimed = String(forwarded ?? '').split(',', MAX_FORWARDED);
  if (typeof real === 'string') claimed.push(real);
  const addresses: string[] = [];
  for (const text of claimed) {
    const address = IpAddress.parse(text.trim())?.text;
    if (address !== undefined && !addresses.includes(address)) addresses.push(address);
  }
  if (remote && !addresses.includes(remote)) addresses.push(remote);
  return addresses;
}

const remoteAddress = (address: string | undefined): string | undefined => address?.replace(IPV4_MAPPED, '');
