/** `'%s is %d'.format([...])`: https://pkg.go.dev/github.com/google/cel-go/ext#hdr-Format */
import { compareText } from '../../compare-text.ts';
import type { Meter } from '../meter.ts';
import { typeOfValue } from '../operations.ts';
import { CelList, CelMap, type CelValue, Duration, Failure, Timestamp, TypeValue, Uint } from '../values.ts';
import { formatDouble } from './conversions.ts';
import { formatDuration, formatTimestamp } from './time-text.ts';

const CLAUSE = /%(?:%|(?:\.(\d+))?([^]?))/g;
const DEFAULT_PRECISION = 6;
const MAX_PRECISION = 100;

/** The whole number that a value is. */
const wholeOf = (value: CelValue): bigint | undefined =>
  typeof value === 'bigint' ? value : value instanceof Uint ? value.value : undefined;

const problem = (clause: string, only: string, value: CelValue): Failure =>
  new Failure(
    `error during formatting: ${clause} clause can only be used on ${only}, was given ${typeOfValue(value).name}`,
  );

/** A value as `%s` has it; within lists and maps, strings are quoted. */
function shown(value: CelValue, isNested: boolean, meter: Meter): string | Failure {
  meter.step();
  if (typeof value === 'string') return isNested ? JSON.stringify(value) : value;
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return isNested && Number.isFinite(value) ? value.toFixed(6) : formatDouble(value);
  const whole = wholeOf(value);
  if (whole !== undefined) return String(whole);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (value instanceof Timestamp) return isNested ? `timestamp("${formatTimestamp(value)}")` : formatTimestamp(value);
  if (value instanceof Duration) return isNested ? `duration("${formatDuration(value)}")` : formatDuration(value);
  if (value instanceof TypeValue) return value.type.name;
  if (value instanceof CelList) return shownList(value, meter);
  if (value instanceof CelMap) return shownMap(value, meter);
  return problem(
    'string',
    'strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps',
    value,
  );
}

function shownList(list: CelList, meter: Meter): string | Failure {
  const parts: string[] = [];
  for (const item of list) {
    const part = shown(item, true, meter);
    if (part instanceof Failure) return part;
    meter.step(part.length);
    parts.push(part);
  }
  return `[${parts.join(', ')}]`;
}

function shownMap(map: CelMap, meter: Meter): string | Failure {
  const parts: (readonly [string, string])[] = [];
  for (const key of map.keys()) {
    const name = shown(key, true, meter);
    const part = shown(map.find(key) ?? null, true, meter);
    if (name instanceof Failure) return name;
    if (part instanceof Failure) return part;
    meter.step(name.length + part.length);
    parts.push([name, part]);
  }
  parts.sort(([left], [right]) => compareText(left, right));
  return `{${parts.map(([name, part]) => `${name}:${part}`).join(', ')}}`;
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** As upstream prints it, with English as the language: `3.140000×10⁰⁰`. */
function scientific(value: number, precision: number): string {
  const [mantissa = '', exponent = '0'] = value.toExponential(precision).split('e');
  const power = Number(exponent);
  const digits = String(Math.abs(power)).padStart(2, '0');
  const raised = digits.replace(/\d/g, (digit) => SUPERSCRIPTS[Number(digit)] ?? '');
  return `${mantissa}×10${power < 0 ? '⁻' : ''}${raised}`;
}

/** With commas between thousands. */
function fixedPoint(value: number, precision: number): string {
  const [whole = '', fraction] = value.toFixed(precision).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

function real(value: CelValue, clause: string, format: (value: number) => string): string | Failure {
  const number = value === 'NaN' ? NaN : value === 'Infinity' ? Infinity : value === '-Infinity' ? -Infinity : value;
  if (typeof number !== 'number') return problem(clause, 'doubles', value);
  return Number.isFinite(number) ? format(number) : Number.isNaN(number) ? 'NaN' : number > 0 ? '∞' : '-∞';
}

function inBase(value: CelValue, base: number, clause: string, only: string): string | Failure {
  const whole = wholeOf(value);
  return whole === undefined ? problem(clause, only, value) : whole.toString(base);
}

function hex(value: CelValue): string | Failure {
  if (typeof value === 'string' || value instanceof Uint8Array) return Buffer.from(value as string).toString('hex');
  return inBase(value, 16, 'hex', 'ints, uints, bytes, and strings');
}

function clause(verb: string, precision: number, value: CelValue, meter: Meter): string | Failure {
  switch (verb) {
    case 's':
      return shown(value, false, meter);
    case 'd':
      return inBase(value, 10, 'decimal', 'integers');
    case 'f':
      return real(value, 'fixed-point', (number) => fixedPoint(number, precision));
    case 'e':
      return real(value, 'scientific', (number) => scientific(number, precision));
    case 'b':
      return typeof value === 'boolean' ? String(Number(value)) : inBase(value, 2, 'binary', 'integers and bools');
    case 'x':
      return hex(value);
    case 'X': {
      const text = hex(value);
      return text instanceof Failure ? text : text.toUpperCase();
    }
    case 'o':
      return inBase(value, 8, 'octal', 'integers');
    default:
      return new Failure(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
}

export function formatString(text: string, args: CelList, meter: Meter): CelValue {
  const parts: string[] = [];
  let end = 0;
  let next = 0;
  for (const found of text.matchAll(CLAUSE)) {
    const [whole, digits, verb] = found;
    parts.push(text.slice(end, found.index));
    end = found.index + whole.length;
    if (whole === '%%') {
      parts.push('%');
      continue;
    }
    const precision = digits === undefined ? DEFAULT_PRECISION : Number(digits);
    if (precision > MAX_PRECISION)
      return new Failure(`could not parse formatting clause: precision of ${digits} is too large`);
    if (!verb) return new Failure('could not parse formatting clause: unexpected end of string');
    if (next >= args.size) return new Failure(`index ${next} out of range`);
    const part = clause(verb, precision, args.at(next), meter);
    if (part instanceof Failure) return part;
    meter.step(part.length);
    parts.push(part);
    next += 1;
  }
  return parts.join('') + text.slice(end);
}
