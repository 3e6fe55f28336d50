/** Collects results and formats them as a table. */
import { foreignLoad, type CpuUse } from './process-usage.ts';
import { MEASURES, type Measure, type MeasureId } from './measures.ts';

interface Sample {
  readonly value: number;
  /** The number of cores kept busy by other programs meanwhile. */
  readonly foreignCores: number;
}

export interface Result {
  readonly id: MeasureId;
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly samples: readonly number[];
  readonly foreignCores: number;
  readonly goal: string;
  readonly upstream: number | undefined;
  readonly met: boolean | undefined;
}

/** Above this a run counts as disturbed: it is used only when there is no undisturbed one. */
const DISTURBED_CORES = 0.2;

/** Formats a Markdown table; the first line is the header. */
export function drawTable(lines: readonly (readonly string[])[]): string {
  const [head = [], ...body] = lines;
  const widths = head.map((_, column) => Math.max(3, ...lines.map((line) => line[column]?.length ?? 0)));
  const draw = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [draw(head), draw(widths.map((width) => '-'.repeat(width))), ...body.map(draw)].join('\n');
}

const BAR_WIDTH = 40;

/** A bar per line, the longest for the largest value. */
export function drawBars(
  bars: readonly { readonly label: string; readonly value: number }[],
  { unit, digits }: { readonly unit: string; readonly digits: number },
): string {
  const labelWidth = Math.max(...bars.map(({ label }) => label.length));
  const largest = Math.max(...bars.map(({ value }) => value));
  const draw = ({ label, value }: (typeof bars)[number]): string => {
    const length = Math.max(1, Math.round((value / largest) * BAR_WIDTH));
    return `${label.padStart(labelWidth)} | ${'#'.repeat(length)} ${format(value, { name: '', unit, digits })} ${unit}`;
  };
  return bars.map(draw).join('\n');
}

export class Report {
  readonly #details: string[] = [];
  readonly #samples = new Map<MeasureId, Sample[]>();
  readonly #only: RegExp;

  constructor(only: RegExp) {
    this.#only = only;
  }

  /** Whether any of these was selected, by its id or name. */
  wants(...ids: readonly MeasureId[]): boolean {
    return ids.some((id) => this.#only.test(id) || this.#only.test(MEASURES[id].name));
  }

  add(id: MeasureId, value: number, foreignCores = 0): void {
    const samples = this.#samples.get(id) ?? [];
    samples.push({ value, foreignCores });
    this.#samples.set(id, samples);
    const { name, unit } = MEASURES[id];
    console.error(
      `${name}: ${format(value, MEASURES[id])} ${unit}${foreignCores > DISTURBED_CORES ? ' (disturbed)' : ''}`,
    );
  }

  /** Adds a separate table below the main one. */
  detail(lines: readonly (readonly string[])[]): void {
    this.#details.push(drawTable(lines));
  }

  /** Adds a drawing below the main table. */
  plot(title: string, drawing: string): void {
    this.#details.push(`${title}\n\n\`\`\`\n${drawing}\n\`\`\``);
  }

  /** Runs `once` this often and adds its results, with the load of other programs meanwhile. */
  async repeat(
    runs: number,
    own: readonly number[],
    once: () => Promise<Partial<Record<MeasureId, number>>>,
  ): Promise<void> {
    for (let run = 0; run < runs; run++) {
      const before: CpuUse = await foreignLoad.read(own);
      const values = await once();
      const foreignCores = foreignLoad.between(before, await foreignLoad.read(own));
      for (const [id, value] of Object.entries(values)) this.add(id as MeasureId, value, foreignCores);
    }
  }

  results(): Result[] {
    return (Object.keys(MEASURES) as MeasureId[]).flatMap((id) => {
      const samples = this.#samples.get(id);
      if (!samples) return [];
      const calm = samples.filter(({ foreignCores }) => foreignCores <= DISTURBED_CORES);
      const counted = calm.length > 0 ? calm : samples;
      const value = median(counted.map((sample) => sample.value));
      const measure: Measure = MEASURES[id];
      const { name, unit, atLeast, atMost, upstream } = measure;
      const bound = atLeast ?? atMost;
      return {
        ...{ id, name, unit, value, upstream },
        samples: samples.map((sample) => sample.value),
        foreignCores: median(counted.map((sample) => sample.foreignCores)),
        goal: bound === undefined ? '' : `${atLeast === undefined ? '<=' : '>='} ${format(bound, measure)}`,
        met: bound === undefined ? undefined : atLeast === undefined ? value <= bound : value >= bound,
      };
    });
  }

  /** The Markdown table. */
  table(): string {
    const rows = this.results().map((result) => {
      const measure: Measure = MEASURES[result.id];
      return [
        result.name,
        `${format(result.value, measure)} ${result.unit}`,
        result.goal,
        result.upstream === undefined ? '' : format(result.upstream, measure),
        result.met === undefined ? '' : result.met ? 'ok' : 'missed',
        `${result.samples.length}${result.foreignCores > DISTURBED_CORES ? ', disturbed' : ''}`,
      ];
    });
    return [drawTable([['measure', 'here', 'goal', 'upstream', '', 'runs'], ...rows]), ...this.#details].join('\n\n');
  }
}

const format = (value: number, { digits = 0 }: Measure): string =>
  value.toLocaleString('en', { minimumFractionDigits: 0, maximumFractionDigits: digits });

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = NaN, high = NaN] = [sorted[sorted.length % 2 ? middle : middle - 1], sorted[middle]];
  return (low + high) / 2;
}

export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? NaN;
}
