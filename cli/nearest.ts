/** What somebody has probably meant who wrote a word that nobody knows. */

/** How many single-character edits apart two words are. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(
        Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** Of the words that are known, which are some. */
export const nearest = (word: string, known: readonly string[]): string =>
  known.reduce((best, candidate) => (distance(word, candidate) < distance(word, best) ? candidate : best));
