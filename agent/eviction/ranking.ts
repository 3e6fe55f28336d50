/** Whom a shortage costs first: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#pod-selection-for-kubelet-eviction */
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

const canBeAskedFor = (what: Starved): boolean => what === 'memory' || what === 'ephemeral-storage';

/** What a container asks for; inodes and processes cannot be asked for. */
export const requestOf = ({ resources }: Pick<Container, 'resources'>, what: Starved): number =>
  canBeAskedFor(what) ? containerRequest(resources, what) : 0;

/** What the pod asks for as a whole. */
export const podRequestOf = ({ spec }: Pod, what: Starved): number =>
  canBeAskedFor(what) ? podRequest(spec, what) : 0;

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
