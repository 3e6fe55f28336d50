/**
 * Reads what is needed of a node's `/metrics/resource`, which is in Prometheus' text format:
 * https://kubernetes.io/docs/reference/instrumentation/node-metrics/
 */
import { entryKey } from '../../storage/cache/entry.ts';

/** What a node or container has used up to a moment. Times are in ms since the epoch. */
export interface Sample {
  readonly atMs: number;
  /** 0 when unknown. */
  readonly startedAtMs: number;
  readonly cpuNanoseconds: number;
  readonly memoryBytes: number;
}

/** By container. */
export type PodSamples = ReadonlyMap<string, Sample>;

export interface NodeSamples {
  readonly node: Sample | undefined;
  /** By `namespace/name`; those of which something is missing are left out. */
  readonly pods: ReadonlyMap<string, PodSamples>;
}

/** A sample of which not everything has been read yet. */
interface Draft {
  atMs?: number;
  startedAtMs?: number;
  cpuNanoseconds?: number;
  memoryBytes?: number;
}

const NANOSECONDS = 1e9;
const MS = 1000;

type Read = (draft: Draft, value: number, atMs: number) => void;

const readCpu: Read = (draft, value, atMs) => {
  draft.cpuNanoseconds = Math.round(value * NANOSECONDS);
  draft.atMs = atMs;
};
const readMemory: Read = (draft, value, atMs) => {
  draft.memoryBytes = Math.round(value);
  draft.atMs ??= atMs;
};
const readStart: Read = (draft, value) => {
  draft.startedAtMs = value * MS;
};

const OF_NODE: ReadonlyMap<string, Read> = new Map([
  ['node_cpu_usage_seconds_total', readCpu],
  ['node_memory_working_set_bytes', readMemory],
]);
const OF_CONTAINER: ReadonlyMap<string, Read> = new Map([
  ['container_cpu_usage_seconds_total', readCpu],
  ['container_memory_working_set_bytes', readMemory],
  ['container_start_time_seconds', readStart],
]);

/** A label and its value, at the position where the last one ended. */
const LABEL = /\s*([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"\s*,?/y;
/** The value and, in ms since the epoch, when it was measured. */
const VALUE = /\s*([^\s}]+)(?:\s+(-?\d+))?\s*$/y;

interface Line {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
  readonly atMs: number | undefined;
}

/** Undefined for what is no sample. The time is linear in the length of the line. */
function parseLine(line: string, wants: (name: string) => boolean): Line | undefined {
  const name = /^[A-Za-z_:][\w:]*/.exec(line)?.[0] ?? '';
  if (!wants(name)) return undefined;
  const labels = new Map<string, string>();
  let at = name.length;
  if (line[at] === '{') {
    LABEL.lastIndex = at + 1;
    for (let found = LABEL.exec(line); found; found = LABEL.exec(line)) {
      labels.set(found[1] ?? '', unescaped(found[2] ?? ''));
      at = LABEL.lastIndex;
    }
    at = line.indexOf('}', labels.size > 0 ? at : name.length) + 1;
    if (at === 0) return undefined;
  }
  VALUE.lastIndex = at;
  const [, value, time] = VALUE.exec(line) ?? [];
  const number = Number(value);
  // Whoever counts downwards, or says NaN, has measured nothing.
  if (value === undefined || !(number >= 0) || number === Infinity) return undefined;
  return { name, labels, value: number, atMs: time === undefined ? undefined : Number(time) };
}

const unescaped = (value: string): string =>
  value.includes('\\') ? value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)) : value;

function sampleOf({ atMs, startedAtMs = 0, cpuNanoseconds, memoryBytes }: Draft): Sample | undefined {
  // No process uses no memory: the container has just ended.
  if (atMs === undefined || cpuNanoseconds === undefined || !memoryBytes) return undefined;
  return { atMs, startedAtMs, cpuNanoseconds, memoryBytes };
}

/**
 * Whatever is not understood is skipped. Of a pod one of whose containers lacks a value, nothing is known.
 * @param receivedAtMs when what has no time of its own was measured
 */
export function readSamples(text: string, receivedAtMs: number): NodeSamples {
  const node: Draft = {};
  const pods = new Map<string, Map<string, Draft>>();
  const wants = (name: string): boolean => OF_NODE.has(name) || OF_CONTAINER.has(name);
  for (let from = 0; from < text.length;) {
    const newline = text.indexOf('\n', from);
    const end = newline < 0 ? text.length : newline;
    const line = text[from] === '#' ? undefined : parseLine(text.slice(from, end), wants);
    from = end + 1;
    if (!line) continue;
    const { name, labels, value, atMs = receivedAtMs } = line;
    OF_NODE.get(name)?.(node, value, atMs);
    const read = OF_CONTAINER.get(name);
    if (read) read(containerOf(pods, labels), value, atMs);
  }
  return { node: sampleOf(node), pods: completePods(pods) };
}

function containerOf(pods: Map<string, Map<string, Draft>>, labels: ReadonlyMap<string, string>): Draft {
  const key = entryKey(labels.get('namespace') ?? '', labels.get('pod') ?? '');
  const containers = pods.get(key) ?? new Map<string, Draft>();
  pods.set(key, containers);
  const name = labels.get('container') ?? '';
  const draft = containers.get(name) ?? {};
  containers.set(name, draft);
  return draft;
}

function completePods(drafts: ReadonlyMap<string, ReadonlyMap<string, Draft>>): Map<string, PodSamples> {
  const pods = new Map<string, PodSamples>();
  for (const [key, containers] of drafts) {
    const samples = new Map<string, Sample>();
    for (const [name, draft] of containers) {
      const sample = sampleOf(draft);
      if (sample) samples.set(name, sample);
    }
    if (samples.size === containers.size) pods.set(key, samples);
  }
  return pods;
}
