/** Timestamps and durations as text: RFC 3339 and Go's `time.ParseDuration`. */
import { type CelValue, Duration, durationOf, Failure, Timestamp } from '../values.ts';

const NANOS_PER_SECOND = 1_000_000_000n;
const TIMESTAMP_TEXT = /^(\d{4}-\d\d-\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$/;
/** The years that there are: 0001 to 9999. */
const MIN_SECONDS = -62135596800n;
const MAX_SECONDS = 253402300799n;

export function timestampOf(nanos: bigint, offset = 0): CelValue {
  return nanos < MIN_SECONDS * NANOS_PER_SECOND || nanos >= (MAX_SECONDS + 1n) * NANOS_PER_SECOND
    ? new Failure('timestamp overflow')
    : new Timestamp(nanos, offset);
}

/** Parses RFC 3339. */
export function parseTimestamp(text: string): CelValue {
  const found = text.length <= 64 ? TIMESTAMP_TEXT.exec(text) : null;
  const [, date = '', hours = '', minutes = '', seconds = '', fraction = '', zone = ''] = found ?? [];
  const milliseconds = found ? Date.parse(`${date}T${hours}:${minutes}:${seconds}${zone.toUpperCase()}`) : NaN;
  const day = Date.parse(`${date}T00:00:00Z`);
  const isReal = !Number.isNaN(milliseconds) && hours < '24' && new Date(day).toISOString().startsWith(date);
  if (!isReal) return new Failure(`parsing time "${text}" as "2006-01-02T15:04:05Z07:00": cannot parse "${text}"`);
  const [, sign, offsetHours, offsetMinutes] = /^([+-])(\d\d):(\d\d)$/.exec(zone) ?? [];
  const offset = Number(offsetHours ?? 0) * 60 + Number(offsetMinutes ?? 0);
  const nanos = BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
  return timestampOf(nanos, sign === '-' ? -offset : offset);
}

const UNITS: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['µs', 1_000n],
  ['μs', 1_000n],
  ['ms', 1_000_000n],
  ['s', NANOS_PER_SECOND],
  ['m', 60n * NANOS_PER_SECOND],
  ['h', 3600n * NANOS_PER_SECOND],
]);
const DURATION_PART = /(\d*)(?:\.(\d*))?(ns|us|[\u00b5\u03bc]s|ms|s|m|h)/y;
const MAX_DURATION_TEXT = 256;

/** Parses a duration of Go: `1h30m`, `-1.5s`. */
export function parseDuration(text: string): CelValue {
  const invalid = new Failure(`time: invalid duration ${JSON.stringify(text)}`);
  const unsigned = text.replace(/^[+-]/, '');
  if (unsigned === '0') return new Duration(0n);
  if (unsigned === '' || text.length > MAX_DURATION_TEXT) return invalid;
  let nanos = 0n;
  DURATION_PART.lastIndex = 0;
  while (DURATION_PART.lastIndex < unsigned.length) {
    const [, whole = '', fraction = '', name = ''] = DURATION_PART.exec(unsigned) ?? [];
    const unit = UNITS.get(name);
    if (unit === undefined || (whole === '' && fraction === '')) return invalid;
    nanos += BigInt(whole || '0') * unit;
    if (fraction) nanos += (BigInt(fraction) * unit) / 10n ** BigInt(fraction.length);
  }
  const made = durationOf(text.startsWith('-') ? -nanos : nanos);
  return made instanceof Failure ? invalid : made;
}

const fractionOf = (nanos: bigint): string => {
  const digits = nanos.toString().padStart(9, '0').replace(/0+$/, '');
  return digits === '' ? '' : `.${digits}`;
};

/** With the offset that it was written with. */
export function formatTimestamp({ nanos, offset }: Timestamp): string {
  const seconds = nanos >= 0n ? nanos / NANOS_PER_SECOND : -((-nanos + NANOS_PER_SECOND - 1n) / NANOS_PER_SECOND);
  const text = new Date(Number(seconds) * 1000 + offset * 60_000).toISOString().slice(0, 19);
  const pad = (count: number): string => String(count).padStart(2, '0');
  const size = Math.abs(offset);
  const zone = offset === 0 ? 'Z' : `${offset < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
  return `${text}${fractionOf(nanos - seconds * NANOS_PER_SECOND)}${zone}`;
}

/** In seconds: `5400s`. */
export function formatDuration({ nanos }: Duration): string {
  const size = nanos < 0n ? -nanos : nanos;
  return `${nanos < 0n ? '-' : ''}${size / NANOS_PER_SECOND}${fractionOf(size % NANOS_PER_SECOND)}s`;
}
