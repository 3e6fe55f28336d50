/**
 * Messages for the client about parts of one body, each with its path. A path may be as long as the body, and a thousand messages may have it:
 * their characters are limited, too. What is beyond the limits is not told.
 */
const MAX_CHARS = 256 * 1024;

export class Messages {
  readonly list: string[] = [];
  readonly #max: number;
  #chars = 0;

  /** @param first messages that there are already */
  constructor(max: number, first: readonly string[] = []) {
    this.#max = max;
    for (const message of first) this.add(message);
  }

  get isFull(): boolean {
    return this.list.length >= this.#max || this.#chars >= MAX_CHARS;
  }

  add(message: string): void {
    if (this.isFull) return;
    this.list.push(message);
    this.#chars += message.length;
  }
}
