/** From two samples, what was used between them; the rules are metrics-server's. */
import { formatDuration } from '../../../../api/machinery/duration.ts';
import { formatQuantity, NANO } from '../../../../api/machinery/quantity.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import type { ContainerMetrics } from '../../../../api/types/metrics/v1beta1.gen.ts';
import type { NodeSamples, PodSamples, Sample } from './samples.ts';

/** A container that is younger than a round has used all that it has since it was started; one younger than this is not measured. */
const FRESH_CONTAINER_MS = 10_000;

/** The last samples of a node, and those before, by which usage is known. */
export interface NodeHistory {
  readonly last: NodeSamples;
  readonly previous: NodeSamples;
}

const NO_SAMPLES: NodeSamples = { node: undefined, pods: new Map() };

/** @param roundMs how often samples are taken */
export function addSamples(history: NodeHistory | undefined, next: NodeSamples, roundMs: number): NodeHistory {
  const { last, previous } = history ?? { last: NO_SAMPLES, previous: NO_SAMPLES };
  const node = next.node && baseOf(next.node, last.node, previous.node, roundMs, false);
  const pods = new Map<string, PodSamples>();
  for (const [key, containers] of next.pods) {
    const bases = new Map<string, Sample>();
    for (const [name, sample] of containers) {
      const of = [last.pods.get(key)?.get(name), previous.pods.get(key)?.get(name)] as const;
      const base = baseOf(sample, ...of, roundMs, true);
      if (base) bases.set(name, base);
    }
    if (bases.size > 0) pods.set(key, bases);
  }
  return { last: next, previous: { node, pods } };
}

/** The sample from which usage is counted to `next`; undefined when there is none, as after a restart. */
function baseOf(
  next: Sample,
  last: Sample | undefined,
  previous: Sample | undefined,
  roundMs: number,
  isContainer: boolean,
): Sample | undefined {
  const age = next.atMs - next.startedAtMs;
  if (isContainer && age >= FRESH_CONTAINER_MS && age < roundMs)
    return { ...next, atMs: next.startedAtMs, cpuNanoseconds: 0 };
  if (!last || next.startedAtMs >= last.atMs) return undefined;
  // The same sample once more: the node has not measured since.
  return next.atMs > last.atMs ? last : previous;
}

/** In the form of the API, with when it was measured. */
export interface Measured {
  readonly atMs: number;
  readonly timestamp: string;
  readonly window: string;
  readonly usage: Record<string, string>;
}

/** Undefined when the samples are of different runs. */
export function usageBetween(previous: Sample | undefined, last: Sample | undefined): Measured | undefined {
  if (!previous || !last || last.atMs <= previous.atMs) return undefined;
  if (last.startedAtMs < previous.startedAtMs || last.cpuNanoseconds < previous.cpuNanoseconds) return undefined;
  const windowMs = last.atMs - previous.atMs;
  const nanocores = Math.floor(((last.cpuNanoseconds - previous.cpuNanoseconds) / windowMs) * 1000);
  return {
    atMs: last.atMs,
    timestamp: timeOf(last.atMs),
    window: formatDuration(windowMs),
    usage: {
      cpu: formatQuantity({ nano: BigInt(nanocores), format: 'DecimalSI' }),
      memory: formatQuantity({ nano: BigInt(last.memoryBytes) * NANO, format: 'BinarySI' }),
    },
  };
}

export type PodUsage = Pick<Measured, 'timestamp' | 'window'> & { readonly containers: ContainerMetrics[] };

/** Of all containers of a pod, as of the one that was measured first; undefined when one of them is not known. */
export function podUsage({ last, previous }: NodeHistory, key: string): PodUsage | undefined {
  const samples = last.pods.get(key);
  if (!samples) return undefined;
  const bases = previous.pods.get(key);
  const containers: ContainerMetrics[] = [];
  let earliest: Measured | undefined;
  for (const [name, sample] of samples) {
    const measured = usageBetween(bases?.get(name), sample);
    if (!measured) return undefined;
    containers.push({ name, usage: measured.usage });
    if (!earliest || measured.atMs < earliest.atMs) earliest = measured;
  }
  return earliest && { timestamp: earliest.timestamp, window: earliest.window, containers };
}

export const nodeUsage = ({ last, previous }: NodeHistory): Measured | undefined =>
  usageBetween(previous.node, last.node);
