/** Warnings about the form of addresses and CIDRs that are accepted nevertheless: stored ones, and IPv6 that is not canonical. */
import { addressProblems, Cidr, IpAddress, cidrProblems } from './address.ts';

const quoted = (text: string): string => JSON.stringify(text);

export function ipWarnings(field: string, text: string): string[] {
  const address = IpAddress.parse(text);
  if (!address) return [];
  const canonical = quoted(address.text);
  if (addressProblems(text)?.length) {
    return [`${field}: non-standard IP address ${quoted(text)} is invalid: use ${canonical}`];
  }
  return address.family === 'IPv6' && address.text !== text
    ? [`${field}: IPv6 address ${quoted(text)} should be in RFC 5952 canonical format (${canonical})`]
    : [];
}

interface Balanced {
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } };
}

/** Of a status with the addresses of a load balancer. */
export const loadBalancerWarnings = ({ status }: Balanced): string[] =>
  (status?.loadBalancer?.ingress ?? []).flatMap(({ ip = '' }, index) =>
    ipWarnings(`status.loadBalancer.ingress[${index}]`, ip),
  );

export function cidrWarnings(field: string, text: string): string[] {
  const range = Cidr.parse(text);
  const address = IpAddress.parse(text.slice(0, text.indexOf('/')));
  if (!range || !address) return [];
  const canonical = quoted(range.text);
  const warnings: string[] = [];
  if (!address.equals(range.network)) {
    const host = quoted(Cidr.host(address).text);
    warnings.push(
      `${field}: CIDR value ${quoted(text)} is ambiguous in this context (should be ${canonical} or ${host}?)`,
    );
  }
  if (cidrProblems(text)?.some((problem) => problem !== 'bits beyond the length')) {
    warnings.push(`${field}: non-standard CIDR value ${quoted(text)} is invalid: use ${canonical}`);
  }
  if (warnings.length === 0 && range.family === 'IPv6' && range.text !== text) {
    warnings.push(`${field}: IPv6 CIDR value ${quoted(text)} should be in RFC 5952 canonical format (${canonical})`);
  }
  return warnings;
}
