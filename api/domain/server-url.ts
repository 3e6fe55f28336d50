import { IpAddress } from './address.ts';

/** Where hosts reach the api-server at an IP address: `https://10.0.0.1:6443`, an address of IPv6 in brackets. */
export function serverUrl(address: string, port: number): string {
  const parsed = IpAddress.parse(address);
  return `https://${parsed?.family === 'IPv6' ? `[${parsed.text}]` : (parsed?.text ?? address)}:${port}`;
}
