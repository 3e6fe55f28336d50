import { own } from '../../../api/machinery/own.ts';
import type { UtilizationShapePoint } from '../../../api/types/kubescheduler/v1.gen.ts';
import { scoredRequests, type NodeFacts, type NodeInfo } from '../framework/node-info.ts';
import { MAX_SCORE, type PluginOf } from '../framework/plugin.ts';
import { unresolvable, unschedulable } from '../framework/rejection.ts';
import { scoredResource, type ResourceWeight } from '../framework/resource-scores.ts';
import { ZERO, type Resources } from '../framework/resources.ts';
import { scoreByShape, type ShapeScore } from '../framework/shape.ts';

interface Shortage {
  readonly reason: string;
  /** The pod asks for more than the node has when it is empty. */
  readonly exceedsNode: boolean;
}

/** Whether the filter leaves an extended resource out of account, by its name. */
type IsIgnored = (name: string) => boolean;

/** What the node lacks for a pod with these requests, when `podCount` pods have taken `taken`. */
function shortages(
  requests: Resources,
  { allocatable, maxPods }: NodeFacts,
  taken: Resources,
  podCount: number,
  isIgnored: IsIgnored,
): Shortage[] {
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
    if (!isIgnored(name)) check(name, wanted, own(taken.extended, name) ?? 0, own(allocatable.extended, name) ?? 0);
  return found;
}

const fitsEmpty = (requests: Resources, node: NodeFacts, isIgnored: IsIgnored): boolean =>
  shortages(requests, node, ZERO, 0, isIgnored).length === 0;

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

/** Which nodes are the better ones, by the shares of their resources that are requested. */
export type ScoringStrategy =
  | { readonly type: 'LeastAllocated' | 'MostAllocated'; readonly resources: readonly ResourceWeight[] }
  | {
      readonly type: 'RequestedToCapacityRatio';
      readonly resources: readonly ResourceWeight[];
      /** At least one point. */
      readonly shape: readonly UtilizationShapePoint[];
    };

export interface NodeResourcesFitSettings {
  /** Extended resources that are not checked. */
  readonly ignoredResources: readonly string[];
  /** The same by what is before the `/` of their names. */
  readonly ignoredResourceGroups: readonly string[];
  readonly scoringStrategy: ScoringStrategy;
}

function ignoring({ ignoredResources, ignoredResourceGroups }: NodeResourcesFitSettings): IsIgnored {
  const names = new Set(ignoredResources);
  const groups = new Set(ignoredResourceGroups);
  if (names.size + groups.size === 0) return () => false;
  return (name) => names.has(name) || groups.has(name.split('/', 1)[0] ?? '');
}

const freeShare: ShapeScore = (requested, capacity) =>
  requested > capacity ? 0 : Math.floor(((capacity - requested) * MAX_SCORE) / capacity);

// Requests may exceed the capacity: those of pods without any are assumed.
const usedShare: ShapeScore = (requested, capacity) =>
  Math.floor((Math.min(requested, capacity) * MAX_SCORE) / capacity);

/** The score of a node for a pod with these requests. */
function scorerOf(strategy: ScoringStrategy): (node: NodeInfo, wanted: Resources) => number {
  const resources = strategy.resources.map(scoredResource);
  const isByShape = strategy.type === 'RequestedToCapacityRatio';
  const share = isByShape ? scoreByShape(strategy.shape) : strategy.type === 'MostAllocated' ? usedShare : freeShare;
  // As upstream: a resource that the shape gives no points does not count at all.
  const counts = (score: number): boolean => !isByShape || score > 0;
  const rounded = isByShape ? Math.round : Math.floor;
  return (node, wanted) => {
    let [sum, weights] = [0, 0];
    for (const { weight, isExtended, of } of resources) {
      const asked = of(wanted);
      const capacity = of(node.facts.allocatable);
      if (capacity === 0 || (isExtended && asked === 0)) continue;
      const score = share(of(node.scored) + asked, capacity);
      if (!counts(score)) continue;
      sum += score * weight;
      weights += weight;
    }
    return weights === 0 ? 0 : rounded(sum / weights);
  };
}

/** Room for what the pod requests; which nodes are preferred is the strategy's choice. */
export function nodeResourcesFitOf(settings: NodeResourcesFitSettings): PluginOf<undefined, Resources> {
  const isIgnored = ignoring(settings);
  const score = scorerOf(settings.scoringStrategy);
  return {
    name: 'NodeResourcesFit',
    queueingHints: {
      NodeAdd: ({ requests }, { node }) => fitsEmpty(requests, node, isIgnored),
      UpdateNodeAllocatable: ({ requests }, { old, node }) =>
        fitsEmpty(requests, node, isIgnored) && hasMore(requests, old, node),
      AssignedPodDelete: () => true,
    },
    filter: ({ requests }, { facts, requested, podCount }) => {
      const found = shortages(requests, facts, requested, podCount, isIgnored);
      if (found.length === 0) return undefined;
      const reasons = found.map(({ reason }) => reason);
      return found.some(({ exceedsNode }) => exceedsNode) ? unresolvable(...reasons) : unschedulable(...reasons);
    },
    preScore: ({ requests }) => ({ state: scoredRequests(requests) }),
    score: (_pod, node, wanted) => score(node, wanted),
  };
}
