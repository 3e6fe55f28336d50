/** Suggestions for misspelled words. */

/** Levenshtein distance: the number of single-character edits between two words. */
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

/** The known word with the smallest distance. `known` must not be empty. */
export const nearest = (word: string, known: readonly string[]): string =>
  known.reduce((best, candidate) => (distance(word, candidate) < distance(word, best) ? candidate : best));
