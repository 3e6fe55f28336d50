/** Cuts a stream of text into lines. */

/** A server that never ends a line would fill the memory. */
const MAX_LINE_LENGTH = 16 * 1024 * 1024;

export class LineSplitter {
  #rest = '';

  /** The lines that this piece completes. Throws when a line is longer than any object can be. */
  push(piece: string): string[] {
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > MAX_LINE_LENGTH) throw new Error('the answer has a line that does not end');
    return lines;
  }

  /** What came after the last line feed. */
  get rest(): string {
    return this.#rest;
  }
}
