/**
 * The values that rules are made of, each parsed once from a field of an object. Backends accept these types only, so that no text
 * of an object can reach the kernel's rules unparsed.
 */
import { Cidr, IpAddress } from '../../../../api/domain/address.ts';
import { isPortNumber } from '../../../../api/domain/port-number.ts';
import { MAX_AFFINITY_SECONDS } from '../../../../api/domain/session-affinity.ts';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';
export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

declare const brand: unique symbol;
/** 1 to 65535. */
export type Port = number & { readonly [brand]: 'Port' };
/** Whole seconds that `-m recent` takes. */
export type AffinitySeconds = number & { readonly [brand]: 'AffinitySeconds' };
/** `namespace/name:port`: of DNS names alone, so that it needs no quoting in a comment. */
export type Label = string & { readonly [brand]: 'Label' };

const LABEL = /^[a-z0-9-]{1,63}\/[a-z0-9-]{1,63}(:[a-z0-9-]{1,63})?$/;

export const asPort = (value: unknown): Port | undefined => (isPortNumber(value) ? (value as Port) : undefined);

export const asAffinitySeconds = (value: unknown): AffinitySeconds | undefined =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_AFFINITY_SECONDS
    ? (value as AffinitySeconds)
    : undefined;

export const asProtocol = (value: unknown): Protocol | undefined => PROTOCOLS.find((protocol) => protocol === value);

/** Undefined for a name that the API does not allow: there are no rules for such a Service. */
export function asLabel(namespace: string, name: string, port: string): Label | undefined {
  const label = `${namespace}/${name}${port && `:${port}`}`;
  return LABEL.test(label) ? (label as Label) : undefined;
}

/** "This network", and all hosts of the link: a Service there would take DHCP's packets. */
const NOBODYS: readonly Cidr[] = ['0.0.0.0/8', '255.255.255.255/32'].flatMap((text) => Cidr.parse(text) ?? []);

/**
 * An address to which packets of others may be led: not one that means each host itself or its own link. Redirected packets
 * pass the rule that guards the addresses of loopback.
 */
export function asTarget(text: string | undefined): IpAddress | undefined {
  const address = IpAddress.parse(text ?? '');
  if (!address || address.isUnspecified || address.isLoopback || address.isMulticast) return undefined;
  return address.isLinkLocalUnicast || NOBODYS.some((range) => range.contains(address)) ? undefined : address;
}
