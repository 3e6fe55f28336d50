/** The order of evictions: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#pod-selection-for-kubelet-eviction */
import { containerRequest, podRequest } from '../../api/domain/pod-resources.ts';
import type { Signal } from '../node/pressure.ts';
import type { Consumption, Used } from './consumption.ts';
import type { Container, Pod } from '../../api/types/core/v1.gen.ts';

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

const isRequestable = (what: Starved): boolean => what === 'memory' || what === 'ephemeral-storage';

/** A container's request; there are none for inodes and processes. */
export const requestOf = ({ resources }: Pick<Container, 'resources'>, what: Starved): number =>
  isRequestable(what) ? containerRequest(resources, what) : 0;

/** The pod's request. */
export const podRequestOf = ({ spec }: Pod, what: Starved): number =>
  isRequestable(what) ? podRequest(spec, what) : 0;

/**
 * The pods in the order in which they are evicted: those first that exceed their requests, then by the lowest
 * priority, then by how far they exceed their requests. There are no requests for processes: there priority comes first.
 */
export function evictionOrder(pods: readonly Consumption[], what: Starved): Consumption[] {
  const ranked = pods.map((consumption) => {
    const used = usedOf(consumption.total, what);
    // Unknown usage counts as exceeding, as with the kubelet.
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
