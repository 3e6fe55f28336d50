import { own } from '../../../api/machinery/own.ts';
import { selectorFrom, selectorOf, type Requirement, type Selector } from '../../../api/machinery/selectors.ts';
import type { TopologySpreadConstraint } from '../../../api/types/core/v1.gen.ts';
import type { Cluster } from '../framework/cluster.ts';
import type { NodeFacts, NodeInfo } from '../framework/node-info.ts';
import { isRequiredNode, requiresNodes, toleratesNode } from '../framework/node-requirements.ts';
import { MAX_SCORE, type PluginOf } from '../framework/plugin.ts';
import { requiredLabel, type PodMatcher } from '../framework/pod-index.ts';
import type { PendingPod, PodInfo } from '../framework/pod-info.ts';
import { unresolvable, unschedulable } from '../framework/rejection.ts';
import { change, type TopologyCounts } from '../framework/topology-counts.ts';

const NO_LABEL = unresolvable("node(s) didn't match pod topology spread constraints (missing required label)");
const SKEWED = unschedulable("node(s) didn't match pod topology spread constraints");
const HOSTNAME = 'kubernetes.io/hostname';

/** Upstream's, when a profile has none of its own. */
const SYSTEM_CONSTRAINTS: readonly TopologySpreadConstraint[] = [
  { topologyKey: HOSTNAME, whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 5 },
];

/** The constraints of pods that have none themselves, among those of the same Services and controller. */
export interface PodTopologySpreadSettings {
  readonly defaultingType: 'System' | 'List';
  readonly defaultConstraints: readonly TopologySpreadConstraint[];
}

/** A constraint as one pod has it. */
interface Constraint {
  readonly key: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly selector: Selector;
  readonly honorsAffinity: boolean;
  readonly honorsTaints: boolean;
}

function constraintOf(pod: PendingPod, constraint: TopologySpreadConstraint): Constraint {
  const { topologyKey, maxSkew, minDomains = 1, labelSelector, matchLabelKeys = [] } = constraint;
  const { requirements } = selectorFrom(labelSelector);
  // Those that the api-server has not put into the selector already.
  const keyed = matchLabelKeys.flatMap((key): Requirement[] => {
    const value = own(pod.labels, key);
    return value === undefined ? [] : [{ key, operator: '=', values: [value] }];
  });
  return {
    key: topologyKey,
    maxSkew,
    minDomains,
    selector: keyed.length > 0 && labelSelector ? selectorOf([...requirements, ...keyed]) : selectorFrom(labelSelector),
    honorsAffinity: constraint.nodeAffinityPolicy !== 'Ignore',
    honorsTaints: constraint.nodeTaintsPolicy === 'Honor',
  };
}

type When = TopologySpreadConstraint['whenUnsatisfiable'];

/** A pod that waits is asked about with each event. */
const prepared = new WeakMap<PendingPod, Map<When, readonly Constraint[]>>();

function ownConstraintsOf(pod: PendingPod, when: When): readonly Constraint[] {
  const ofPod = prepared.get(pod) ?? new Map<When, readonly Constraint[]>();
  prepared.set(pod, ofPod);
  const known = ofPod.get(when);
  if (known) return known;
  const constraints = pod.pending.spread
    .filter(({ whenUnsatisfiable }) => whenUnsatisfiable === when)
    .map((constraint) => constraintOf(pod, constraint));
  ofPod.set(when, constraints);
  return constraints;
}

const hasOwnConstraints = ({ pending: { spread } }: PendingPod): boolean => spread.length > 0;

/** Pods that are being deleted do not count. */
const matcherOf = (namespace: string, { selector }: Constraint): PodMatcher => ({
  id: `spread ${namespace} ${JSON.stringify(selector.requirements)} ${selector.empty}`,
  namespaces: new Set([namespace]),
  label: requiredLabel(selector),
  matches: (pod) => !pod.deleting && selector.matches(pod.labels),
});

/** Whether pods on the node count for the constraint. */
const counts = ({ honorsAffinity, honorsTaints }: Constraint, pod: PendingPod, node: NodeFacts): boolean =>
  (!honorsAffinity || isRequiredNode(pod, node)) &&
  (!honorsTaints || toleratesNode(node.taints, pod.pending.tolerations));

/** Whether all nodes that have the label count, so that the live counts are the constraint's. */
const countsEveryNode = ({ honorsAffinity, honorsTaints }: Constraint, pod: PendingPod): boolean =>
  !honorsTaints && (!honorsAffinity || !requiresNodes(pod));

const hasKeys = ({ labels }: NodeFacts, keys: readonly string[]): boolean =>
  keys.every((key) => own(labels, key) !== undefined);

/** The pods that a constraint is about, on the nodes that count for it. */
interface CountedDomains {
  /** Its keys are the values of the topology label that there are. */
  readonly domains: ReadonlyMap<string, number>;
  /** By domain; domains without pods may be missing. */
  readonly pods: ReadonlyMap<string, number>;
  includes(node: NodeFacts): boolean;
}

/** Of nodes with all of these labels. */
function countedDomains(
  pod: PendingPod,
  constraint: Constraint,
  keys: readonly string[],
  counted: TopologyCounts,
  { nodes, pods }: Cluster,
): CountedDomains {
  const { key } = constraint;
  const includes = (node: NodeFacts): boolean => hasKeys(node, keys) && counts(constraint, pod, node);
  const haveAll = (label: string): boolean => {
    let having = 0;
    for (const count of pods.domains(label).values()) having += count;
    return having === nodes.length;
  };
  if (countsEveryNode(constraint, pod) && keys.every(haveAll)) {
    return { domains: pods.domains(key), pods: counted.byValue(key), includes };
  }
  const anew = new Map<string, number>();
  for (const { facts } of nodes) {
    const value = own(facts.labels, key);
    if (value === undefined || !includes(facts)) continue;
    anew.set(value, (anew.get(value) ?? 0) + counted.onNode(facts.name));
  }
  return { domains: anew, pods: anew, includes };
}

/** How the pods that a constraint is about are spread over the domains: the values of its topology label. */
class Spread {
  readonly constraint: Constraint;
  /** 1 when the pod itself will be counted. */
  readonly self: number;
  readonly #counted: CountedDomains;
  /** What differs in a what-if. */
  readonly #changes: Map<string, number>;
  #fewest: number | undefined;

  constructor(constraint: Constraint, self: number, counted: CountedDomains, changes = new Map<string, number>()) {
    this.constraint = constraint;
    this.self = self;
    this.#counted = counted;
    this.#changes = changes;
  }

  clone(): Spread {
    return new Spread(this.constraint, this.self, this.#counted, new Map(this.#changes));
  }

  change(pod: PodInfo, node: NodeFacts, by: number): void {
    if (!this.constraint.selector.matches(pod.labels) || !this.#counted.includes(node)) return;
    change(this.#changes, own(node.labels, this.constraint.key), by);
    this.#fewest = undefined;
  }

  in(value: string): number {
    const { domains, pods } = this.#counted;
    if (!domains.has(value)) return 0;
    return (pods.get(value) ?? 0) + (this.#changes.get(value) ?? 0);
  }

  /** In the domain with the fewest pods; 0 when there are not enough domains. */
  get fewest(): number {
    if (this.#fewest !== undefined) return this.#fewest;
    const { domains } = this.#counted;
    let fewest = domains.size < this.constraint.minDomains ? 0 : Infinity;
    if (fewest > 0) for (const value of domains.keys()) fewest = Math.min(fewest, this.in(value));
    return (this.#fewest = fewest);
  }
}

interface SpreadState {
  readonly spreads: readonly Spread[];
  readonly namespace: string;
}

function spreadsOf(pod: PendingPod, constraints: readonly Constraint[], cluster: Cluster): Spread[] {
  const keys = constraints.map(({ key }) => key);
  return constraints.map((constraint) => {
    const counted = cluster.pods.count(matcherOf(pod.namespace, constraint));
    const self = constraint.selector.matches(pod.labels) ? 1 : 0;
    return new Spread(constraint, self, countedDomains(pod, constraint, keys, counted, cluster));
  });
}

function changePod({ spreads, namespace }: SpreadState, pod: PodInfo, { facts }: NodeInfo, by: number): void {
  if (pod.namespace !== namespace || pod.deleting) return;
  for (const spread of spreads) spread.change(pod, facts, by);
}

/** What the pod asks to be preferred, for the nodes that can take it. */
interface SpreadScores {
  readonly constraints: readonly ScoredConstraint[];
  /** Labels without which a node is no choice. */
  readonly keys: readonly string[];
}

interface ScoredConstraint extends Constraint {
  /** Fewer domains weigh less, so that a constraint on zones does not drown one on hosts. */
  readonly weight: number;
  podsOn(node: NodeInfo): number;
}

function scoredOf(
  pod: PendingPod,
  constraint: Constraint,
  keys: readonly string[],
  feasible: readonly NodeInfo[],
  cluster: Cluster,
): ScoredConstraint {
  const { key } = constraint;
  const counted = cluster.pods.count(matcherOf(pod.namespace, constraint));
  if (key === HOSTNAME) {
    const usable = feasible.filter(({ facts }) => hasKeys(facts, keys)).length;
    return { ...constraint, weight: weightOf(usable), podsOn: ({ facts }) => counted.onNode(facts.name) };
  }
  const { pods } = countedDomains(pod, constraint, keys, counted, cluster);
  const domainOf = ({ facts }: NodeInfo): string => own(facts.labels, key) ?? '';
  const domains = new Set(feasible.filter(({ facts }) => hasKeys(facts, keys)).map(domainOf));
  return { ...constraint, weight: weightOf(domains.size), podsOn: (node) => pods.get(domainOf(node)) ?? 0 };
}

const weightOf = (domains: number): number => Math.log(domains + 2);

/** The score of a node that lacks a label: it is no choice. */
const NO_CHOICE = -1;

/**
 * Spreads the pods of a workload over zones, hosts or other domains.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
 */
export function podTopologySpreadOf(settings: PodTopologySpreadSettings): PluginOf<SpreadState, SpreadScores> {
  const isSystem = settings.defaultingType === 'System';
  const defaults = Map.groupBy(
    isSystem ? SYSTEM_CONSTRAINTS : settings.defaultConstraints,
    ({ whenUnsatisfiable }) => whenUnsatisfiable,
  );

  function constraintsOf(pod: PendingPod, when: When, { workloads }: Cluster): readonly Constraint[] {
    if (hasOwnConstraints(pod)) return ownConstraintsOf(pod, when);
    const common = defaults.get(when);
    const selector = common && workloads.selectorFor(pod);
    return selector ? common.map((constraint) => ({ ...constraintOf(pod, constraint), selector })) : [];
  }

  /** Of a pod without constraints of its own, the workload is not known here: it may be any pod of the namespace. */
  function isSpreadWith(pod: PendingPod, { pod: other }: { readonly pod: PodInfo }): boolean {
    if (other.namespace !== pod.namespace) return false;
    if (!hasOwnConstraints(pod)) return defaults.has('DoNotSchedule');
    return ownConstraintsOf(pod, 'DoNotSchedule').some(({ selector }) => selector.matches(other.labels));
  }

  return {
    name: 'PodTopologySpread',
    queueingHints: {
      NodeAdd: () => true,
      UpdateNodeLabel: () => true,
      UpdateNodeTaint: () => true,
      AssignedPodAdd: isSpreadWith,
      AssignedPodDelete: isSpreadWith,
      UpdatePodLabel: () => true,
    },
    preFilter: (pod, cluster) => {
      const constraints = constraintsOf(pod, 'DoNotSchedule', cluster);
      if (constraints.length === 0) return 'skip';
      return { state: { spreads: spreadsOf(pod, constraints, cluster), namespace: pod.namespace } };
    },
    preFilterExtensions: {
      clone: (state) => ({ ...state, spreads: state.spreads.map((spread) => spread.clone()) }),
      addPod: (state, added, node) => changePod(state, added, node, 1),
      removePod: (state, removed, node) => changePod(state, removed, node, -1),
    },
    filter: (_pod, { facts }, { spreads }) => {
      for (const spread of spreads) {
        const value = own(facts.labels, spread.constraint.key);
        if (value === undefined) return NO_LABEL;
        if (spread.in(value) + spread.self - spread.fewest > spread.constraint.maxSkew) return SKEWED;
      }
      return undefined;
    },
    preScore: (pod, feasible, cluster) => {
      const constraints = constraintsOf(pod, 'ScheduleAnyway', cluster);
      if (constraints.length === 0) return 'skip';
      // As upstream: nodes without a zone are spread over nevertheless, unless somebody asked for zones.
      const keys = isSystem && !hasOwnConstraints(pod) ? [] : constraints.map(({ key }) => key);
      const scored = constraints.map((constraint) => scoredOf(pod, constraint, keys, feasible, cluster));
      return { state: { constraints: scored, keys } };
    },
    score: (_pod, node, { constraints, keys }) => {
      if (!hasKeys(node.facts, keys)) return NO_CHOICE;
      let sum = 0;
      for (const constraint of constraints)
        if (own(node.facts.labels, constraint.key) !== undefined)
          sum += constraint.podsOn(node) * constraint.weight + constraint.maxSkew - 1;
      return Math.round(sum);
    },
    normalize: (scores) => {
      const choices = scores.filter((score) => score !== NO_CHOICE);
      const [lowest, highest] = [Math.min(...choices), Math.max(...choices)];
      return scores.map((score) => {
        if (score === NO_CHOICE) return 0;
        return highest === 0 ? MAX_SCORE : Math.floor((MAX_SCORE * (highest + lowest - score)) / highest);
      });
    },
    weight: 2,
  };
}
