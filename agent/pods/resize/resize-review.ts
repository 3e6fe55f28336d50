/** Which pods get the resources that they are to be resized to, and in which order. Pure. */
import { amountOf, podRequest, qosClassOf } from '../../../api/domain/pod-resources.ts';
import type { ResourceList } from '../../../api/domain/resource-names.ts';
import { own } from '../../../api/machinery/own.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

/** `Infeasible`: more than the node has. `Deferred`: more than the other pods leave. The words of the condition PodResizePending. */
export interface ResizeRefusal {
  readonly reason: 'Infeasible' | 'Deferred';
  readonly message: string;
  /** Of what is infeasible, for metrics. */
  readonly detail?: string;
}

/** After what resizes that wait are looked at again. Upstream's words. */
export type ResizeTrigger = 'pod_updated' | 'pods_added' | 'pods_removed';

export interface PendingResize {
  /** As its spec says. */
  readonly wanted: Pod;
  /** With what is allocated to it. */
  readonly allocated: Pod;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

const COUNTED = ['cpu', 'memory'] as const;

const isIncrease = (name: string, { wanted, allocated }: Pick<PendingResize, 'wanted' | 'allocated'>): boolean =>
  podRequest(wanted.spec, name) > podRequest(allocated.spec, name);

/**
 * Why the node does not give it; undefined when it does. Only what the pod asks more of is checked. `others` are the node's other pods
 * with what is allocated to them.
 */
export function resizeRefusal(
  resize: Pick<PendingResize, 'wanted' | 'allocated'>,
  others: readonly Pod[],
  allocatable: ResourceList,
): ResizeRefusal | undefined {
  let deferred: ResizeRefusal | undefined;
  for (const name of COUNTED) {
    if (!isIncrease(name, resize)) continue;
    const requested = podRequest(resize.wanted.spec, name);
    const capacity = amountOf(name, own(allocatable, name) ?? '0');
    if (requested > capacity) {
      const message = `Node didn't have enough capacity: ${name}, requested: ${requested}, capacity: ${capacity}`;
      return { reason: 'Infeasible', message, detail: 'insufficient_node_allocatable' };
    }
    const used = others.reduce((sum, { spec }) => sum + podRequest(spec, name), 0);
    if (requested + used <= capacity) continue;
    const amounts = `requested: ${requested}, used: ${used}, capacity: ${capacity}`;
    deferred ??= { reason: 'Deferred', message: `Node didn't have enough resource: ${name}, ${amounts}` };
  }
  return deferred;
}

const isLarger = (resize: PendingResize): boolean => COUNTED.some((name) => isIncrease(name, resize));
const priorityOf = ({ wanted }: PendingResize): number => wanted.spec?.priority ?? 0;
const isGuaranteed = ({ wanted }: PendingResize): boolean => qosClassOf(wanted.spec) === 'Guaranteed';

/** First those that give something back, then by priority, then guaranteed pods, then those that have waited longest. */
export const inOrderOfResize = (a: PendingResize, b: PendingResize): number =>
  Number(isLarger(a)) - Number(isLarger(b)) ||
  priorityOf(b) - priorityOf(a) ||
  Number(isGuaranteed(b)) - Number(isGuaranteed(a)) ||
  a.since - b.since;

/** The message of an event: what was asked for, as JSON. */
export function resizeMessage(what: string, { spec, metadata }: Pod, error?: string): string {
  const sizes = (containers: NonNullable<Pod['spec']>['containers'] | undefined) =>
    containers?.map(({ name, resources = {} }) => ({ name, resources }));
  const summary = {
    initContainers: sizes(spec?.initContainers),
    containers: sizes(spec?.containers),
    generation: metadata?.generation,
    error,
  };
  return `Pod resize ${what}: ${JSON.stringify(summary)}`;
}
