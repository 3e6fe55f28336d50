/**
 * The CRI log format: `2016-10-06T00:17:09.669794202Z stdout F the text`. A line tagged P is part of a longer one, which
 * ends with the next line tagged F. Lines are parsed in place: a log may be gigabytes.
 */
/** The byte that ends a line. */
export const LINE_END = 0x0a;
const SPACE = 0x20;
const PARTIAL = 0x50;
/** The letter that distinguishes `stdout` from `stderr`. */
const LETTER_E = 0x65;

export interface LogLine {
  /** Where the timestamp ends. */
  readonly timeEnd: number;
  readonly stderr: boolean;
  readonly partial: boolean;
  /** Where the text starts. */
  readonly text: number;
}

/** Reads the head of the line that is `buffer[start, end)`; undefined when it is not in the CRI format. */
export function parseLogLine(buffer: Buffer, start: number, end: number): LogLine | undefined {
  const timeEnd = buffer.indexOf(SPACE, start);
  if (timeEnd < 0 || timeEnd >= end) return undefined;
  const streamEnd = buffer.indexOf(SPACE, timeEnd + 1);
  if (streamEnd !== timeEnd + 7 || streamEnd >= end) return undefined;
  const tagsEnd = buffer.indexOf(SPACE, streamEnd + 1);
  if (tagsEnd < 0 || tagsEnd >= end) return undefined;
  return {
    timeEnd,
    stderr: buffer[timeEnd + 4] === LETTER_E,
    partial: buffer[streamEnd + 1] === PARTIAL,
    text: tagsEnd + 1,
  };
}

/** Nanoseconds as nine digits, which is how `--timestamps` shows them; the runtime leaves trailing zeros out. */
export function fixedNanoseconds(timestamp: string): string {
  const match = /^(.{19})(?:\.(\d+))?(.*)$/.exec(timestamp);
  return match ? `${match[1]}.${(match[2] ?? '').padEnd(9, '0')}${match[3]}` : timestamp;
}
