/** Whole numbers in query parameters: Go's `strconv` reads them, and says what is wrong with them. */
import { badRequest } from './status-error.ts';

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;
/** Digits that are a number in any case; more are counted. */
const SURE_DIGITS = 15;

/** What is wrong with a text that should be a 64-bit number, in the words of `parse`; undefined when nothing is. */
function flawOf(parse: string, text: string, shape: RegExp, min: bigint, max: bigint): string | undefined {
  const because = (why: string): string => `strconv.${parse}: parsing ${JSON.stringify(text)}: ${why}`;
  if (!shape.test(text)) return because('invalid syntax');
  if (text.length <= SURE_DIGITS) return undefined;
  // The texts of a hostile client are long, and so is reading them as numbers.
  const digits = text.replace(/^[+-]?0*/, '');
  const value = digits.length > 20 ? undefined : BigInt(text.startsWith('+') ? text.slice(1) : text);
  return value === undefined || value < min || value > max ? because('value out of range') : undefined;
}

/** Throws a 400 StatusError for what is no 64-bit number. */
export function parseInt64(text: string): number {
  const flaw = flawOf('ParseInt', text, /^[+-]?\d+$/, INT64_MIN, INT64_MAX);
  if (flaw !== undefined) throw badRequest(flaw);
  return Number(text);
}

/** What is wrong with a text that should be a 64-bit number without a sign; undefined when nothing is. */
export const uint64Flaw = (text: string): string | undefined => flawOf('ParseUint', text, /^\d+$/, 0n, UINT64_MAX);
