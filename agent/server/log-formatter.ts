/** Converts raw CRI log lines to the requested output. */
import type { LogStream } from '../../api/kinds/core/pod-log-options.ts';
import { fixedNanoseconds, LINE_END, parseLogLine } from '../pods/logs/log-line.ts';

export interface LogFormat {
  readonly timestamps: boolean;
  readonly stream: LogStream;
  /** Lines older than this (ms since the epoch) are left out. */
  readonly sinceMs?: number;
  /** The output is cut after so many bytes. */
  readonly limitBytes?: number;
}

const NOTHING = Buffer.alloc(0);

export class LogFormatter {
  readonly #format: LogFormat;
  #remaining: number;
  /** The beginning of a line whose end has not been read yet. */
  #rest: Buffer = NOTHING;
  #atLineStart = true;

  constructor(format: LogFormat) {
    this.#format = format;
    this.#remaining = format.limitBytes ?? Infinity;
  }

  /** Whether `limitBytes` are reached. */
  get full(): boolean {
    return this.#remaining <= 0;
  }

  /** Takes the next raw bytes, returns the output of the lines that they complete. The result shares nothing with `chunk`. */
  push(chunk: Buffer): Buffer {
    const raw = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const pieces: Buffer[] = [];
    let start = 0;
    while (!this.full) {
      const newline = raw.indexOf(LINE_END, start);
      if (newline < 0) break;
      this.#line(raw, start, newline + 1, pieces);
      start = newline + 1;
    }
    this.#rest = this.full ? NOTHING : Buffer.from(raw.subarray(start));
    return Buffer.concat(pieces);
  }

  /** At the end of the file: returns the last line without a newline. */
  flush(): Buffer {
    const pieces: Buffer[] = [];
    if (this.#rest.length > 0) this.#line(this.#rest, 0, this.#rest.length, pieces);
    this.#rest = NOTHING;
    return Buffer.concat(pieces);
  }

  #line(raw: Buffer, start: number, end: number, pieces: Buffer[]): void {
    const line = parseLogLine(raw, start, end);
    if (line === undefined) return;
    const { stream, sinceMs, timestamps } = this.#format;
    if (stream !== 'All' && line.stderr !== (stream === 'Stderr')) return;
    if (sinceMs !== undefined && Date.parse(raw.toString('latin1', start, line.timeEnd)) < sinceMs) return;
    if (timestamps && this.#atLineStart)
      this.#emit(Buffer.from(`${fixedNanoseconds(raw.toString('latin1', start, line.timeEnd))} `), pieces);
    const textEnd = line.partial && raw[end - 1] === LINE_END ? end - 1 : end;
    this.#atLineStart = textEnd === line.text || raw[textEnd - 1] === LINE_END;
    this.#emit(raw.subarray(line.text, textEnd), pieces);
  }

  #emit(piece: Buffer, pieces: Buffer[]): void {
    const taken = piece.length > this.#remaining ? piece.subarray(0, this.#remaining) : piece;
    this.#remaining -= taken.length;
    if (taken.length > 0) pieces.push(taken);
  }
}
