/** Prometheus' text format, written on request: https://prometheus.io/docs/instrumenting/exposition_formats/ */

/** Its Content-Type. */
export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export type Labels = Readonly<Record<string, string | number>>;
export type MetricType = 'counter' | 'gauge' | 'histogram';

export class Exposition {
  #text = '';

  /** Begins a metric: its samples follow. */
  family(name: string, type: MetricType, help: string): this {
    this.#text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
    return this;
  }

  /**
   * `labels` may be what `labelText` made of them, where there are many samples of the same; `timestampMs` is when it was
   * measured, where that is not the time of the request.
   */
  sample(name: string, labels: Labels | string, value: number, timestampMs?: number): this {
    const at = timestampMs === undefined ? '' : ` ${timestampMs}`;
    const of = typeof labels === 'string' ? labels : labelText(labels);
    this.#text += `${name}${of} ${numberText(value)}${at}\n`;
    return this;
  }

  /** A metric of one sample. */
  single(name: string, type: MetricType, help: string, value: number, timestampMs?: number): this {
    return this.family(name, type, help).sample(name, {}, value, timestampMs);
  }

  toString(): string {
    return this.#text;
  }
}

/** Labels as they follow the name. */
export function labelText(labels: Labels): string {
  const texts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(String(value))}"`);
  return texts.length === 0 ? '' : `{${texts.join(',')}}`;
}

const escaped = (value: string): string =>
  /["\\\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;

function numberText(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}
