/**
 * Times as text by a layout: what Go's `time.Parse` reads, and what it says of text that it cannot read. Its messages are a part of
 * upstream's answers.
 */

/** Text is not a time of the layout. */
export class TimeError extends Error {
  override readonly name = 'TimeError';
}

/** One element of a layout: returns the length of what it reads at the start of `rest`, or undefined. */
type Read = (rest: string) => number | undefined;

interface Element {
  readonly layout: string;
  readonly read: Read;
  /** What is out of range in the text that has been read; undefined when it is in range. */
  readonly outOfRange?: (read: string) => string | undefined;
}

const reads =
  (pattern: RegExp): Read =>
  (rest) =>
    pattern.exec(rest)?.[0].length;

const literal = (text: string): Element => ({
  layout: text,
  read: (rest) => (rest.startsWith(text) ? text.length : undefined),
});

const digits = (layout: string, pattern: RegExp, name: string, from: number, to: number): Element => ({
  layout,
  read: reads(pattern),
  outOfRange: (read) => (Number(read) < from || Number(read) > to ? name : undefined),
});

const zone: Element = {
  layout: 'Z07:00',
  read: reads(/^(?:Z|[+-]\d\d:\d\d)/),
  outOfRange: (read) => {
    if (Number(read.slice(1, 3)) > 24) return 'time zone offset hour';
    return Number(read.slice(4, 6)) > 60 ? 'time zone offset minute' : undefined;
  },
};

const toSecond: readonly Element[] = [
  digits('2006', /^\d{4}/, 'year', 0, 9999),
  literal('-'),
  digits('01', /^\d\d/, 'month', 1, 12),
  literal('-'),
  digits('02', /^\d\d/, 'day', 0, 99),
  literal('T'),
  digits('15', /^\d\d?/, 'hour', 0, 23),
  literal(':'),
  digits('04', /^\d\d/, 'minute', 0, 59),
  literal(':'),
];

export interface TimeLayout {
  readonly text: string;
  readonly elements: readonly Element[];
}

const layoutOf = (elements: readonly Element[]): TimeLayout => ({
  text: elements.map(({ layout }) => layout).join(''),
  elements,
});

/** Whole seconds; a fraction may follow them nonetheless. */
export const SECONDS_LAYOUT = layoutOf([
  ...toSecond,
  {
    ...digits('05', /^\d\d(?:[.,]\d+)?/, 'second', 0, 59),
    outOfRange: (read) => (Number(read.slice(0, 2)) > 59 ? 'second' : undefined),
  },
  zone,
]);

/** Six digits after the seconds, no more and no fewer. */
export const MICROS_LAYOUT = layoutOf([
  ...toSecond,
  digits('05', /^\d\d/, 'second', 0, 59),
  { layout: '.000000', read: reads(/^[.,]\d{6}/) },
  zone,
]);

/** As Go's package quotes: bytes beyond printable ASCII are escaped one by one. */
function quote(text: string): string {
  let quoted = '';
  for (const byte of Buffer.from(text)) {
    const letter = String.fromCharCode(byte);
    if (letter === '"' || letter === '\\') quoted += `\\${letter}`;
    else quoted += byte < 0x20 || byte >= 0x80 ? `\\x${byte.toString(16).padStart(2, '0')}` : letter;
  }
  return `"${quoted}"`;
}

const PARTS = /^(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** The time in milliseconds since the epoch, whole seconds, and the digits of its fraction. */
export interface ParsedTime {
  readonly ms: number;
  readonly fraction: string;
}

/** Throws a TimeError, whose message is Go's, for text that is not of the layout or no time that there is. */
export function parseTime(text: string, layout: TimeLayout): ParsedTime {
  let rest = text;
  for (const element of layout.elements) {
    const length = element.read(rest);
    if (length === undefined) {
      const place = `cannot parse ${quote(rest)} as ${quote(element.layout)}`;
      throw new TimeError(`parsing time ${quote(text)} as ${quote(layout.text)}: ${place}`);
    }
    const wrong = element.outOfRange?.(rest.slice(0, length));
    if (wrong !== undefined) throw new TimeError(`parsing time ${quote(text)}: ${wrong} out of range`);
    rest = rest.slice(length);
  }
  const parts = PARTS.exec(text);
  if (parts === null) throw new TimeError(`parsing time ${quote(text)}: extra text: ${quote(rest)}`);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1, 7).map(Number);
  // Not with `Date.UTC`, which takes the years before 100 for those of the last century.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCDate() !== day) throw new TimeError(`parsing time ${quote(text)}: day out of range`);
  const [, , , , , , , fraction = '', sign = '', zoneHours = '0', zoneMinutes = '0'] = parts;
  const offset = (Number(zoneHours) * 60 + Number(zoneMinutes)) * (sign === '-' ? -1 : 1);
  return { ms: date.setUTCHours(hour, minute - offset, second), fraction };
}
