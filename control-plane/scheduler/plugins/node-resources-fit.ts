import { own } from '../../../api/machinery/own.ts';
import { scoredRequests, type NodeFacts } from '../framework/node-info.ts';
import { MAX_SCORE, type PluginOf } from '../framework/plugin.ts';
import { unresolvable, unschedulable } from '../framework/rejection.ts';
import { ZERO, type Resources } from '../framework/resources.ts';

interface Shortage {
  readonly reason: string;
  /** The pod asks for more than the node has when it is empty. */
  readonly exceedsNode: boolean;
}

/** What the node lacks for a pod with these requests, when `podCount` pods have taken `taken`. */
function shortages(requests: Resources, { allocatable, maxPods }: NodeFacts, taken: Resources, podCount: number) {
  const found: Shortage[] = [];
  if (podCount + 1 > maxPods) found.push({ reason: 'Too many pods', exceedsNode: false });
  const check = (name: string, wanted: number, used: number, capacity: number): void => {
    if (wanted > 0 && wanted > capacity - used)
      found.push({ reason: `Insufficient ${name}`, exceedsNode: wanted > capacity });
  };
  check('cpu', requests.milliCpu, taken.milliCpu, allocatable.milliCpu);
  check('memory', requests.memory, taken.memory, allocatable.memory);
  check('ephemeral-storage', requests.ephemeralStorage, taken.ephemeralStorage, allocatable.ephemeralStorage);
  for (const [name, wanted] of Object.entries(requests.extended))
    check(name, wanted, own(taken.extended, name) ?? 0, own(allocatable.extended, name) ?? 0);
  return found;
}

const fitsEmpty = (requests: Resources, node: NodeFacts): boolean => shortages(requests, node, ZERO, 0).length === 0;

/** Whether the node has more than before of something that the pod requests, or takes more pods. */
function hasMore(requests: Resources, old: NodeFacts, node: NodeFacts): boolean {
  const [before, now] = [old.allocatable, node.allocatable];
  if (node.maxPods > old.maxPods) return true;
  if (requests.milliCpu > 0 && now.milliCpu > before.milliCpu) return true;
  if (requests.memory > 0 && now.memory > before.memory) return true;
  if (requests.ephemeralStorage > 0 && now.ephemeralStorage > before.ephemeralStorage) return true;
  return Object.entries(requests.extended).some(
    ([name, wanted]) => wanted > 0 && (own(now.extended, name) ?? 0) > (own(before.extended, name) ?? 0),
  );
}

/** How much of a capacity would stay free, 0 to MAX_SCORE. */
const freeShare = (requested: number, capacity: number): number =>
  capacity === 0 || requested > capacity ? 0 : Math.floor(((capacity - requested) * MAX_SCORE) / capacity);

/** Room for what the pod requests; the emptier node is the better one: upstream's `LeastAllocated`. */
export const nodeResourcesFit: PluginOf<undefined, Resources> = {
  name: 'NodeResourcesFit',
  queueingHints: {
    NodeAdd: ({ requests }, { node }) => fitsEmpty(requests, node),
    UpdateNodeAllocatable: ({ requests }, { old, node }) => fitsEmpty(requests, node) && hasMore(requests, old, node),
    AssignedPodDelete: () => true,
  },
  filter: ({ requests }, { facts, requested, podCount }) => {
    const found = shortages(requests, facts, requested, podCount);
    if (found.length === 0) return undefined;
    const reasons = found.map(({ reason }) => reason);
    return found.some(({ exceedsNode }) => exceedsNode) ? unresolvable(...reasons) : unschedulable(...reasons);
  },
  preScore: ({ requests }) => ({ state: scoredRequests(requests) }),
  score: (_pod, { scored, facts }, wanted) => {
    const cpu = freeShare(scored.milliCpu + wanted.milliCpu, facts.allocatable.milliCpu);
    const memory = freeShare(scored.memory + wanted.memory, facts.allocatable.memory);
    return Math.floor((cpu + memory) / 2);
  },
};
