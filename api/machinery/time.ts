/** Times of the API: `metav1.Time` (RFC 3339, whole seconds, UTC) and `metav1.MicroTime` (with six digits). */
import { flatString } from './flat-string.ts';
import { MICROS_LAYOUT, SECONDS_LAYOUT, parseTime } from './time-layout.ts';

// The days that the months have in every year: what these match needs no closer look once Date.parse has taken it.
const SECONDS =
  /^\d{4}-(?:\d\d-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1\d)-(?:29|30)|(?:0[13578]|1[02])-31)T\d\d:\d\d:\d\dZ$/;
const MICROS =
  /^\d{4}-(?:\d\d-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1\d)-(?:29|30)|(?:0[13578]|1[02])-31)T\d\d:\d\d:\d\d\.\d{6}Z$/;

/** The canonical form of an RFC 3339 time. Throws a TimeError for other text. */
export function canonicalTime(text: string): string {
  if (SECONDS.test(text) && !Number.isNaN(Date.parse(text))) return text;
  return timeOf(parseTime(text, SECONDS_LAYOUT).ms);
}

/** The canonical form of an RFC 3339 time with six digits after its seconds. Throws a TimeError for other text. */
export function canonicalMicroTime(text: string): string {
  if (MICROS.test(text) && !Number.isNaN(Date.parse(text))) return text;
  const { ms, fraction } = parseTime(text, MICROS_LAYOUT);
  return `${new Date(ms).toISOString().slice(0, 19)}.${fraction}Z`;
}

/** The time that was asked for last: a busy server asks for the same second again and again. */
let last = { second: NaN, text: '' };

/** `ms` since the epoch as a `metav1.Time`. */
export function timeOf(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== last.second) last = { second, text: flatString(`${new Date(ms).toISOString().slice(0, 19)}Z`) };
  return last.text;
}

/** `ms` since the epoch as a `metav1.MicroTime`. */
export const microTimeOf = (ms: number): string => `${new Date(ms).toISOString().slice(0, 23)}000Z`;

/** The day of `ms` since the epoch in UTC, as `2026-01-31`. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** The beginning of a day of `dayOf`, in ms since the epoch; undefined for other text. */
export function msOfDay(text: string): number | undefined {
  const ms = Date.parse(text);
  return !Number.isNaN(ms) && dayOf(ms) === text ? ms : undefined;
}

/** The later of two API times. A transition cannot be earlier than the previous one, even if their clocks differ. */
export const laterTime = (a: string, b: string | undefined): string =>
  b !== undefined && Date.parse(b) > Date.parse(a) ? b : a;
