/**
 * How many replicas a metric asks for. Pods that are not ready, or of which nothing is known, are counted so that they never make scaling
 * larger than it would be without them. Pure.
 * https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
 */
import { MAX_INT32 } from '../../../../api/machinery/schema.ts';
import { own } from '../../../../api/machinery/own.ts';
import type { PodView } from '../../caches/pod-view.ts';

/** A value of one pod, in thousandths. */
export interface PodValue {
  readonly value: number;
  /** When it was measured, in ms since the epoch, and over how long. */
  readonly atMs: number;
  readonly windowMs: number;
}

/** By the pod's name. */
export type PodValues = ReadonlyMap<string, PodValue>;

/** By how much usage may be off its target before anything is done, as fractions of it. */
export interface Tolerances {
  readonly up: number;
  readonly down: number;
}

export interface Scaled {
  /** Those of the target's selector. */
  readonly pods: readonly PodView[];
  /** What the target is to have, and what it has. */
  readonly specReplicas: number;
  readonly statusReplicas: number;
  readonly tolerances: Tolerances;
  /** In ms since the epoch. */
  readonly now: number;
}

/** Something that makes a metric useless at the moment; the message is for users. */
export class MetricError extends Error {
  override readonly name = 'MetricError';
}

/** Upstream's `--horizontal-pod-autoscaler-cpu-initialization-period` and `-initial-readiness-delay`. */
const CPU_INITIALIZATION_MS = 5 * 60_000;
const INITIAL_READINESS_DELAY_MS = 30_000;
const NOTHING_KNOWN = 'did not receive metrics for targeted pods (pods might be unready)';
const NO_PODS = 'no pods returned by selector while calculating replica count';

/** The target values are positive. */
const isWithin = ({ up, down }: Tolerances, ratio: number): boolean => 1 - down <= ratio && ratio <= 1 + up;

const asCount = (replicas: number): number => Math.min(Math.max(Math.ceil(replicas), -MAX_INT32), MAX_INT32);

interface Groups {
  readonly readyCount: number;
  readonly unready: ReadonlySet<string>;
  readonly missing: ReadonlySet<string>;
  readonly ignored: ReadonlySet<string>;
}

/** @param resource '' for metrics of other kinds */
function groupPods(pods: readonly PodView[], values: PodValues, resource: string, now: number): Groups {
  const [unready, missing, ignored] = [new Set<string>(), new Set<string>(), new Set<string>()];
  let readyCount = 0;
  for (const pod of pods) {
    const value = values.get(pod.name);
    if (pod.deleting || pod.phase === 'Failed') ignored.add(pod.name);
    else if (pod.phase === 'Pending') unready.add(pod.name);
    else if (!value) missing.add(pod.name);
    else if (resource === 'cpu' && isStarting(pod, value, now)) unready.add(pod.name);
    else readyCount++;
  }
  return { readyCount, unready, missing, ignored };
}

/** Whether the CPU that a pod uses may be that of its start. */
function isStarting(pod: PodView, { atMs, windowMs }: PodValue, now: number): boolean {
  if (pod.readyStatus === '' || pod.startedAt === 0) return true;
  const isUnready = pod.readyStatus === 'False';
  if (pod.startedAt + CPU_INITIALIZATION_MS > now) return isUnready || atMs < pod.readyChangedAt + windowMs;
  // It has never been ready.
  return isUnready && pod.startedAt + INITIAL_READINESS_DELAY_MS > pod.readyChangedAt;
}

/** The usage of some pods against their target. */
interface Usage {
  /** 1 when the target is met. */
  readonly ratio: number;
  readonly average: number;
  readonly utilization?: number;
}

interface Rules {
  readonly resource: string;
  readonly usageOf: (values: ReadonlyMap<string, number>) => Usage;
  /** What a pod of which nothing is known is taken to use when there are too many pods. */
  readonly assumed: (pod: string) => number;
}

export interface Count extends Omit<Usage, 'ratio'> {
  readonly replicas: number;
}

/** Throws MetricError. */
function countFor(given: PodValues, { resource, usageOf, assumed }: Rules, scaled: Scaled): Count {
  const { pods, specReplicas, tolerances, now } = scaled;
  if (pods.length === 0) throw new MetricError(NO_PODS);
  const { readyCount, unready, missing, ignored } = groupPods(pods, given, resource, now);
  const values = new Map<string, number>();
  for (const [name, { value }] of given) if (!ignored.has(name) && !unready.has(name)) values.set(name, value);
  if (values.size === 0) throw new MetricError(NOTHING_KNOWN);
  const { ratio, ...usage } = usageOf(values);
  const countsUnready = unready.size > 0 && ratio > 1;
  const unchanged = { ...usage, replicas: specReplicas };
  if (!countsUnready && missing.size === 0)
    return isWithin(tolerances, ratio) ? unchanged : { ...usage, replicas: asCount(ratio * readyCount) };
  if (ratio !== 1) for (const name of missing) values.set(name, ratio < 1 ? assumed(name) : 0);
  if (countsUnready) for (const name of unready) values.set(name, 0);
  const { ratio: corrected } = usageOf(values);
  const isReversed = (ratio < 1 && corrected > 1) || (ratio > 1 && corrected < 1);
  if (isWithin(tolerances, corrected) || isReversed) return unchanged;
  const replicas = asCount(corrected * values.size);
  const isOpposite = (corrected < 1 && replicas > specReplicas) || (corrected > 1 && replicas < specReplicas);
  return isOpposite ? unchanged : { ...usage, replicas };
}

const sumOf = (values: Iterable<number>): number => {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
};

/** Throws MetricError when a pod does not request the resource. @param container '' for the whole pod */
function requestOf({ name, requests }: PodView, resource: string, container: string): number {
  if (requests.pod && container === '') {
    const request = own(requests.pod, resource);
    if (request === undefined) throw new MetricError(`missing pod-level request for ${resource} in Pod ${name}`);
    return request;
  }
  const wanted = requests.containers.filter((one) => container === '' || one.name === container);
  if (container !== '' && wanted.length === 0) throw new MetricError(`container ${container} not found in Pod ${name}`);
  return sumOf(
    wanted.map((one) => {
      const request = own(one.requests, resource);
      if (request !== undefined) return request;
      throw new MetricError(`missing request for ${resource} in container ${one.name} of Pod ${name}`);
    }),
  );
}

export interface UtilizationTarget {
  readonly resource: string;
  /** '' for whole pods. */
  readonly container: string;
  readonly percent: number;
}

/** For usage in percent of what the pods request. Throws MetricError. */
export function utilizationCount(
  values: PodValues,
  { resource, container, percent }: UtilizationTarget,
  scaled: Scaled,
): Count {
  let known: ReadonlyMap<string, number> | undefined;
  // What is missing is reported only when the metrics are not.
  const requests = (): ReadonlyMap<string, number> =>
    (known ??= new Map(scaled.pods.map((pod) => [pod.name, requestOf(pod, resource, container)])));
  const usageOf = (used: ReadonlyMap<string, number>): Usage => {
    const counted = [...used].filter(([name]) => requests().has(name));
    const requested = sumOf(counted.map(([name]) => requests().get(name) ?? 0));
    if (requested === 0) throw new MetricError('no metrics returned matched known pods');
    const total = sumOf(counted.map(([, value]) => value));
    const utilization = Math.min(Number((BigInt(total) * 100n) / BigInt(requested)), MAX_INT32);
    return { ratio: utilization / percent, utilization, average: Math.trunc(total / counted.length) };
  };
  const assumed = (pod: string): number => ((requests().get(pod) ?? 0) * Math.max(100, percent)) / 100;
  return countFor(values, { resource, usageOf, assumed: (pod) => Math.trunc(assumed(pod)) }, scaled);
}

/** For the average of the pods. Throws MetricError. @param resource '' for custom metrics */
export function averageCount(values: PodValues, target: number, resource: string, scaled: Scaled): Count {
  const usageOf = (used: ReadonlyMap<string, number>): Usage => {
    const average = Math.trunc(sumOf(used.values()) / used.size);
    return { ratio: average / target, average };
  };
  return countFor(values, { resource, usageOf, assumed: () => target }, scaled);
}

/** For one value that all pods together bring about. Throws MetricError. */
export function valueCount(value: number, target: number, { pods, specReplicas, tolerances }: Scaled): number {
  const ratio = value / target;
  if (specReplicas === 0) return asCount(ratio);
  if (isWithin(tolerances, ratio)) return specReplicas;
  if (pods.length === 0) throw new MetricError(`unable to calculate ready pods: ${NO_PODS}`);
  return asCount(ratio * pods.filter(({ phase, ready }) => phase === 'Running' && ready).length);
}

/** For one value that is divided among the pods. */
export function sharedCount(value: number, target: number, { statusReplicas, tolerances }: Scaled): Count {
  const ratio = value / (target * statusReplicas);
  const replicas = isWithin(tolerances, ratio) ? statusReplicas : asCount(value / target);
  return { replicas, average: statusReplicas === 0 ? value : Math.ceil(value / statusReplicas) };
}
