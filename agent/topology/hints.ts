/**
 * On which NUMA nodes a container's resources are to be: each resource says which nodes could give it (hints), and a policy chooses the nodes
 * that suit all. Pure. https://kubernetes.io/docs/tasks/administer-cluster/topology-manager/
 */

/** NUMA nodes, a bit for each. */
export type NodeMask = number;

export interface Hint {
  /** Absent: any. */
  readonly nodes?: NodeMask;
  /** No fewer nodes could give it. */
  readonly isPreferred: boolean;
}

export const TOPOLOGY_POLICIES = ['none', 'best-effort', 'restricted', 'single-numa-node'] as const;
export type TopologyPolicy = (typeof TOPOLOGY_POLICIES)[number];
export const TOPOLOGY_SCOPES = ['container', 'pod'] as const;
export type TopologyScope = (typeof TOPOLOGY_SCOPES)[number];

/** Upstream's limit, unless `max-allowable-numa-nodes` says otherwise: every set of nodes is looked at. */
export const DEFAULT_MAX_NODES = 8;
/** 4,096 sets: what is looked at for each container while it is admitted. */
export const MOST_NODES = 12;
/** Of nodes, in a mask. */
export const MAX_NODE_NUMBER = 30;

export const bitsOf = (mask: NodeMask): number => {
  let bits = 0;
  for (let left = mask; left !== 0; left &= left - 1) bits++;
  return bits;
};
export const maskOf = (nodes: Iterable<number>): NodeMask => {
  let mask = 0;
  for (const node of nodes) if (node >= 0 && node <= MAX_NODE_NUMBER) mask |= 1 << node;
  return mask;
};

export function nodesIn(mask: NodeMask): number[] {
  const nodes: number[] = [];
  for (let node = 0; node <= MAX_NODE_NUMBER; node++) if (mask & (1 << node)) nodes.push(node);
  return nodes;
}

/** All sets of some of the nodes, from the lowest number to the highest. */
export function subsetsOf(allNodes: NodeMask): NodeMask[] {
  const subsets: NodeMask[] = [];
  for (let mask = allNodes; mask !== 0; mask = (mask - 1) & allNodes) subsets.push(mask);
  return subsets.reverse();
}

/** Units of a resource: CPUs or devices, with the nodes that each is on. */
export interface Units {
  /** All that the host has. */
  readonly all: readonly NodeMask[];
  readonly free: readonly NodeMask[];
  /** Those that pass on from containers of the pod: taken in any case. */
  readonly reusable: readonly NodeMask[];
}

/** Every set of nodes that can give so many, those of the smallest size that the host could give it in being preferred. */
export function hintsFor(units: Units, needed: number, allNodes: NodeMask): Hint[] {
  const found: NodeMask[] = [];
  let fewest = bitsOf(allNodes);
  for (const mask of subsetsOf(allNodes)) {
    const on = (some: readonly NodeMask[]): number => some.filter((nodes) => (nodes & mask) !== 0).length;
    if (on(units.all) >= needed) fewest = Math.min(fewest, bitsOf(mask));
    if (on(units.reusable) < units.reusable.length) continue;
    if (on(units.free) + units.reusable.length >= needed) found.push(mask);
  }
  return found.map((nodes) => ({ nodes, isPreferred: bitsOf(nodes) === fewest }));
}

/** How far NUMA nodes are from each other, in the kernel's numbers: by the one, and the other. */
export type Distances = ReadonlyMap<number, ReadonlyMap<number, number>>;

export interface MergeOptions {
  readonly policy: TopologyPolicy;
  readonly allNodes: NodeMask;
  /** Of as many nodes, those that are closest to each other (`prefer-closest-numa-nodes`). */
  readonly distances?: Distances;
}

export interface MergedHint {
  /** Absent: any. */
  readonly nodes?: NodeMask;
  readonly isPreferred: boolean;
  readonly isAdmitted: boolean;
}

/**
 * The nodes for a container or pod, and whether the policy admits it. `hints` are those of each resource that has any; one with none at
 * all cannot be given.
 */
export function mergeHints(hints: readonly (readonly Hint[])[], options: MergeOptions): MergedHint {
  const { policy, allNodes } = options;
  if (policy === 'none') return { isPreferred: false, isAdmitted: true };
  const isSingle = policy === 'single-numa-node';
  const offered = hints.map((some) => {
    const present = some.length > 0 ? some : [{ isPreferred: false }];
    return isSingle ? present.filter(isOfOneNode) : present;
  });
  const isBetter = order(isSingle ? { ...options, distances: undefined } : options);
  const preferred = commonNodes(offered, allNodes).toSorted(isBetter)[0];
  if (preferred !== undefined)
    return { ...((!isSingle || preferred !== allNodes) && { nodes: preferred }), isPreferred: true, isAdmitted: true };
  // What is not admitted is nowhere.
  if (policy !== 'best-effort') return { isPreferred: false, isAdmitted: false };
  const wanted = Math.max(0, ...offered.map(fewestNodes));
  const nodes = intersections(offered, allNodes).toSorted((a, b) => byNeed(a, b, wanted) || isBetter(a, b))[0];
  return { nodes: nodes ?? allNodes, isPreferred: false, isAdmitted: true };
}

const isOfOneNode = ({ nodes, isPreferred }: Hint): boolean =>
  isPreferred && (nodes === undefined || bitsOf(nodes) === 1);

/** The sets of nodes that every resource prefers: all of those that name nodes name the same. */
function commonNodes(offered: readonly (readonly Hint[])[], allNodes: NodeMask): NodeMask[] {
  const resources = offered.map((hints) => {
    const preferred = hints.filter(({ isPreferred }) => isPreferred);
    const named = new Set(preferred.flatMap(({ nodes }) => nodes ?? []));
    return { named, isAnyGood: preferred.some(({ nodes }) => nodes === undefined) };
  });
  const all = new Set(resources.flatMap(({ named }) => [...named]));
  const common = [...all].filter((mask) => resources.every(({ named, isAnyGood }) => isAnyGood || named.has(mask)));
  return resources.every(({ isAnyGood }) => isAnyGood) ? [...new Set([...common, allNodes])] : common;
}

/** What hints have in common, one of each resource in every way: linear in the number of resources. */
function intersections(offered: readonly (readonly Hint[])[], allNodes: NodeMask): NodeMask[] {
  let found = new Set([allNodes]);
  for (const hints of offered) {
    const masks = new Set(hints.map(({ nodes }) => nodes ?? allNodes));
    const next = new Set<NodeMask>();
    for (const one of found) for (const mask of masks) next.add(one & mask);
    found = next;
  }
  found.delete(0);
  return [...found];
}

const fewestNodes = (hints: readonly Hint[]): number => {
  const sizes = hints.flatMap(({ nodes }) => (nodes === undefined ? [] : bitsOf(nodes)));
  return sizes.length === 0 ? 0 : Math.min(...sizes);
};

/** Of as many nodes as the resource needs that needs the most, or else of fewer, but not much fewer. */
function byNeed(a: NodeMask, b: NodeMask, wanted: number): number {
  const [ofA, ofB] = [bitsOf(a), bitsOf(b)];
  const rank = (size: number): number => (size === wanted ? 0 : size < wanted ? 1 : 2);
  return rank(ofA) - rank(ofB) || (ofA < wanted && ofB < wanted ? ofB - ofA : 0);
}

type Order = (a: NodeMask, b: NodeMask) => number;

/** Fewer nodes first, then those that are closer to each other, where that matters, and then those with lower numbers. */
const order =
  ({ distances }: Pick<MergeOptions, 'distances'>): Order =>
  (a, b) =>
    bitsOf(a) - bitsOf(b) || (distances ? averageDistance(a, distances) - averageDistance(b, distances) : 0) || a - b;

function averageDistance(mask: NodeMask, distances: Distances): number {
  const nodes = nodesIn(mask);
  const sum = nodes.reduce(
    (all, from) => all + nodes.reduce((some, to) => some + (distances.get(from)?.get(to) ?? 0), 0),
    0,
  );
  return nodes.length === 0 ? 0 : sum / nodes.length ** 2;
}
