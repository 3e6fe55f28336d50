/** Sets of indexes of a Job's pods as the API writes them: `1,3-5,7`, in increasing order. */

interface Interval {
  readonly first: number;
  readonly last: number;
}

export interface Indexes {
  /** How many indexes there are. */
  readonly total: number;
  readonly problem?: string;
}

const order = (previous: number, current: number): string =>
  `non-increasing order, previous: ${previous}, current: ${current}`;

/** Returns what is wrong with it as a string. */
function parseInterval(text: string, completions: number): Interval | string {
  const limits = text.split('-');
  if (limits.length > 2) {
    return `the fragment ${JSON.stringify(text)} violates the requirement that an index interval can have at most two parts separated by '-'`;
  }
  const numbers: number[] = [];
  for (const limit of limits) {
    if (!/^[+-]?\d+$/.test(limit)) return `cannot convert string to integer for index: ${JSON.stringify(limit)}`;
    if (Number(limit) >= completions) return `too large index: ${JSON.stringify(limit)}`;
    numbers.push(Number(limit));
  }
  const [first = 0, last = first] = numbers;
  return numbers.length === 2 && first >= last ? order(first, last) : { first, last };
}

/** Validates indexes below `completions`. */
export function readIndexes(text: string, completions: number): Indexes {
  let total = 0;
  let previous: number | undefined;
  for (const fragment of text === '' ? [] : text.split(',')) {
    const interval = parseInterval(fragment, completions);
    if (typeof interval === 'string') return { total: 0, problem: interval };
    if (previous !== undefined && previous >= interval.first) {
      return { total: 0, problem: order(previous, interval.first) };
    }
    total += interval.last - interval.first + 1;
    previous = interval.last;
  }
  return { total };
}

/** An index that is in both sets; fragments that are invalid are passed over. Linear, as both are in order. */
export function commonIndex(a: string, b: string, completions: number): number | undefined {
  const intervals = (text: string): Interval[] =>
    text.split(',').flatMap((fragment) => {
      const interval = parseInterval(fragment, completions);
      return typeof interval === 'string' ? [] : [interval];
    });
  const [left, right] = [intervals(a), intervals(b)];
  for (let i = 0, j = 0; i < left.length && j < right.length;) {
    const [x, y] = [left[i], right[j]] as [Interval, Interval];
    if (x.first <= y.last && y.first <= x.last) return Math.max(x.first, y.first);
    if (x.first <= y.first) i++;
    else j++;
  }
  return undefined;
}
