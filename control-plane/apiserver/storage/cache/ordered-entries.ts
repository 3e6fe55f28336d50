/**
 * Entries sorted by key: a list of short sorted runs, so that an insertion moves a few hundred pointers at most and a range
 * scan walks arrays.
 */
const MAX_RUN_LENGTH = 512;

export class OrderedEntries<T extends { readonly key: string }> {
  readonly #runs: T[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Inserts the entry, or replaces the one with the same key. */
  set(entry: T): void {
    const runIndex = this.#runFor(entry.key);
    const run = this.#runs[runIndex];
    if (!run) {
      this.#runs.push([entry]);
      this.#size++;
      return;
    }
    const at = lowerBound(run, entry.key);
    if (run[at]?.key === entry.key) {
      run[at] = entry;
      return;
    }
    run.splice(at, 0, entry);
    this.#size++;
    if (run.length > MAX_RUN_LENGTH) {
      // Keys mostly arrive in ascending order, so a full last run is kept full instead of being split in half.
      const keep = at === run.length - 1 ? MAX_RUN_LENGTH : run.length >> 1;
      this.#runs.splice(runIndex + 1, 0, run.splice(keep));
    }
  }

  delete(key: string): void {
    const runIndex = this.#runFor(key);
    const run = this.#runs[runIndex];
    if (!run) return;
    const at = lowerBound(run, key);
    if (run[at]?.key !== key) return;
    run.splice(at, 1);
    this.#size--;
    if (run.length === 0) this.#runs.splice(runIndex, 1);
  }

  /** Entries with keys from `from` (inclusive) to `to` (exclusive), in order. */
  *range(from: string, to?: string): Generator<T> {
    for (let runIndex = this.#runFor(from); runIndex < this.#runs.length; runIndex++) {
      const run = this.#runs[runIndex] ?? [];
      for (let at = lowerBound(run, from); at < run.length; at++) {
        const entry = run[at];
        if (!entry || (to !== undefined && entry.key >= to)) return;
        yield entry;
      }
    }
  }

  /** The number of entries of `range`. Searches two runs and adds up the lengths of the others. */
  count(from: string, to?: string): number {
    return Math.max(0, (to === undefined ? this.#size : this.#rank(to)) - this.#rank(from));
  }

  /** The number of smaller keys. */
  #rank(key: string): number {
    const runIndex = this.#runFor(key);
    let rank = lowerBound(this.#runs[runIndex] ?? [], key);
    for (let before = 0; before < runIndex; before++) rank += this.#runs[before]?.length ?? 0;
    return rank;
  }

  /** The run that does or should contain the key: the last one that begins at or before it. */
  #runFor(key: string): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const first = this.#runs[middle]?.[0];
      if (first && first.key <= key) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

function lowerBound<T extends { readonly key: string }>(run: readonly T[], key: string): number {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = run[middle];
    if (entry && entry.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
