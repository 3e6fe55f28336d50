import { own } from '../../../api/machinery/own.ts';
import type { Cluster } from '../framework/cluster.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import { MAX_SCORE, type PluginOf } from '../framework/plugin.ts';
import type { PodMatcher, TermHolders } from '../framework/pod-index.ts';
import type { PendingPod, PodInfo } from '../framework/pod-info.ts';
import { matchesPod, type Matchable, type PodTerm } from '../framework/pod-terms.ts';
import { unresolvable, unschedulable } from '../framework/rejection.ts';
import { change } from '../framework/topology-counts.ts';

const NO_AFFINITY = unresolvable("node(s) didn't match pod affinity rules");
const ANTI_AFFINITY = unschedulable("node(s) didn't match pod anti-affinity rules");
const EXISTING_ANTI_AFFINITY = unschedulable("node(s) didn't satisfy existing pods anti-affinity rules");

export interface InterPodAffinitySettings {
  /** What a required affinity of a pod on a node counts in the score. */
  readonly hardPodAffinityWeight: number;
  /** What pods on nodes prefer does not count for a pod that prefers nothing itself. */
  readonly ignorePreferredTermsOfExistingPods: boolean;
}

/** How many pods that a term is about run where a topology label has a value: the live count, and what a what-if changes. */
class Counted {
  readonly key: string;
  readonly matches: (pod: PodInfo) => boolean;
  readonly #live: ReadonlyMap<string, number>;
  readonly #changes: Map<string, number>;

  constructor(
    key: string,
    live: ReadonlyMap<string, number>,
    matches: (pod: PodInfo) => boolean,
    changes = new Map<string, number>(),
  ) {
    this.key = key;
    this.matches = matches;
    this.#live = live;
    this.#changes = changes;
  }

  clone(): Counted {
    return new Counted(this.key, this.#live, this.matches, new Map(this.#changes));
  }

  /** Undefined for a node without the topology label. */
  on(node: NodeInfo): number | undefined {
    const value = own(node.facts.labels, this.key);
    if (value === undefined) return undefined;
    return (this.#live.get(value) ?? 0) + (this.#changes.get(value) ?? 0);
  }

  get isEmpty(): boolean {
    if (this.#changes.size === 0) return this.#live.size === 0;
    for (const value of new Set([...this.#live.keys(), ...this.#changes.keys()]))
      if ((this.#live.get(value) ?? 0) + (this.#changes.get(value) ?? 0) > 0) return false;
    return true;
  }

  change(pod: PodInfo, node: NodeInfo, by: number): void {
    if (this.matches(pod)) change(this.#changes, own(node.facts.labels, this.key), by);
  }
}

interface AffinityState {
  /** For each term the pod requires: the pods that match all of its terms. */
  readonly required: readonly Counted[];
  /** The pod matches its own terms: the first of its kind may run anywhere. */
  readonly matchesItself: boolean;
  readonly anti: readonly Counted[];
  /** The pods that reject this one. */
  readonly against: readonly Counted[];
}

/** Counts pods that match all the terms. Namespaces are matched by the labels that they have now. */
function matcherOf(terms: readonly PodTerm[], { namespaceLabels, namespacesVersion }: Cluster): PodMatcher {
  const isByLabels = terms.some(({ namespaceSelector }) => namespaceSelector && !namespaceSelector.empty);
  const [only, ...others] = terms;
  return {
    id: `affinity ${isByLabels ? namespacesVersion : ''} ${terms.map(({ id }) => id).join(' ')}`,
    namespaces: only && others.length === 0 && !only.namespaceSelector ? only.namespaces : undefined,
    matches: (pod) => terms.every((term) => matchesPod(term, pod, namespaceLabels)),
  };
}

function countedOf(term: PodTerm, matcher: PodMatcher, { pods }: Cluster): Counted {
  return new Counted(term.topologyKey, pods.count(matcher).byValue(term.topologyKey), (pod) => matcher.matches(pod));
}

const holds = (pod: PodInfo, { id }: PodTerm): boolean =>
  pod.terms?.requiredAnti.some((term) => term.id === id) ?? false;

function stateOf(pod: PendingPod, cluster: Cluster): AffinityState {
  const { required = [], requiredAnti = [] } = pod.terms ?? {};
  const all = matcherOf(required, cluster);
  const matching = [...cluster.pods.holders('requiredAnti')].filter(({ term }) => isAbout(term, pod, cluster));
  return {
    required: required.map((term) => countedOf(term, all, cluster)),
    matchesItself: all.matches(pod),
    anti: requiredAnti.map((term) => countedOf(term, matcherOf([term], cluster), cluster)),
    against: matching.map(({ term, counts }) => {
      const { topologyKey } = term;
      return new Counted(topologyKey, counts.byValue(topologyKey), (other) => holds(other, term));
    }),
  };
}

const isAbout = (term: PodTerm, pod: Matchable, { namespaceLabels }: Cluster): boolean =>
  matchesPod(term, pod, namespaceLabels);

function hasRequired({ required, matchesItself }: AffinityState, node: NodeInfo): boolean {
  let missing = false;
  for (const counted of required) {
    const count = counted.on(node);
    if (count === undefined) return false;
    if (count <= 0) missing = true;
  }
  return !missing || (matchesItself && required.every(({ isEmpty }) => isEmpty));
}

const isOnNode = (counted: Counted, node: NodeInfo): boolean => (counted.on(node) ?? 0) > 0;

/** By topology key, then by its value: the sum of the weights of the terms that are met there. */
class TopologyScores {
  readonly #byKey = new Map<string, Map<string, number>>();

  add({ topologyKey }: PodTerm, counts: ReadonlyMap<string, number>, weight: number): void {
    const scores = this.#byKey.get(topologyKey) ?? new Map<string, number>();
    for (const [value, count] of counts) scores.set(value, (scores.get(value) ?? 0) + count * weight);
    if (scores.size > 0) this.#byKey.set(topologyKey, scores);
  }

  get isEmpty(): boolean {
    return this.#byKey.size === 0;
  }

  of({ facts: { labels } }: NodeInfo): number {
    let sum = 0;
    for (const [key, scores] of this.#byKey) sum += scores.get(own(labels, key) ?? '') ?? 0;
    return sum;
  }
}

function preferencesOf(pod: PendingPod, cluster: Cluster, requiredWeight: number): TopologyScores {
  const scores = new TopologyScores();
  for (const term of pod.terms?.preferred ?? []) {
    const counts = cluster.pods.count(matcherOf([term], cluster));
    scores.add(term, counts.byValue(term.topologyKey), term.weight);
  }
  const addHolders = ({ term, counts }: TermHolders, weight: number): void => {
    if (isAbout(term, pod, cluster)) scores.add(term, counts.byValue(term.topologyKey), weight);
  };
  if (requiredWeight > 0) for (const held of cluster.pods.holders('required')) addHolders(held, requiredWeight);
  for (const held of cluster.pods.holders('preferred')) addHolders(held, held.term.weight);
  return scores;
}

/** Whether one of the terms may be about the pod. Which labels its namespace has is left open. */
const mayMeet = (terms: readonly PodTerm[] | undefined, { namespace, labels }: Matchable): boolean =>
  terms?.some((term) => (term.namespaces.has(namespace) || term.namespaceSelector) && term.selector.matches(labels)) ??
  false;

/** Whether the pod may have been rejected because of one that is gone: also as the first of its kind, which it was not. */
const mayFree = (pod: PendingPod, gone: PodInfo): boolean =>
  mayMeet(pod.terms?.requiredAnti, gone) ||
  mayMeet(pod.terms?.required, gone) ||
  mayMeet(gone.terms?.requiredAnti, pod);

/**
 * Pod affinity and anti-affinity, of the pod and of those that run already.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
 */
export const interPodAffinityOf = ({
  hardPodAffinityWeight,
  ignorePreferredTermsOfExistingPods,
}: InterPodAffinitySettings): PluginOf<AffinityState, TopologyScores> => ({
  name: 'InterPodAffinity',
  queueingHints: {
    NodeAdd: () => true,
    UpdateNodeLabel: () => true,
    AssignedPodAdd: ({ terms }, { pod: added }) => mayMeet(terms?.required, added),
    AssignedPodDelete: (pod, { pod: gone }) => mayFree(pod, gone),
    UpdatePodLabel: (pod, { old, pod: now }) => mayMeet(pod.terms?.required, now) || mayFree(pod, old),
    UpdateNamespaceLabel: ({ terms }) => terms !== undefined,
  },
  preFilter: (pod, cluster) => {
    const state = stateOf(pod, cluster);
    return state.required.length + state.anti.length + state.against.length > 0 ? { state } : 'skip';
  },
  preFilterExtensions: {
    clone: (state) => ({
      ...state,
      required: state.required.map((counted) => counted.clone()),
      anti: state.anti.map((counted) => counted.clone()),
      against: state.against.map((counted) => counted.clone()),
    }),
    addPod: (state, added, node) => changeAll(state, added, node, 1),
    removePod: (state, removed, node) => changeAll(state, removed, node, -1),
  },
  filter: (_pod, node, state) => {
    if (!hasRequired(state, node)) return NO_AFFINITY;
    if (state.anti.some((counted) => isOnNode(counted, node))) return ANTI_AFFINITY;
    return state.against.some((counted) => isOnNode(counted, node)) ? EXISTING_ANTI_AFFINITY : undefined;
  },
  preScore: (pod, _feasible, cluster) => {
    if (ignorePreferredTermsOfExistingPods && !pod.terms?.preferred.length) return 'skip';
    const state = preferencesOf(pod, cluster, hardPodAffinityWeight);
    return state.isEmpty ? 'skip' : { state };
  },
  score: (_pod, node, scores) => scores.of(node),
  normalize: (scores) => {
    const [lowest, highest] = [Math.min(...scores), Math.max(...scores)];
    const range = highest - lowest;
    return scores.map((score) => (range === 0 ? 0 : Math.floor((MAX_SCORE * (score - lowest)) / range)));
  },
  weight: 2,
});

function changeAll({ required, anti, against }: AffinityState, pod: PodInfo, node: NodeInfo, by: number): void {
  for (const counted of [...required, ...anti, ...against]) counted.change(pod, node, by);
}
