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

/** Further from every known word, a word is no misspelling of any: `server` is not meant to be `port`. */
const MAX_DISTANCE = 3;

/** "; did you mean WORD?" with the known word that `word` is a misspelling of; empty when there is none. */
export function suggestion(word: string, known: Iterable<string>): string {
  let best = { candidate: '', edits: Infinity };
  for (const candidate of known) {
    const edits = distance(word, candidate);
    if (edits < best.edits) best = { candidate, edits };
  }
  const isAlike = best.edits <= Math.min(MAX_DISTANCE, best.candidate.length / 2);
  return isAlike ? `; did you mean ${best.candidate}?` : '';
}
