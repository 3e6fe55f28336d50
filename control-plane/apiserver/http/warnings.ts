/** The `Warning` headers of one answer, with upstream's limits: more of them than clients take is shortened, then left out. */

const WARNING_CODE = 299;
/** Characters of all warnings together; what passes it has each of them shortened. */
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
    // Of a longer text all that counts is that it is longer.
    const { length } = [...text.slice(0, 2 * (MAX_TOTAL + 1))];
    return this.#shortens ? Math.min(length, MAX_SHORTENED) : length;
  }
}

/** A character beyond the first 65,536 is two units of a string, so that these many always hold the first 256. */
const shortened = (text: string): string =>
  text.length <= MAX_SHORTENED ? text : [...text.slice(0, 2 * MAX_SHORTENED)].slice(0, MAX_SHORTENED).join('');

/** A header's quoted-string: no control characters, quotes and backslashes escaped. */
const quoted = (text: string): string =>
  `"${text.replace(/[^\x20-\x7e\x80-\xff]/g, ' ').replace(/[\\"]/g, (special) => `\\${special}`)}"`;
