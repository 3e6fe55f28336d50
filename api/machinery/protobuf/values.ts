/** Messages of apimachinery that are a single value in JSON: quantities, times, int-or-strings, embedded JSON; read and written. */
import { formatDuration, parseDuration } from '../duration.ts';
import { replaceLoneSurrogates } from '../json-text.ts';
import { WireError, type WireReader } from './wire.ts';
import type { WireBuilder } from './wire-builder.ts';

/** The range of RFC 3339, in seconds since the epoch. */
const FIRST_SECOND = -62_167_219_200;
const LAST_SECOND = 253_402_300_799;
const NANOSECONDS_PER_MS = 1e6;
const SECOND_DIGITS = '2006-01-02T15:04:05'.length;

/** `resource.Quantity`: a string. */
export function readQuantity(wire: WireReader): string {
  return firstText(wire, '0');
}

/** `intstr.IntOrString`: the type, the integer, the string. */
export function readIntOrString(wire: WireReader): number | string {
  let isText = false;
  let number = 0;
  let text = '';
  const end = wire.enter();
  while (wire.next()) {
    if (wire.field === 1) isText = wire.integer() === 1;
    else if (wire.field === 2) number = wire.integer();
    else if (wire.field === 3) text = wire.text();
    else wire.skip();
  }
  wire.leave(end);
  return isText ? text : number;
}

export const readTime = (wire: WireReader): string | null => readTimestamp(wire, false);
export const readMicroTime = (wire: WireReader): string | null => readTimestamp(wire, true);

/** Seconds and nanoseconds since the epoch. An empty message is Go's zero time, which is null in JSON. */
function readTimestamp(wire: WireReader, withMicros: boolean): string | null {
  let given = false;
  let seconds = 0;
  let nanos = 0;
  const end = wire.enter();
  while (wire.next()) {
    given = true;
    if (wire.field === 1) seconds = wire.integer();
    else if (wire.field === 2) nanos = wire.integer();
    else wire.skip();
  }
  wire.leave(end);
  if (!given) return null;
  if (seconds < FIRST_SECOND || seconds > LAST_SECOND) throw new WireError(`time out of range: ${seconds} seconds`);
  const text = new Date(seconds * 1000).toISOString().slice(0, SECOND_DIGITS);
  return withMicros ? `${text}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z` : `${text}Z`;
}

/** `runtime.RawExtension` and `metav1.FieldsV1`: JSON text within a message; null when there is none. */
export function readJson(wire: WireReader): unknown {
  const text = firstText(wire, '');
  if (text === '') return null;
  try {
    return JSON.parse(replaceLoneSurrogates(text)) as unknown;
  } catch (error) {
    throw new WireError(`embedded JSON: ${error instanceof Error ? error.message : ''}`);
  }
}

function firstText(wire: WireReader, absent: string): string {
  let text = absent;
  const end = wire.enter();
  while (wire.next()) {
    if (wire.field === 1) text = wire.text();
    else wire.skip();
  }
  wire.leave(end);
  return text;
}

/** Nanoseconds within a message. */
export function readDuration(wire: WireReader): string {
  let nanoseconds = 0;
  const end = wire.enter();
  while (wire.next()) {
    if (wire.field === 1) nanoseconds = wire.integer();
    else wire.skip();
  }
  wire.leave(end);
  return formatDuration(nanoseconds / NANOSECONDS_PER_MS);
}

export function writeDuration(to: WireBuilder, field: number, value: unknown): void {
  const end = to.length;
  to.integer(1, Math.round((parseDuration(value as string) ?? 0) * NANOSECONDS_PER_MS));
  to.message(field, end);
}

export function writeQuantity(to: WireBuilder, field: number, value: unknown): void {
  const end = to.length;
  to.text(1, String(value));
  to.message(field, end);
}

export function writeIntOrString(to: WireBuilder, field: number, value: unknown): void {
  const end = to.length;
  to.text(3, typeof value === 'string' ? value : '');
  to.integer(2, typeof value === 'number' ? value : 0);
  to.integer(1, typeof value === 'string' ? 1 : 0);
  to.message(field, end);
}

/** A time in RFC 3339, with or without a fraction. */
export function writeTime(to: WireBuilder, field: number, value: unknown): void {
  const text = value as string;
  const seconds = Math.floor(Date.parse(text) / 1000);
  const fraction = /\.(\d{1,9})/.exec(text)?.[1] ?? '';
  const end = to.length;
  to.integer(2, Number(fraction.padEnd(9, '0')));
  to.integer(1, seconds);
  to.message(field, end);
}

export function writeJson(to: WireBuilder, field: number, value: unknown): void {
  const end = to.length;
  to.text(1, JSON.stringify(value));
  to.message(field, end);
}
