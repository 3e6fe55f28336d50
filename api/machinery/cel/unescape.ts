/** The escapes of string literals: https://github.com/google/cel-spec/blob/master/doc/langdef.md#string-and-bytes-values */

const SIMPLE: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
  ["'", "'"],
  ['"', '"'],
  ['`', '`'],
  ['?', '?'],
]);
const ESCAPE =
  /\\(?:([abfnrtv\\'"`?])|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([^]|$))/g;
const MAX_CODE_POINT = 0x10ffff;

function codePointOf(hex: string): number {
  const code = parseInt(hex, 16);
  if (code > MAX_CODE_POINT || (code >= 0xd800 && code < 0xe000))
    throw new SyntaxError('Syntax error: invalid unicode code point');
  return code;
}

/** Throws SyntaxError for an escape that there is not. */
export const unescapeText = (text: string): string =>
  text.replace(
    ESCAPE,
    (_, simple?: string, byte?: string, short?: string, long?: string, octal?: string, other?: string) => {
      if (other !== undefined) throw new SyntaxError('Syntax error: unable to unescape string');
      if (simple !== undefined) return SIMPLE.get(simple) ?? '';
      if (octal !== undefined) return String.fromCodePoint(parseInt(octal, 8));
      return String.fromCodePoint(codePointOf(byte ?? short ?? long ?? ''));
    },
  );

/** Throws SyntaxError for an escape that there is not; those of code points are none in bytes. */
export function unescapeBytes(text: string): Uint8Array {
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const found of text.matchAll(ESCAPE)) {
    const [escape, simple, byte, short, long, octal, other] = found;
    if (other !== undefined || short !== undefined || long !== undefined)
      throw new SyntaxError('Syntax error: unable to unescape string');
    parts.push(Buffer.from(text.slice(end, found.index)));
    if (simple !== undefined) parts.push(Buffer.from(SIMPLE.get(simple) ?? ''));
    else parts.push(Buffer.from([byte === undefined ? parseInt(octal ?? '0', 8) : parseInt(byte, 16)]));
    end = found.index + escape.length;
  }
  parts.push(Buffer.from(text.slice(end)));
  return Buffer.concat(parts);
}
