/**
 * Validation rules for settings. A rule returns the problem as the rest of a sentence that begins with the setting as the user
 * spells it ("--port must be ..."), or undefined. The other settings are passed to it unvalidated: it must not report a problem
 * that another setting's own rule reports.
 */
import { Cidr, IpAddress, type IpFamily } from '../api/domain/address.ts';
import { overlaps, parseClusterRanges } from '../api/domain/cluster-ranges.ts';
import { validateSubdomainName } from '../api/machinery/names.ts';
import { isQuantity } from '../api/machinery/quantity.ts';

export type SettingRule<T, S = unknown> = (value: T, settings: S) => string | undefined;
export type SettingRules<S> = { readonly [K in keyof S]?: SettingRule<S[K], S> };

/** A value has the wrong format; the message quotes it and says which format is expected. */
export class SettingValueError extends Error {
  override readonly name = 'SettingValueError';
}

const shown = (value: unknown): string => JSON.stringify(value);

/** A rule for values that `parse` accepts; `parse` throws SettingValueError for all others. */
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

/** Also accepts an empty value, which selects the default. */
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

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
export const quantity: SettingRule<string> = (value) =>
  isQuantity(value) ? undefined : `must be a quantity such as 32 or 256Gi, not ${shown(value)}`;

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

/** Addresses at which other hosts can reach this one: one, or one of each IP family, separated by a comma. */
export const hostAddresses: SettingRule<string> = (value) => {
  const families = new Set<string>();
  for (const text of value.split(',')) {
    const address = IpAddress.parse(text);
    if (address?.text !== text)
      return `must be an IP address such as 10.0.0.1, or one of IPv4 and one of IPv6 as 10.0.0.1,fd00::1, not ${shown(value)}`;
    if (address.isUnspecified || address.isMulticast || (address.family === 'IPv6' && address.isLinkLocalUnicast))
      return `must be an address that other hosts reach this one at, not ${text}`;
    if (families.has(address.family))
      return `must have one address of IPv4 and one of IPv6, not two of ${address.family} as ${value} does`;
    families.add(address.family);
  }
  return undefined;
};

/** Prefix lengths of ranges. */
export interface PrefixLimits {
  readonly shortest: number;
  readonly longest: number;
}

/** A CIDR, or one of each IP family separated by a comma, with prefix lengths within the limits of the family. */
export const clusterRange =
  (limits: Readonly<Record<IpFamily, PrefixLimits>>): SettingRule<string> =>
  (value) => {
    const families = new Set<string>();
    for (const text of value.split(',')) {
      const range = Cidr.parse(text);
      if (!range)
        return `must be a CIDR such as 10.42.0.0/16, or one of IPv4 and one of IPv6 as 10.42.0.0/16,fd00:42::/56, not ${shown(value)}`;
      const { family, length } = range;
      if (range.text !== text) return `must be written as ${range.text}, not ${text}`;
      if (families.has(family))
        return `must have one range of IPv4 and one of IPv6, not two of ${family} as ${value} does`;
      families.add(family);
      const { shortest, longest } = limits[family];
      if (length < shortest || length > longest)
        return `must have a prefix of /${shortest} to /${longest}, not ${text}`;
    }
    return undefined;
  };

/** Whether two settings of ranges overlap; false when one is invalid. */
export const overlap = (a: string, b: string): boolean =>
  overlaps(parseClusterRanges(a) ?? [], parseClusterRanges(b) ?? []);

export const dnsDomain: SettingRule<string> = (value) =>
  validateSubdomainName(value).length === 0
    ? undefined
    : `must be a DNS domain of lower-case letters, digits, "-" and ".", not ${shown(value)}`;

/** DNS names and IP addresses for a certificate. */
export const certificateNames: SettingRule<readonly string[]> = (names) => {
  const odd = names.find(
    (name) => !IpAddress.parse(name) && validateSubdomainName(name.toLowerCase().replace(/^\*\./, '')).length > 0,
  );
  return odd === undefined ? undefined : `must list DNS names and IP addresses, and ${shown(odd)} is neither`;
};
