/** More are never sent: a response has room for 4,096 characters. What finds warnings may stop there. */
const MAX_WARNINGS = 200;

/** The warnings about one object. */
export class WarningList {
  readonly texts: string[] = [];

  get isFull(): boolean {
    return this.texts.length >= MAX_WARNINGS;
  }

  add(text: string): void {
    if (!this.isFull) this.texts.push(text);
  }

  addAll(texts: Iterable<string>): void {
    for (const text of texts) this.add(text);
  }
}
