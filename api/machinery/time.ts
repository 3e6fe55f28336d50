/** Times of the API: `metav1.Time` (RFC 3339, whole seconds, UTC) and `metav1.MicroTime` (with six digits). */
import { flatString } from './flat-string.ts';

const SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const MICROS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.(\d+))?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** The canonical form, or undefined when `text` is not an RFC 3339 time. */
export function canonicalTime(text: string): string | undefined {
  const ms = Date.parse(text);
  if (Number.isNaN(ms) || !RFC3339.test(text)) return undefined;
  return SECONDS.test(text) ? text : timeOf(ms);
}

export function canonicalMicroTime(text: string): string | undefined {
  const match = RFC3339.exec(text);
  const ms = Date.parse(text);
  if (!match || Number.isNaN(ms)) return undefined;
  if (MICROS.test(text)) return text;
  const micros = (match[1] ?? '').padEnd(6, '0').slice(0, 6);
  return `${new Date(ms).toISOString().slice(0, 19)}.${micros}Z`;
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

/** The later of two API times. A transition cannot be earlier than the previous one, even if their clocks differ. */
export const laterTime = (a: string, b: string | undefined): string =>
  b !== undefined && Date.parse(b) > Date.parse(a) ? b : a;
