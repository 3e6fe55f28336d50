/** The beginning and the end of a text of any length: of what a program says without end, neither fills this process. */
export class Excerpt {
  readonly #partCharacters: number;
  #head = '';
  #tail = '';
  #omitted = 0;

  /** @param partCharacters how much is kept of either end */
  constructor(partCharacters: number) {
    this.#partCharacters = partCharacters;
  }

  add(text: string): void {
    const room = this.#partCharacters - this.#head.length;
    this.#head += text.slice(0, room);
    this.#tail += text.slice(room);
    // Rarely: each time, the text is copied.
    if (this.#tail.length > 2 * this.#partCharacters) this.#cutTail();
  }

  #cutTail(): void {
    const excess = this.#tail.length - this.#partCharacters;
    if (excess <= 0) return;
    this.#tail = this.#tail.slice(excess);
    this.#omitted += excess;
  }

  toString(): string {
    this.#cutTail();
    return this.#omitted === 0
      ? this.#head + this.#tail
      : `${this.#head}\n[${this.#omitted} characters]\n${this.#tail}`;
  }
}

/** What people are shown of a text of any length. */
export function excerptOf(text: string, partCharacters: number): string {
  const excerpt = new Excerpt(partCharacters);
  excerpt.add(text);
  return excerpt.toString();
}
