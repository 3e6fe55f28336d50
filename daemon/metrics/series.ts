/**
 * Counters, gauges and histograms of the daemons: a few numbers in a map per series. A library of metrics (prom-client, measured)
 * keeps two megabytes in every daemon for the same text, and takes a twentieth of the time of a get.
 */
import type { Exposition, Labels } from './exposition.ts';
import { own } from '../../api/machinery/own.ts';

const SEPARATOR = '\0';

/** Bounds of a histogram: `count` of them, each `factor` times the one before. */
export const exponential = (start: number, factor: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => Number((start * factor ** index).toPrecision(12)));

interface Count {
  value: number;
}

/** Label values are in the order of the label names. */
export class Counter {
  readonly name: string;
  readonly #help: string;
  readonly #labelNames: readonly string[];
  readonly #counts = new Map<string, Count>();

  constructor(name: string, help: string, labelNames: readonly string[] = []) {
    this.name = name;
    this.#help = help;
    this.#labelNames = labelNames;
  }

  increase(...labelValues: readonly string[]): void {
    this.add(1, ...labelValues);
  }

  add(amount: number, ...labelValues: readonly string[]): void {
    this.#count(labelValues).value += amount;
  }

  /** Increases one series, which is not to be removed: for callers whose labels do not change, and to whom the lookup matters. */
  series(...labelValues: readonly string[]): () => void {
    const count = this.#count(labelValues);
    return () => {
      count.value++;
    };
  }

  #count(labelValues: readonly string[]): Count {
    const key = labelValues.join(SEPARATOR);
    let count = this.#counts.get(key);
    if (!count) {
      count = { value: 0 };
      this.#counts.set(key, count);
    }
    return count;
  }

  /** Removes the series with these labels; absent labels match any value. */
  remove(labels: Labels): void {
    for (const key of this.#counts.keys()) {
      const of = labelsOf(this.#labelNames, key);
      if (Object.entries(labels).every(([name, value]) => own(of, name) === value)) this.#counts.delete(key);
    }
  }

  write(to: Exposition): void {
    to.family(this.name, 'counter', this.#help);
    for (const [key, { value }] of this.#counts) to.sample(this.name, labelsOf(this.#labelNames, key), value);
  }
}

/** Of values that go up and down. Label values are in the order of the label names. */
export class Gauge {
  readonly #name: string;
  readonly #help: string;
  readonly #labelNames: readonly string[];
  readonly #values = new Map<string, number>();

  constructor(name: string, help: string, labelNames: readonly string[]) {
    this.#name = name;
    this.#help = help;
    this.#labelNames = labelNames;
  }

  /** Raises the value by one; returns what lowers it again. */
  count(...labelValues: readonly string[]): () => void {
    const key = labelValues.join(SEPARATOR);
    const add = (difference: 1 | -1): void => {
      this.#values.set(key, (this.#values.get(key) ?? 0) + difference);
    };
    add(1);
    return () => add(-1);
  }

  write(to: Exposition): void {
    to.family(this.#name, 'gauge', this.#help);
    for (const [key, value] of this.#values) to.sample(this.#name, labelsOf(this.#labelNames, key), value);
  }
}

interface Distribution {
  /** Observations per bucket, not cumulated; the last bucket is +Inf. */
  readonly counts: number[];
  sum: number;
}

export class Histogram {
  readonly name: string;
  readonly #help: string;
  readonly #labelNames: readonly string[];
  readonly #bounds: readonly number[];
  readonly #distributions = new Map<string, Distribution>();

  /** `bounds` are the buckets' upper ends, ascending. */
  constructor(name: string, help: string, bounds: readonly number[], labelNames: readonly string[] = []) {
    this.name = name;
    this.#help = help;
    this.#bounds = bounds;
    this.#labelNames = labelNames;
  }

  observe(value: number, ...labelValues: readonly string[]): void {
    this.#add(value, this.#distribution(labelValues));
  }

  /** Observes values of one series: for callers whose labels do not change, and to whom the lookup matters. */
  series(...labelValues: readonly string[]): (value: number) => void {
    const distribution = this.#distribution(labelValues);
    return (value) => this.#add(value, distribution);
  }

  #distribution(labelValues: readonly string[]): Distribution {
    const key = labelValues.join(SEPARATOR);
    let distribution = this.#distributions.get(key);
    if (!distribution) {
      distribution = { counts: new Array<number>(this.#bounds.length + 1).fill(0), sum: 0 };
      this.#distributions.set(key, distribution);
    }
    return distribution;
  }

  #add(value: number, distribution: Distribution): void {
    let bucket = 0;
    while (value > (this.#bounds[bucket] ?? Infinity)) bucket++;
    distribution.counts[bucket] = (distribution.counts[bucket] ?? 0) + 1;
    distribution.sum += value;
  }

  write(to: Exposition): void {
    to.family(this.name, 'histogram', this.#help);
    for (const [key, { counts, sum }] of this.#distributions) {
      const labels = labelsOf(this.#labelNames, key);
      let count = 0;
      for (const [index, inBucket] of counts.entries()) {
        count += inBucket;
        to.sample(`${this.name}_bucket`, { ...labels, le: this.#bounds[index] ?? '+Inf' }, count);
      }
      to.sample(`${this.name}_sum`, labels, sum).sample(`${this.name}_count`, labels, count);
    }
  }
}

function labelsOf(names: readonly string[], key: string): Record<string, string> {
  const values = key.split(SEPARATOR);
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']));
}
