/**
 * What values settings may have. A rule returns what is wrong with a value as the rest of a sentence that begins with the
 * setting, spelled as the user gave it ("--port must be ..."); undefined: nothing. The other settings are handed to it as
 * they were given: a rule says nothing because of one that has a rule of its own.
 */
import { Cidr, IpAddress, rangeFlaws } from '../api/domain/address.ts';
import { validateSubdomainName } from '../api/machinery/names.ts';

export type SettingRule<T, S = unknown> = (value: T, settings: S) => string | undefined;
export type SettingRules<S> = { readonly [K in keyof S]?: SettingRule<S[K], S> };

/** Part of a setting's value has not the form that it must have; the message quotes it and says which form that is. */
export class SettingValueError extends Error {
  override readonly name = 'SettingValueError';
}

const shown = (value: unknown): string => JSON.stringify(value);

/** The rule of a setting whose values are what `parse` accepts: it throws SettingValueError for anything else. */
export const readableBy =
  <T>(parse: (value: T) => unknown): SettingRule<T> =>
  (value) => {
    try {
      parse(value);
      return undefined;
    } catch (error) {
      if (!(error instanceof SettingValueError)) throw error;
      return `cannot be used: ${error.message}`;
    }
  };

/** An empty value is fine too: it asks for the default that the help tells of. */
export const orEmpty =
  <S>(rule: SettingRule<string, S>): SettingRule<string, S> =>
  (value, settings) =>
    value === '' ? undefined : rule(value, settings);

export const notEmpty: SettingRule<string> = (value) => (value === '' ? 'must not be empty' : undefined);

export const integerFrom =
  (least: number, most = Number.MAX_SAFE_INTEGER): SettingRule<number> =>
  (value) => {
    if (Number.isInteger(value) && value >= least && value <= most) return undefined;
    const limits = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    return `must be a whole number ${limits}, not ${value}`;
  };

export const MAX_PORT = 65_535;

export const aboveZero: SettingRule<number> = (value) =>
  value > 0 ? undefined : `must be greater than 0, not ${value}`;

export const oneOf =
  (...known: readonly string[]): SettingRule<string> =>
  (value) =>
    known.includes(value) ? undefined : `must be one of ${known.join(', ')}, not ${shown(value)}`;

/** pino's levels. */
export const logLevelRule = oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent');

export const ipAddress: SettingRule<string> = (value) =>
  IpAddress.parse(value)?.text === value ? undefined : `must be an IP address such as 10.0.0.1, not ${shown(value)}`;

/** An address that other hosts reach this one at. IPv6 is not routed yet. */
export const hostAddress: SettingRule<string> = (value) => {
  const address = IpAddress.parse(value);
  if (address?.family !== 'IPv4' || address.text !== value)
    return `must be an IPv4 address such as 10.0.0.1, not ${shown(value)}`;
  return address.isUnspecified || address.isMulticast
    ? `must be an address that other hosts reach this one at, not ${value}`
    : undefined;
};

/** A range of IPv4, with a prefix of so many bits. IPv6 is not routed yet. */
export const ipv4Range =
  (shortest: number, longest: number): SettingRule<string> =>
  (value) => {
    const range = Cidr.parse(value);
    if (range?.family !== 'IPv4') return `must be a range of IPv4 addresses such as 10.42.0.0/16, not ${shown(value)}`;
    if (rangeFlaws(value)?.length !== 0) return `must be written as ${range.text}, not ${value}`;
    return range.length >= shortest && range.length <= longest
      ? undefined
      : `must have a prefix of /${shortest} to /${longest}, not ${value}`;
  };

/** False also for what is no range. */
export function overlap(a: string, b: string): boolean {
  const [left, right] = [Cidr.parse(a), Cidr.parse(b)];
  return left !== undefined && right !== undefined && (left.contains(right.network) || right.contains(left.network));
}

export const dnsDomain: SettingRule<string> = (value) =>
  validateSubdomainName(value).length === 0
    ? undefined
    : `must be a DNS domain of lower-case letters, digits, "-" and ".", not ${shown(value)}`;

/** Names and addresses that a certificate may be for. */
export const certificateNames: SettingRule<readonly string[]> = (names) => {
  const odd = names.find(
    (name) => !IpAddress.parse(name) && validateSubdomainName(name.toLowerCase().replace(/^\*\./, '')).length > 0,
  );
  return odd === undefined ? undefined : `must list DNS names and IP addresses, and ${shown(odd)} is neither`;
};
