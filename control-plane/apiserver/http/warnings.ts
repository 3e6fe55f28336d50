/** The `Warning` headers of a response. As upstream, too many for clients are truncated first, then dropped. */

const WARNING_CODE = 299;
/** Limit for the characters of all warnings; above it each warning is truncated. */
const MAX_TOTAL = 4096;
const MAX_SHORTENED = 256;

export class Warnings {
  readonly #texts = new Set<string>();
  #total = 0;
  #shortens = false;

  /** The same text is sent once. */
  add(text: string): void {
    if (text === '' || (this.#shortens && this.#total >= MAX_TOTAL) || this.#texts.has(text)) return;
    this.#texts.add(text);
    this.#total += this.#lengthOf(text);
    if (this.#shortens || this.#total <= MAX_TOTAL) return;
    this.#shortens = true;
    this.#total = 0;
    for (const given of this.#texts) this.#total += this.#lengthOf(given);
  }

  headers(): string[] {
    return [...this.#texts].map((text) => `${WARNING_CODE} - ${quoted(this.#shortens ? shortened(text) : text)}`);
  }

  #lengthOf(text: string): number {
    // A longer text need not be counted to the end.
    const { length } = [...text.slice(0, 2 * (MAX_TOTAL + 1))];
    return this.#shortens ? Math.min(length, MAX_SHORTENED) : length;
  }
}

/** Two UTF-16 units per character beyond the BMP: this slice always holds the first 256 characters. */
const shortened = (text: string): string =>
  text.length <= MAX_SHORTENED ? text : [...text.slice(0, 2 * MAX_SHORTENED)].slice(0, MAX_SHORTENED).join('');

/** A quoted-string (RFC 9110 section 5.6.4) without control characters. */
const quoted = (text: string): string =>
  `"${text.replace(/[^\x20-\x7e\x80-\xff]/g, ' ').replace(/[\\"]/g, (special) => `\\${special}`)}"`;
