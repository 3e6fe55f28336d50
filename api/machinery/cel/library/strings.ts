/** Functions of strings: version 2 of https://pkg.go.dev/github.com/google/cel-go/ext#Strings. Positions count code points. */
import { ValueList } from '../collections.ts';
import { overload, type Overload } from '../environment.ts';
import type { Meter } from '../meter.ts';
import { CelList, type CelValue, Failure } from '../values.ts';
import { formatString } from './format-string.ts';
import { codePoints } from './standard.ts';

const SURROGATE = /[\ud800-\udfff]/;
/** Characters compared in one step of searching. */
const COMPARED_PER_STEP = 32;

const outOfRange = (index: bigint): Failure => new Failure(`index out of range: ${index}`);

/** Counts what searching can take at the worst, before it is done. */
function search(text: string, part: string, meter: Meter): void {
  meter.step(Math.ceil((text.length * part.length) / COMPARED_PER_STEP));
}

/** The offset of a code point in UTF-16 units. @param index at most the number of code points. */
function unitsAt(text: string, index: number): number {
  if (!SURROGATE.test(text)) return index;
  let units = 0;
  for (const character of text) {
    if (index === 0) break;
    units += character.length;
    index -= 1;
  }
  return units;
}

const pointsBefore = (text: string, units: number, meter: Meter): bigint =>
  BigInt(codePoints(text.slice(0, units), meter));

function charAt(text: string, index: bigint, meter: Meter): CelValue {
  const size = codePoints(text, meter);
  if (index < 0n || index > BigInt(size)) return outOfRange(index);
  const at = unitsAt(text, Number(index));
  return String.fromCodePoint(...[text.codePointAt(at)].filter((code) => code !== undefined));
}

function indexOf(text: string, part: string, from: bigint, meter: Meter): CelValue {
  if (from < 0n) return outOfRange(from);
  const size = codePoints(text, meter);
  if (part === '') return from > BigInt(size) ? BigInt(size) : from;
  if (from >= BigInt(size)) return -1n;
  search(text, part, meter);
  const found = text.indexOf(part, unitsAt(text, Number(from)));
  return found < 0 ? -1n : pointsBefore(text, found, meter);
}

function lastIndexOf(text: string, part: string, from: bigint | undefined, meter: Meter): CelValue {
  const size = BigInt(codePoints(text, meter));
  if (from !== undefined && from < 0n) return outOfRange(from);
  if (part === '') return from === undefined || from > size ? size : from;
  if (from !== undefined && from >= size) return -1n;
  search(text, part, meter);
  const found = text.lastIndexOf(part, from === undefined ? text.length : unitsAt(text, Number(from)));
  return found < 0 ? -1n : pointsBefore(text, found, meter);
}

function substring(text: string, start: bigint, end: bigint | undefined, meter: Meter): CelValue {
  const size = BigInt(codePoints(text, meter));
  const last = end ?? size;
  if (end !== undefined && start > end) return new Failure(`invalid substring range. start: ${start}, end: ${end}`);
  if (start < 0n || start > size) return outOfRange(start);
  if (last < 0n || last > size) return outOfRange(last);
  return text.slice(unitsAt(text, Number(start)), unitsAt(text, Number(last)));
}

/** Splits into at most `limit` parts, the last one with the rest; between all characters where the separator is empty. */
function splitText(text: string, separator: string, limit: bigint, meter: Meter): string[] {
  if (limit === 0n) return [];
  search(text, separator, meter);
  const parts = separator === '' ? Array.from(text) : text.split(separator);
  meter.step(parts.length);
  if (limit < 0n || BigInt(parts.length) <= limit) return parts;
  const kept = Number(limit) - 1;
  return [...parts.slice(0, kept), parts.slice(kept).join(separator)];
}

function replace(text: string, from: string, to: string, limit: bigint, meter: Meter): string {
  if (limit === 0n) return text;
  if (from === '') return interleave(text, to, limit, meter);
  const parts = splitText(text, from, limit < 0n ? -1n : limit + 1n, meter);
  meter.step(text.length + (parts.length - 1) * to.length);
  return parts.join(to);
}

/** As Go: the replacement goes before every character, and after the last one. */
function interleave(text: string, to: string, limit: bigint, meter: Meter): string {
  const characters = Array.from(text);
  const count = limit < 0n ? characters.length + 1 : Math.min(Number(limit), characters.length + 1);
  meter.step(text.length + count * to.length);
  const replaced = characters.slice(0, count).map((character) => to + character);
  return replaced.join('') + (count > characters.length ? to : characters.slice(count).join(''));
}

function join(list: CelList, separator: string, meter: Meter): CelValue {
  const parts: string[] = [];
  let size = 0;
  for (const item of list) {
    if (typeof item !== 'string') return new Failure('no such overload');
    size += item.length + separator.length;
    meter.step(1);
    parts.push(item);
  }
  meter.step(size);
  return parts.join(separator);
}

const lower = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
const upper = (text: string): string => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
const QUOTED: ReadonlyMap<string, string> = new Map([
  ['\x07', '\\a'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\v', '\\v'],
  ['\\', '\\\\'],
  ['"', '\\"'],
]);
/** As a literal of CEL. */
const quote = (text: string): string =>
  `"${Array.from(text, (character) => QUOTED.get(character) ?? character).join('')}"`;
/** White space as Go has it. */
const trim = (text: string): string =>
  text.replace(/^[\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/, '').trimEnd();

const texts = (values: string[]): ValueList => new ValueList(values);

export const stringLibrary = (): Overload[] => [
  overload('string:charAt(int): string', ([text, index], meter) => charAt(text as string, index as bigint, meter)),
  overload('string:indexOf(string): int', ([text, part], meter) => indexOf(text as string, part as string, 0n, meter)),
  overload('string:indexOf(string, int): int', ([text, part, from], meter) =>
    indexOf(text as string, part as string, from as bigint, meter),
  ),
  overload('string:lastIndexOf(string): int', ([text, part], meter) =>
    lastIndexOf(text as string, part as string, undefined, meter),
  ),
  overload('string:lastIndexOf(string, int): int', ([text, part, from], meter) =>
    lastIndexOf(text as string, part as string, from as bigint, meter),
  ),
  overload('string:lowerAscii(): string', ([text]) => lower(text as string)),
  overload('string:upperAscii(): string', ([text]) => upper(text as string)),
  overload('string:replace(string, string): string', ([text, from, to], meter) =>
    replace(text as string, from as string, to as string, -1n, meter),
  ),
  overload('string:replace(string, string, int): string', ([text, from, to, limit], meter) =>
    replace(text as string, from as string, to as string, limit as bigint, meter),
  ),
  overload('string:split(string): list(string)', ([text, separator], meter) =>
    texts(splitText(text as string, separator as string, -1n, meter)),
  ),
  overload('string:split(string, int): list(string)', ([text, separator, limit], meter) =>
    texts(splitText(text as string, separator as string, limit as bigint, meter)),
  ),
  overload('string:substring(int): string', ([text, start], meter) =>
    substring(text as string, start as bigint, undefined, meter),
  ),
  overload('string:substring(int, int): string', ([text, start, end], meter) =>
    substring(text as string, start as bigint, end as bigint, meter),
  ),
  overload('string:trim(): string', ([text]) => trim(text as string)),
  overload('string:format(list(dyn)): string', ([text, args], meter) =>
    formatString(text as string, args as CelList, meter),
  ),
  overload('strings.quote(string): string', ([text]) => quote(text as string)),
  overload('list(string):join(): string', ([list], meter) => join(list as CelList, '', meter)),
  overload('list(string):join(string): string', ([list, separator], meter) =>
    join(list as CelList, separator as string, meter),
  ),
];
