/** Sets of completion indexes, as the status of a Job writes them: `1,3-5,7`. What is done takes as long as there are intervals. */

interface Interval {
  readonly first: number;
  readonly last: number;
}

export class IndexSet {
  static readonly EMPTY = new IndexSet([]);
  /** In order, with gaps between them. */
  readonly #intervals: readonly Interval[];
  readonly size: number;

  private constructor(intervals: readonly Interval[]) {
    this.#intervals = intervals;
    this.size = intervals.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  }

  static of(indexes: Iterable<number>): IndexSet {
    return IndexSet.#joined([...indexes].map((index) => ({ first: index, last: index })));
  }

  /** The indexes below `completions`: a Job that was scaled down forgets the others. What is no interval is passed over. */
  static parse(text: string | undefined, completions: number): IndexSet {
    const intervals: Interval[] = [];
    for (const part of text ? text.split(',') : []) {
      const match = /^(\d+)(?:-(\d+))?$/.exec(part);
      if (!match) continue;
      const first = Number(match[1]);
      const last = Math.min(Number(match[2] ?? first), completions - 1);
      if (first <= last) intervals.push({ first, last });
    }
    return IndexSet.#joined(intervals);
  }

  static #joined(intervals: readonly Interval[]): IndexSet {
    const joined: Interval[] = [];
    for (const next of intervals.toSorted((a, b) => a.first - b.first)) {
      const before = joined.at(-1);
      if (!before || next.first > before.last + 1) joined.push(next);
      else joined[joined.length - 1] = { first: before.first, last: Math.max(before.last, next.last) };
    }
    return new IndexSet(joined);
  }

  union(other: IndexSet): IndexSet {
    if (other.size === 0) return this;
    return IndexSet.#joined([...this.#intervals, ...other.#intervals]);
  }

  has(index: number): boolean {
    let [low, high] = [0, this.#intervals.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#intervals[middle]!.last < index) low = middle + 1;
      else high = middle;
    }
    return (this.#intervals[low]?.first ?? Infinity) <= index;
  }

  /** How many indexes both have. */
  common(other: IndexSet): number {
    let count = 0;
    for (let i = 0, j = 0; i < this.#intervals.length && j < other.#intervals.length;) {
      const [a, b] = [this.#intervals[i]!, other.#intervals[j]!];
      count += Math.max(0, Math.min(a.last, b.last) - Math.max(a.first, b.first) + 1);
      if (a.last < b.last) i++;
      else j++;
    }
    return count;
  }

  /** The first `count` indexes below `completions` that it lacks. */
  missing(count: number, completions: number): number[] {
    const found: number[] = [];
    let candidate = 0;
    for (const { first, last } of [...this.#intervals, { first: completions, last: completions }]) {
      for (; candidate < Math.min(first, completions) && found.length < count; candidate++) found.push(candidate);
      candidate = last + 1;
    }
    return found;
  }

  toString(): string {
    return this.#intervals
      .map(({ first, last }) => {
        if (first === last) return String(first);
        return `${first}${last === first + 1 ? ',' : '-'}${last}`;
      })
      .join(',');
  }
}
