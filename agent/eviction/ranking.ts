/** Whom a shortage costs first: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#pod-selection-for-kubelet-eviction */
import type { Container } from '../../api/core/container.ts';
import type { Pod } from '../../api/core/pod.ts';
import { quantityValue } from '../../api/machinery/quantity.ts';
import type { Signal } from '../node/pressure.ts';
import { isSidecar } from '../pods/plan.ts';
import type { Consumption, Used } from './consumption.ts';

/** What is reclaimed for a signal, as messages name it. */
export type Starved = 'memory' | 'ephemeral-storage' | 'inodes' | 'pids';

export const starvedOf: Readonly<Record<Signal, Starved>> = {
  'memory.available': 'memory',
  'nodefs.available': 'ephemeral-storage',
  'nodefs.inodesFree': 'inodes',
  'imagefs.available': 'ephemeral-storage',
  'imagefs.inodesFree': 'inodes',
  'pid.available': 'pids',
};

export const usedOf = (used: Used | undefined, what: Starved): number | undefined =>
  what === 'memory'
    ? used?.memoryBytes
    : what === 'ephemeral-storage'
      ? used?.diskBytes
      : what === 'inodes'
        ? used?.inodes
        : used?.processes;

/** What a container asks for; inodes and processes cannot be asked for. */
export function requestOf({ resources }: Pick<Container, 'resources'>, what: Starved): number {
  if (what !== 'memory' && what !== 'ephemeral-storage') return 0;
  return quantityValue(resources?.requests?.[what] ?? resources?.limits?.[what] ?? '0');
}

/** What the pod asks for: its containers together, or its greediest init container. */
export function podRequestOf({ spec }: Pod, what: Starved): number {
  const inits = spec?.initContainers ?? [];
  const together = [...(spec?.containers ?? []), ...inits.filter(isSidecar)];
  const sum = together.reduce((total, container) => total + requestOf(container, what), 0);
  return Math.max(sum, ...inits.map((container) => requestOf(container, what)));
}

/**
 * The pods in the order in which they are evicted: those first that use more than they ask for, among them the lowest
 * priority, then the one that is furthest above its request. Processes are not asked for: there priority comes first.
 */
export function evictionOrder(pods: readonly Consumption[], what: Starved): Consumption[] {
  const ranked = pods.map((consumption) => {
    const used = usedOf(consumption.total, what);
    // Of what is not known the worst is assumed, as the kubelet does.
    const above = used === undefined ? Infinity : used - podRequestOf(consumption.pod, what);
    return { consumption, above, exceeds: what === 'pids' || above > 0, priority: consumption.pod.spec?.priority ?? 0 };
  });
  return ranked
    .sort(
      (a, b) =>
        Number(b.exceeds) - Number(a.exceeds) ||
        a.priority - b.priority ||
        (a.above === b.above ? 0 : b.above - a.above),
    )
    .map(({ consumption }) => consumption);
}
