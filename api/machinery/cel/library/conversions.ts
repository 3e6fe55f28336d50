/** Conversions between types: `int('1')`, `string(1.5)`. */
import { overload, type Overload } from '../environment.ts';
import { type CelValue, Duration, Failure, intOf, Timestamp, Uint, uintOf } from '../values.ts';
import { formatDuration, formatTimestamp, parseDuration, parseTimestamp, timestampOf } from './time-text.ts';

const NANOS_PER_SECOND = 1_000_000_000n;
/** Longer ones overflow anyway. */
const MAX_DIGITS = 32;

function parseWhole(text: string, pattern: RegExp, make: (value: bigint) => CelValue, type: string): CelValue {
  if (text.length > MAX_DIGITS || !pattern.test(text))
    return new Failure(`type conversion error from 'string' to '${type}'`);
  const digits = text.replace(/^\+/, '');
  return make(digits.startsWith('-') ? -BigInt(digits.slice(1)) : BigInt(digits));
}

const floorTowardsZero = (value: number, make: (value: bigint) => CelValue, overflow: string): CelValue =>
  Number.isFinite(value) ? make(BigInt(Math.trunc(value))) : new Failure(overflow);

/** As Go's `strconv.FormatFloat(value, 'g', -1, 64)`: with an exponent when it is less than -4 or at least 6. */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  if (power < -4 || power >= 6)
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  return String(value);
}

function parseDouble(text: string): CelValue {
  const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) || /^[+-]?(inf|infinity|nan)$/i.test(text);
  if (!isNumber) return new Failure("type conversion error from 'string' to 'double'");
  if (/nan/i.test(text)) return NaN;
  return /inf/i.test(text) ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text);
}

const BOOLS: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'true', 'TRUE', 'True'].map((text) => [text, true] as const),
  ...['0', 'f', 'F', 'false', 'FALSE', 'False'].map((text) => [text, false] as const),
]);

function parseText(bytes: Uint8Array): CelValue {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return new Failure('invalid UTF-8 in bytes, cannot convert to string');
  }
}

export const conversions = (): Overload[] => [
  overload('int(int): int', ([value = null]) => value),
  overload('int(uint): int', ([value]) => intOf((value as Uint).value)),
  overload('int(double): int', ([value]) => floorTowardsZero(value as number, intOf, 'integer overflow')),
  overload('int(string): int', ([text]) => parseWhole(text as string, /^[+-]?\d+$/, intOf, 'int')),
  overload('int(timestamp): int', ([time]) => {
    const { nanos } = time as Timestamp;
    return (nanos - (((nanos % NANOS_PER_SECOND) + NANOS_PER_SECOND) % NANOS_PER_SECOND)) / NANOS_PER_SECOND;
  }),
  overload('int(duration): int', ([value]) => (value as Duration).nanos),
  overload('uint(uint): uint', ([value = null]) => value),
  overload('uint(int): uint', ([value]) => uintOf(value as bigint)),
  overload('uint(double): uint', ([value]) => floorTowardsZero(value as number, uintOf, 'unsigned integer overflow')),
  overload('uint(string): uint', ([text]) => parseWhole(text as string, /^\d+$/, uintOf, 'uint')),
  overload('double(double): double', ([value = null]) => value),
  overload('double(int): double', ([value]) => Number(value)),
  overload('double(uint): double', ([value]) => Number((value as Uint).value)),
  overload('double(string): double', ([text]) => parseDouble(text as string)),
  overload('string(string): string', ([value = null]) => value),
  overload('string(int): string', ([value]) => (value as bigint).toString()),
  overload('string(uint): string', ([value]) => String((value as Uint).value)),
  overload('string(double): string', ([value]) => formatDouble(value as number)),
  overload('string(bool): string', ([value]) => (value as boolean).toString()),
  overload('string(bytes): string', ([value]) => parseText(value as Uint8Array)),
  overload('string(timestamp): string', ([value]) => formatTimestamp(value as Timestamp)),
  overload('string(duration): string', ([value]) => formatDuration(value as Duration)),
  overload('bytes(bytes): bytes', ([value = null]) => value),
  overload('bytes(string): bytes', ([text]) => Buffer.from(text as string)),
  overload('bool(bool): bool', ([value = null]) => value),
  overload(
    'bool(string): bool',
    ([text]) => BOOLS.get(text as string) ?? new Failure("type conversion error from 'string' to 'bool'"),
  ),
  overload('duration(duration): duration', ([value = null]) => value),
  overload('duration(int): duration', ([value]) => new Duration(value as bigint)),
  overload('duration(string): duration', ([text]) => parseDuration(text as string)),
  overload('timestamp(timestamp): timestamp', ([value = null]) => value),
  overload('timestamp(int): timestamp', ([value]) => timestampOf((value as bigint) * NANOS_PER_SECOND)),
  overload('timestamp(string): timestamp', ([text]) => parseTimestamp(text as string)),
];
