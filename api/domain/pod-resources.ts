/**
 * Requests and limits of a pod, computed with the same code by api-server, scheduler and agent. The peak is all containers and
 * sidecars together, or one init container beside the sidecars started before it; pod-level resources (`spec.resources`) replace
 * that sum; the overhead is added.
 * https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
 * https://kubernetes.io/docs/tasks/configure-pod-container/assign-pod-level-resources/
 */
import { own } from '../machinery/own.ts';
import {
  addQuantities,
  compareQuantities,
  isPositiveQuantity,
  quantityMilliValue,
  quantityValue,
} from '../machinery/quantity.ts';
import type { PodSpec, ResourceRequirements } from '../types/core/v1.gen.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

export type Side = 'requests' | 'limits';

type Spec = Pick<PodSpec, 'containers' | 'initContainers' | 'resources' | 'overhead'>;
type MaybeResources = ResourceRequirements | undefined;

/** The spec of a pod without one. */
const NOTHING: Spec = { containers: [] };

/** Arithmetic of amounts. */
interface Amounts<T> {
  readonly plus: (a: T, b: T) => T;
  readonly larger: (a: T, b: T) => T;
}

const NUMBERS: Amounts<number> = { plus: (a, b) => a + b, larger: Math.max };
const QUANTITIES: Amounts<string> = {
  plus: addQuantities,
  larger: (a, b) => (compareQuantities(a, b) < 0 ? b : a),
};

/** The sum or maximum of the containers at the pod's peak; undefined when none of them sets an amount. */
function peakOf<T>(
  { containers, initContainers = [] }: Pick<Spec, 'containers' | 'initContainers'>,
  amountOf: (resources: MaybeResources) => T | undefined,
  { plus, larger }: Amounts<T>,
): T | undefined {
  const sum = (a: T | undefined, b: T): T => (a === undefined ? b : plus(a, b));
  const most = (a: T | undefined, b: T): T => (a === undefined ? b : larger(a, b));
  let running: T | undefined;
  let sidecars: T | undefined;
  let starting: T | undefined;
  for (const { resources } of containers ?? []) {
    const amount = amountOf(resources);
    if (amount !== undefined) running = sum(running, amount);
  }
  for (const { resources, restartPolicy } of initContainers) {
    const amount = amountOf(resources);
    if (amount === undefined) continue;
    if (restartPolicy === 'Always') {
      running = sum(running, amount);
      sidecars = sum(sidecars, amount);
      starting = most(starting, sidecars);
    } else {
      starting = most(starting, sum(sidecars, amount));
    }
  }
  return starting === undefined ? running : most(running, starting);
}

/** Whether a resource may be set at pod level. */
export const isPodLevelResource = (name: string): boolean =>
  name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');

/** The containers' requests or limits at the pod's peak, as a quantity; undefined when none is set. */
export const containersQuantity = (spec: Spec, side: Side, name: string): string | undefined =>
  peakOf(spec, (resources) => own(resources?.[side], name), QUANTITIES);

/**
 * The requests, or limits, of the pod as quotas count them: exact, and only what is specified. Undefined when the resource is not.
 * Overhead counts as requested in any case, and is added to limits only where there are some.
 */
export function podQuantity(spec: Spec, side: Side, name: string): string | undefined {
  const whole = isPodLevelResource(name) ? own(spec.resources?.[side], name) : undefined;
  const amount = whole ?? containersQuantity(spec, side, name);
  const overhead = own(spec.overhead, name);
  if (overhead === undefined) return amount;
  if (amount === undefined) return side === 'requests' ? overhead : undefined;
  return addQuantities(amount, overhead);
}

/** CPU counts in thousandths of a core, everything else in whole units: bytes, pieces. Rounded up. */
export const amountOf = (name: string, quantity: string): number =>
  name === 'cpu' ? quantityMilliValue(quantity) : quantityValue(quantity);

const amountIn = (quantities: Readonly<Record<string, string>> | undefined, name: string): number | undefined => {
  const quantity = own(quantities, name);
  return quantity === undefined ? undefined : amountOf(name, quantity);
};

/** The request of a container, which defaults to its limit; 0 when neither is set. */
export const containerRequest = (resources: MaybeResources, name: string): number =>
  amountIn(resources?.requests, name) ?? amountIn(resources?.limits, name) ?? 0;

/** The limit of a container; 0 means none, as upstream. */
export const containerLimit = (resources: MaybeResources, name: string): number =>
  amountIn(resources?.limits, name) ?? 0;

const ofPod = ({ resources }: Spec, side: Side, name: string): number | undefined =>
  isPodLevelResource(name) ? amountIn(resources?.[side], name) : undefined;

/** The request of the pod at its peak. */
export function podRequest(spec: Spec = NOTHING, name: string): number {
  const whole =
    ofPod(spec, 'requests', name) ??
    peakOf(spec, (of) => amountIn(of?.requests, name) ?? amountIn(of?.limits, name), NUMBERS) ??
    ofPod(spec, 'limits', name) ??
    0;
  return whole + (amountIn(spec.overhead, name) ?? 0);
}

/** The limit of the pod as a whole; undefined unless it is set at pod level or on every container. */
export function podLimit(spec: Spec = NOTHING, name: string): number | undefined {
  const overhead = amountIn(spec.overhead, name) ?? 0;
  const whole = ofPod(spec, 'limits', name);
  if (whole) return whole + overhead;
  const all = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  if (!all.every(({ resources }) => containerLimit(resources, name) > 0)) return undefined;
  const peak = peakOf(spec, (of) => containerLimit(of, name), NUMBERS);
  return peak === undefined ? undefined : peak + overhead;
}

/** The sum of the limits of those containers that have one; undefined when none does. */
export const containersLimit = (spec: Spec = NOTHING, name: string): number | undefined =>
  peakOf(spec, (resources) => containerLimit(resources, name) || undefined, NUMBERS);

/** The names of all resources that the pod requests. */
export function requestedResources(spec: Spec = NOTHING): Set<string> {
  const names = new Set<string>();
  const add = (quantities: Readonly<Record<string, string>> | undefined): void => {
    for (const name in quantities) names.add(name);
  };
  for (const { resources } of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
    add(resources?.requests);
    add(resources?.limits);
  }
  for (const side of ['requests', 'limits'] as const)
    for (const name in spec.resources?.[side]) if (isPodLevelResource(name)) names.add(name);
  add(spec.overhead);
  return names;
}

const COMPUTE = ['cpu', 'memory'] as const;

const isPositive = (quantity: string | undefined): quantity is string =>
  quantity !== undefined && isPositiveQuantity(quantity);

/**
 * Guaranteed when requests and limits of CPU and memory are equal, at pod level if they are set there and for every container
 * otherwise; BestEffort when there are none. Ephemeral containers do not count.
 */
export function qosClassOf(spec: Spec = NOTHING): QosClass {
  const parts: MaybeResources[] = spec.resources
    ? [spec.resources]
    : [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ resources }) => resources);
  let asked = false;
  let guaranteed = true;
  for (const resources of parts) {
    for (const name of COMPUTE) {
      const limit = resources?.limits?.[name];
      const request = resources?.requests?.[name] ?? limit;
      if (isPositive(limit) || isPositive(request)) asked = true;
      if (!isPositive(limit) || !isPositive(request) || compareQuantities(limit, request) !== 0) guaranteed = false;
    }
  }
  return !asked ? 'BestEffort' : guaranteed ? 'Guaranteed' : 'Burstable';
}

/** The pod-level memory request beyond the sum of the containers' requests; it is shared among them. */
export function unclaimedMemory(spec: Spec = NOTHING): number {
  const whole = amountIn(spec.resources?.requests, 'memory');
  if (!whole) return 0;
  const claimed = peakOf(spec, (resources) => amountIn(resources?.requests, 'memory'), NUMBERS) ?? 0;
  return Math.max(0, whole - claimed);
}
