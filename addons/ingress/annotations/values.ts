/** Parsers of annotation values. Each throws AnnotationError; what it returns may be put into a configuration. */
import { Cidr, IpAddress } from '../../../api/domain/address.ts';
import { validateLabelName, validateSubdomainName } from '../../../api/machinery/names.ts';
import { AnnotationError } from './annotation-error.ts';

/** Go's `strconv.ParseBool`. */
export function flag(value: string): boolean {
  if (['true', 'True', 'TRUE', 't', 'T', '1'].includes(value)) return true;
  if (['false', 'False', 'FALSE', 'f', 'F', '0'].includes(value)) return false;
  throw new AnnotationError(`must be "true" or "false", not ${JSON.stringify(value)}`);
}

export const wholeNumber =
  (least: number, most: number) =>
  (value: string): number => {
    const number = /^\d{1,10}$/.test(value.trim()) ? Number(value) : NaN;
    if (number >= least && number <= most) return number;
    throw new AnnotationError(`must be a whole number from ${least} to ${most}, not ${JSON.stringify(value)}`);
  };

export const oneOf =
  <T extends string>(...known: readonly T[]) =>
  (value: string): T => {
    const found = known.find((each) => each.toLowerCase() === value.trim().toLowerCase());
    if (found !== undefined) return found;
    throw new AnnotationError(`must be one of ${known.join(', ')}, not ${JSON.stringify(value)}`);
  };

const DAY_SECONDS = 86_400;
/** Seconds, as `60` or with a unit: `60s`, `5m`, `1h`. */
export function seconds(value: string): number {
  const [, digits = '', unit = 's'] = /^(\d{1,7})([smh]?)$/.exec(value.trim()) ?? [];
  const factor = unit === 'h' ? 3600 : unit === 'm' ? 60 : 1;
  const total = digits === '' ? NaN : Number(digits) * factor;
  if (total >= 1 && total <= DAY_SECONDS) return total;
  throw new AnnotationError(`must be from 1 to ${DAY_SECONDS} seconds, not ${JSON.stringify(value)}`);
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['k', 1024],
  ['m', 1024 ** 2],
  ['g', 1024 ** 3],
]);
/** Bytes, as nginx writes them: `8m`, `512k`, `0` for no limit. */
export function size(value: string): number {
  const [, digits, unit = ''] = /^(\d{1,9})([kmg]?)$/i.exec(value.trim()) ?? [];
  const factor = UNITS.get(unit.toLowerCase());
  if (digits === undefined || factor === undefined)
    throw new AnnotationError(`must be a size such as 8m, not ${JSON.stringify(value)}`);
  return Number(digits) * factor;
}

const MAX_LIST = 1_000;
export function list(value: string): readonly string[] {
  const items = value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  if (items.length > MAX_LIST) throw new AnnotationError(`lists more than ${MAX_LIST} values`);
  return items;
}

/** Addresses and networks; an empty list is none. */
export function sources(value: string): readonly Cidr[] {
  const found = list(value).map((item) => {
    const address = IpAddress.parse(item);
    const network = address ? Cidr.host(address) : Cidr.parse(item);
    if (!network) throw new AnnotationError(`lists ${JSON.stringify(item)}, which is neither an address nor a network`);
    return network;
  });
  if (found.length === 0) throw new AnnotationError('lists no address');
  return found;
}

const TOKEN = /^[A-Za-z0-9!#$&*+\-.^_`|~]{1,128}$/;
/** A header's or a method's name: RFC 9110's token, without what quotes or formats. */
export function token(value: string): string {
  if (TOKEN.test(value.trim())) return value.trim();
  throw new AnnotationError(`has ${JSON.stringify(value)}, which is no name of a header or method`);
}
export const tokens = (value: string): readonly string[] => list(value).map(token);

/** A word that is compared with a header's value. */
export function word(value: string): string {
  if (/^[A-Za-z0-9_.:@/+=~-]{1,256}$/.test(value)) return value;
  throw new AnnotationError(`must be a word of letters, digits and _.:@/+=~-, not ${JSON.stringify(value)}`);
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;
/** The name of a cookie or of a parameter. */
export function simpleName(value: string): string {
  if (NAME.test(value.trim())) return value.trim();
  throw new AnnotationError(`must be a name of letters, digits, "_", "-" and ".", not ${JSON.stringify(value)}`);
}

/** A path of a URL, without query: no variables, nothing that ends a header. */
export function urlPath(value: string): string {
  if (/^\/[A-Za-z0-9\-._~:/@!&()*+,;=%]{0,1023}$/.test(value)) return value;
  throw new AnnotationError(`must be a path such as /app, not ${JSON.stringify(value)}`);
}

export function hostName(value: string): string {
  const name = value.trim().toLowerCase();
  if (validateSubdomainName(name.replace(/^\*\./, '')).length === 0) return name;
  throw new AnnotationError(`has ${JSON.stringify(value)}, which is no host name`);
}

/** A host name, with or without port. */
export function hostAndPort(value: string): string {
  const [, host = '', port = ''] = /^([^:]*)(:\d{1,5})?$/.exec(value.trim()) ?? [];
  return `${hostName(host)}${port}`;
}

/** The name of an object of the Ingress's own namespace, as `NAME` or `NAMESPACE/NAME`. */
export function localObject(value: string, namespace: string): string {
  const [first = '', second] = value.trim().split('/', 2);
  const [where, name] = second === undefined ? [namespace, first] : [first, second];
  if (validateSubdomainName(name).length > 0 || validateLabelName(where).length > 0)
    throw new AnnotationError(`must be the name of an object, not ${JSON.stringify(value)}`);
  if (where !== namespace)
    throw new AnnotationError(`names an object of namespace ${where}, and only those of the Ingress's own are used`);
  return name;
}

/** Printable ASCII without quotes and backslashes. */
export function plainText(value: string): string {
  if (/^[ !#-[\]-~]{1,256}$/.test(value)) return value;
  throw new AnnotationError('must be printable ASCII without quotes and backslashes, up to 256 characters');
}
