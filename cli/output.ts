import { inspect } from 'node:util';

/**
 * What commands print. Names, messages and logs are somebody else's: nothing in them may move the cursor of a terminal, or turn the
 * direction of what follows (https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing).
 */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;
/** JSON escapes those below the space by itself. */
const UNESCAPED = /[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const HEX = 16;

/** In one line. */
export const printable = (text: string): string => text.replace(UNPRINTABLE, ' ');

/** Lines stay lines. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

export const jsonText = (value: unknown): string =>
  (JSON.stringify(value, null, 2) ?? 'null').replace(
    UNESCAPED,
    (character) => `\\u${character.charCodeAt(0).toString(HEX).padStart(4, '0')}`,
  );

export function print(text: string): void {
  console.log(printableLines(text));
}

export function printJson(value: unknown): void {
  console.log(jsonText(value));
}

/** A sentence of its own, to stderr. */
export function remark(text: string): void {
  console.error(printableLines(text));
}

/** To stderr: a bug, with its stack. */
export function confess(error: unknown): void {
  console.error(printableLines(inspect(error)));
}

/** To stderr. */
export function complain(text: string): void {
  console.error(printableLines(`kedge: ${text}`));
}
