/** Values of query parameters: booleans as apimachinery parses them, integers with the errors of Go's `strconv`. */
import { badRequest } from './status-error.ts';

/** The parameters of a request, to be read: requests without any share one object. */
export interface Query extends Pick<URLSearchParams, 'get' | 'getAll' | 'has' | 'size' | 'keys'> {
  toString(): string;
}

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;
/** Up to this many digits, the number is in range. */
const SURE_DIGITS = 15;

/** Why a string is not a 64-bit integer, in the words of Go's function `parse`; undefined for a valid one. */
function syntaxErrorOf(parse: string, text: string, shape: RegExp, min: bigint, max: bigint): string | undefined {
  const because = (why: string): string => `strconv.${parse}: parsing ${JSON.stringify(text)}: ${why}`;
  if (!shape.test(text)) return because('invalid syntax');
  if (text.length <= SURE_DIGITS) return undefined;
  // A hostile client sends long strings, which take long to parse as numbers.
  const digits = text.replace(/^[+-]?0*/, '');
  const value = digits.length > 20 ? undefined : BigInt(text.startsWith('+') ? text.slice(1) : text);
  return value === undefined || value < min || value > max ? because('value out of range') : undefined;
}

/** Throws a 400 StatusError unless it is a 64-bit integer. */
export function parseInt64(text: string): number {
  const error = syntaxErrorOf('ParseInt', text, /^[+-]?\d+$/, INT64_MIN, INT64_MAX);
  if (error !== undefined) throw badRequest(error);
  return Number(text);
}

/** Why a string is not an unsigned 64-bit integer; undefined for a valid one. */
export const uint64Error = (text: string): string | undefined =>
  syntaxErrorOf('ParseUint', text, /^\d+$/, 0n, UINT64_MAX);

/** A flag: true when it is present and neither `0` nor `false`. */
export const isTrue = (value: string | null): boolean =>
  value !== null && value !== '0' && value.toLowerCase() !== 'false';
