/** The formats of strings that upstream validates (go-openapi/strfmt); others are ignored, as there. */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { validateSubdomainName } from '../names.ts';

const ALNUM_LIMIT = 1024;
const short = (pattern: RegExp) => (text: string) => text.length <= ALNUM_LIMIT && pattern.test(text);
const uuid = (version: string) =>
  short(new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, 'i'));
const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;

function isDate(text: string): boolean {
  const time = DATE.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN;
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

const CLOCK = /^([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(z|[+-]\d\d:\d\d)$/i;

function isDateTime(text: string): boolean {
  const [date = '', clock = '', ...others] = text.split(/t/i);
  return others.length === 0 && isDate(date) && CLOCK.test(clock);
}

function isCidr(text: string): boolean {
  const slash = text.lastIndexOf('/');
  const address = text.slice(0, slash);
  const bits = text.slice(slash + 1);
  return slash > 0 && /^\d{1,3}$/.test(bits) && isIP(address) > 0 && Number(bits) <= (isIPv4(address) ? 32 : 128);
}

const FORMATS: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['bsonobjectid', short(/^[0-9a-f]{24}$/i)],
  ['uri', (text) => URL.canParse(text) && /^[a-z][a-z0-9+.-]*:/i.test(text)],
  ['email', short(/^[^\s@<>]+@[^\s@<>]+$/)],
  ['hostname', (text) => validateSubdomainName(text.toLowerCase()).length === 0],
  ['ipv4', (text) => isIPv4(text)],
  ['ipv6', (text) => isIPv6(text)],
  ['cidr', isCidr],
  ['mac', short(/^([0-9a-f]{2}[:-]){5,7}[0-9a-f]{2}$|^([0-9a-f]{4}\.){2,3}[0-9a-f]{4}$/i)],
  ['uuid', uuid('[0-9a-f]')],
  ['uuid3', uuid('3')],
  ['uuid4', uuid('4')],
  ['uuid5', uuid('5')],
  ['isbn', short(/^(\d[- ]?){9}([\dX]|(\d[- ]?){3}\d)$/)],
  ['isbn10', short(/^(\d[- ]?){9}[\dX]$/)],
  ['isbn13', short(/^(\d[- ]?){12}\d$/)],
  ['creditcard', short(/^\d{13,19}$/)],
  ['ssn', short(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/)],
  ['hexcolor', short(/^#?([0-9a-f]{3}|[0-9a-f]{6})$/i)],
  ['rgbcolor', short(/^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$/)],
  ['byte', (text) => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)],
  ['password', () => true],
  ['date', isDate],
  [
    'duration',
    short(
      /^(\d+(\.\d+)?\s?(ns|us|\u00b5s|ms|s|m|h|d|w|nanos?(econds?)?|millis?(econds?)?|sec(onds?)?|min(utes?)?|hours?|days?|weeks?)\s?)+$/i,
    ),
  ],
  ['datetime', isDateTime],
  ['k8s-short-name', (text) => text.length <= MAX_SHORT_NAME && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text)],
  ['k8s-long-name', (text) => validateSubdomainName(text).length === 0],
]);
const MAX_SHORT_NAME = 63;

/** Names of formats are the same with and without dashes. */
const normalized = (format: string): string => format.replaceAll('-', '');
const KNOWN: ReadonlyMap<string, (text: string) => boolean> = new Map(
  [...FORMATS].map(([format, test]) => [normalized(format), test]),
);
const NUMBER_FORMATS: ReadonlyMap<string, readonly string[]> = new Map([
  ['integer', ['int32', 'int64']],
  ['number', ['float', 'double']],
]);

/** Whether values of the type are validated by the format; others are ignored, with a warning. */
export const isRecognizedFormat = (type: string | undefined, format: string): boolean =>
  type === undefined || type === '' || type === 'string'
    ? KNOWN.has(normalized(format))
    : (NUMBER_FORMATS.get(type)?.includes(format) ?? false);

/** Whether a text is of the format; true for formats that are not validated. */
export const isFormat = (format: string, text: string): boolean => KNOWN.get(normalized(format))?.(text) ?? true;
