/** Patterns as Go's path.Match reads them: `*`, `?`, `[a-c]`, `[^x]` and `\` before a letter that stands for itself. Pure. */

type Term = 'any' | ((letter: string) => boolean);

/** False also for what is no pattern. */
export function matchesGlob(pattern: string, text: string): boolean {
  const terms = parse([...pattern]);
  if (!terms) return false;
  const letters = [...text];
  let term = 0;
  let at = 0;
  /** Where the last star stands, and how much of the text it has taken. */
  let star = -1;
  let taken = 0;
  while (at < letters.length) {
    const wanted = terms[term];
    if (wanted === 'any') {
      star = term++;
      taken = at;
    } else if (wanted?.(letters[at] ?? '')) {
      term++;
      at++;
    } else if (star >= 0) {
      term = star + 1;
      at = ++taken;
    } else {
      return false;
    }
  }
  return terms.slice(term).every((left) => left === 'any');
}

/** Undefined for what is no pattern. */
function parse(pattern: readonly string[]): Term[] | undefined {
  const terms: Term[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const letter = pattern[at];
    if (letter === '*') {
      if (terms.at(-1) !== 'any') terms.push('any');
    } else if (letter === '?') {
      terms.push(() => true);
    } else if (letter === '[') {
      const found = parseClass(pattern, at + 1);
      if (!found) return undefined;
      terms.push(found.term);
      at = found.end;
    } else {
      const plain = letter === '\\' ? pattern[++at] : letter;
      if (plain === undefined) return undefined;
      terms.push((each) => each === plain);
    }
  }
  return terms;
}

function parseClass(pattern: readonly string[], start: number): { term: Term; end: number } | undefined {
  const isNegated = pattern[start] === '^';
  const ranges: [low: string, high: string][] = [];
  let at = isNegated ? start + 1 : start;
  const one = (): string | undefined => {
    const letter = pattern[at++];
    if (letter === '\\') return pattern[at++];
    return letter === '-' || letter === ']' ? undefined : letter;
  };
  do {
    const low = one();
    let high = low;
    if (pattern[at] === '-') {
      at++;
      high = one();
    }
    if (low === undefined || high === undefined || at >= pattern.length) return undefined;
    ranges.push([low, high]);
  } while (pattern[at] !== ']');
  const isIn = (letter: string): boolean => ranges.some(([low, high]) => low <= letter && letter <= high);
  return { term: (letter) => isIn(letter) !== isNegated, end: at };
}
