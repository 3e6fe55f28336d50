/** Tokens of CEL: https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax */
import type { Issue } from './errors.ts';
import { unescapeBytes, unescapeText } from './unescape.ts';

export interface Token {
  readonly kind: 'bytes' | 'eof' | 'float' | 'ident' | 'int' | 'quoted' | 'sign' | 'string' | 'uint';
  /** A sign or a keyword as it is written; of an identifier its name; of a string its contents. */
  readonly text: string;
  readonly bytes?: Uint8Array;
  readonly offset: number;
  /** As it is written, for messages. */
  readonly source: string;
}

const SPACE = /[ \t\r\n\f]+|\/\/[^\n]*/y;
const NUMBER_FLOAT = /(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)/y;
const NUMBER_INT = /(?:0x[0-9a-fA-F]+|\d+)([uU])?/y;
const IDENT = /[A-Za-z_][A-Za-z0-9_]*/y;
const QUOTED_IDENT = /`[A-Za-z0-9_.\-/ ]+`/y;
const SIGN = /==|!=|<=|>=|&&|\|\||[<>[\]{}().,\-!?:+*/%]/y;
const HALF_SIGN = /[=&|][^]?/uy;
/** The prefixes of strings, in either order and case, before a quote. */
const STRING_START = /(?:[rR][bB]|[bB][rR]|[rR]|[bB])?(?:"""|'''|"|')/y;

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** Splits an expression into tokens. What is none is reported and skipped. */
export function tokensOf(text: string, report: (issue: Issue) => void): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const space = match(SPACE, text, at);
    if (space !== undefined) {
      at += space.length;
      continue;
    }
    const token = tokenAt(text, at, report);
    if (typeof token === 'object') {
      tokens.push(token);
      at += token.source.length;
      continue;
    }
    report({ offset: at, message: `Syntax error: token recognition error at: '${token}'` });
    at += token.length;
  }
  tokens.push({ kind: 'eof', text: '', offset: text.length, source: '<EOF>' });
  return tokens;
}

/** The token at an offset, or the text that is none. */
function tokenAt(text: string, offset: number, report: (issue: Issue) => void): Token | string {
  const start = match(STRING_START, text, offset);
  if (start !== undefined) return stringAt(text, offset, start, report);
  const float = match(NUMBER_FLOAT, text, offset);
  if (float !== undefined) return { kind: 'float', text: float, offset, source: float };
  const int = match(NUMBER_INT, text, offset);
  if (int !== undefined) {
    const isUnsigned = /[uU]$/.test(int);
    return {
      kind: isUnsigned ? 'uint' : 'int',
      text: isUnsigned ? int.slice(0, -1) : int,
      offset,
      source: int,
    };
  }
  const ident = match(IDENT, text, offset);
  if (ident !== undefined) return { kind: 'ident', text: ident, offset, source: ident };
  const quoted = match(QUOTED_IDENT, text, offset);
  if (quoted !== undefined) return { kind: 'quoted', text: quoted.slice(1, -1), offset, source: quoted };
  const sign = match(SIGN, text, offset);
  if (sign !== undefined) return { kind: 'sign', text: sign, offset, source: sign };
  // The beginning of a sign is skipped with the character that does not continue it.
  return match(HALF_SIGN, text, offset) ?? String.fromCodePoint(text.codePointAt(offset) ?? 0);
}

function stringAt(text: string, offset: number, start: string, report: (issue: Issue) => void): Token | string {
  const prefix = /^[a-zA-Z]*/.exec(start)?.[0].toLowerCase() ?? '';
  const quote = start.slice(prefix.length);
  const isRaw = prefix.includes('r');
  const from = offset + start.length;
  let at = from;
  while (at < text.length && !text.startsWith(quote, at)) {
    const character = text[at];
    if (quote.length === 1 && (character === '\n' || character === '\r')) return text.slice(offset, at);
    at += character === '\\' && !isRaw ? 2 : 1;
  }
  if (at >= text.length) return text.slice(offset);
  const source = text.slice(offset, at + quote.length);
  const contents = text.slice(from, at).replaceAll('\r\n', '\n');
  const isBytes = prefix.includes('b');
  try {
    if (isBytes)
      return {
        kind: 'bytes',
        text: '',
        bytes: isRaw ? Buffer.from(contents) : unescapeBytes(contents),
        offset,
        source,
      };
    return { kind: 'string', text: isRaw ? contents : unescapeText(contents), offset, source };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    report({ offset, message: error.message });
    return { kind: 'string', text: '', offset, source };
  }
}
