/**
 * The only way of values into the proxy's configuration. HAProxy takes everything between single quotes as it is, but a line always
 * ends a line: https://docs.haproxy.org/2.6/configuration.html#2.2
 */

/** A value that cannot be written into the configuration: a bug in whoever should have checked it. */
export class UnsafeTextError extends Error {
  override readonly name = 'UnsafeTextError';
}

const CONTROL = /[\p{Cc}\u2028\u2029]/u;
const MAX_WORD = 8_192;

/** One argument, whatever is in it. Throws UnsafeTextError for control characters. */
export function quoted(value: string): string {
  if (CONTROL.test(value) || value.length > MAX_WORD)
    throw new UnsafeTextError('a value has control characters or is too long for the configuration');
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/** Text within a format string: https://docs.haproxy.org/2.6/configuration.html#8.2.4 */
export const literal = (value: string): string => value.replaceAll('%', '%%');

/** A name of a section, variable or server. Throws UnsafeTextError for what is no name. */
export function name(value: string): string {
  if (/^[A-Za-z0-9_.-]{1,400}$/.test(value)) return value;
  throw new UnsafeTextError('a name has characters that names may not have');
}

/** A word of a map: a key or a value. Throws UnsafeTextError for one with whitespace, and for a comment. */
export function mapWord(value: string): string {
  if (value === '' || value.startsWith('#') || /[\s\p{Cc}]/u.test(value))
    throw new UnsafeTextError('a word of a map has whitespace or control characters');
  return value;
}

const PER_LINE = 40;
/** Lines that begin with `start`, as long as lines may be: 64 words. */
export function* inLines(start: string, words: readonly string[]): Generator<string> {
  for (let at = 0; at < words.length; at += PER_LINE) yield `${start} ${words.slice(at, at + PER_LINE).join(' ')}`;
}
