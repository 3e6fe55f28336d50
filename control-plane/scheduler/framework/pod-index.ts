/**
 * Which pods run where, by what others ask of them: counts of the pods that a selector matches, and of the pods that carry a
 * term of affinity. Each count is made once, when it is first asked for, and then changes with each pod and node.
 */
import { own } from '../../../api/machinery/own.ts';
import type { Labels, Selector } from '../../../api/machinery/selectors.ts';
import type { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';
import type { PodTerm } from './pod-terms.ts';
import { change, TopologyCounts } from './topology-counts.ts';

/** Which pods are counted. */
export interface PodMatcher {
  /** The same for matchers that match the same pods. */
  readonly id: string;
  /** The only namespaces in which pods match; undefined for any. */
  readonly namespaces: ReadonlySet<string> | undefined;
  /** A label without which no pod matches: most pods are not looked at then. */
  readonly label?: string | undefined;
  matches(pod: PodInfo): boolean;
}

interface CountedPods {
  readonly matcher: PodMatcher;
  readonly counts: TopologyCounts;
}

/** The pods with one term. */
export interface TermHolders {
  readonly term: PodTerm;
  readonly counts: TopologyCounts;
}

/** Kinds of terms that pods on nodes hold against, or for, a pod that is to be scheduled. */
export type TermKind = 'required' | 'requiredAnti' | 'preferred';
const TERM_KINDS: readonly TermKind[] = ['required', 'requiredAnti', 'preferred'];

/** Counts that have not been asked for longest are forgotten: each may cost a look at every pod that comes or goes. */
const MAX_COUNTED = 2_048;
/** Likewise the topology labels, which pods name as they like. One pod has fewer. */
const MAX_DOMAINS = 512;

export class PodIndex {
  readonly #nodes: ReadonlyMap<string, NodeInfo>;
  /** In the order of their last use. */
  readonly #counted = new Map<string, CountedPods>();
  /** The same by the pods that they may be about (`scopeOf`), so that a pod is not matched with what other workloads count. */
  readonly #scopes = new Map<string, Set<CountedPods>>();
  readonly #holders: Readonly<Record<TermKind, Map<string, TermHolders>>> = {
    required: new Map(),
    requiredAnti: new Map(),
    preferred: new Map(),
  };
  /** How many pods on nodes name each claim, by its key. Those of ephemeral volumes have one pod each and are not counted. */
  readonly #claimUsers = new Map<string, number>();
  /** How many nodes have each value of a label, by label, in the order of their last use; only labels that were asked for. */
  readonly #domains = new Map<string, Map<string, number>>();

  /** @param nodes live: with all pods of which the index is told */
  constructor(nodes: ReadonlyMap<string, NodeInfo>) {
    this.#nodes = nodes;
  }

  /** The pods that match, by node and topology: live. */
  count(matcher: PodMatcher): TopologyCounts {
    const known = this.#counted.get(matcher.id);
    if (known) {
      this.#counted.delete(matcher.id);
      this.#counted.set(matcher.id, known);
      return known.counts;
    }
    const counts = this.#newCounts();
    for (const [name, node] of this.#nodes) {
      let matching = 0;
      for (const pod of node.pods()) if (isCounted(matcher, pod)) matching++;
      if (matching > 0) counts.add(name, matching);
    }
    const [oldest] = this.#counted.values();
    if (oldest && this.#counted.size >= MAX_COUNTED) this.#forget(oldest);
    const counted = { matcher, counts };
    this.#counted.set(matcher.id, counted);
    const scope = scopeOf(matcher);
    this.#scopes.set(scope, (this.#scopes.get(scope) ?? new Set<CountedPods>()).add(counted));
    return counts;
  }

  #forget(counted: CountedPods): void {
    this.#counted.delete(counted.matcher.id);
    const scope = scopeOf(counted.matcher);
    const others = this.#scopes.get(scope);
    others?.delete(counted);
    if (others?.size === 0) this.#scopes.delete(scope);
  }

  /** The terms that pods on nodes have. */
  holders(kind: TermKind): Iterable<TermHolders> {
    return this.#holders[kind].values();
  }

  /** How many pods on nodes name the claim. */
  claimUsers(namespace: string, name: string): number {
    return this.#claimUsers.get(claimKey(namespace, name)) ?? 0;
  }

  /** The values of a topology label, each with the number of nodes that have it: live until many others have been asked for. */
  domains(key: string): ReadonlyMap<string, number> {
    const known = this.#domains.get(key);
    if (known) {
      this.#domains.delete(key);
      this.#domains.set(key, known);
      return known;
    }
    const nodes = new Map<string, number>();
    for (const { facts } of this.#nodes.values()) change(nodes, own(facts.labels, key), 1);
    const [oldest] = this.#domains.keys();
    if (oldest !== undefined && this.#domains.size >= MAX_DOMAINS) this.#domains.delete(oldest);
    this.#domains.set(key, nodes);
    return nodes;
  }

  podAdded(pod: PodInfo, nodeName: string): void {
    this.#changePod(pod, nodeName, 1);
  }

  podRemoved(pod: PodInfo, nodeName: string): void {
    this.#changePod(pod, nodeName, -1);
  }

  nodeAdded({ labels }: { readonly labels: Labels }): void {
    for (const [key, nodes] of this.#domains) change(nodes, own(labels, key), 1);
  }

  /** To be called when its pods were removed. */
  nodeRemoved({ labels }: { readonly labels: Labels }): void {
    for (const [key, nodes] of this.#domains) change(nodes, own(labels, key), -1);
  }

  nodeRelabelled(nodeName: string, old: Labels, now: Labels): void {
    this.nodeRemoved({ labels: old });
    this.nodeAdded({ labels: now });
    for (const { counts } of this.#counted.values()) counts.relabel(nodeName, old, now);
    for (const kind of TERM_KINDS)
      for (const { counts } of this.#holders[kind].values()) counts.relabel(nodeName, old, now);
  }

  #changePod(pod: PodInfo, nodeName: string, by: number): void {
    for (const scope of scopesOf(pod))
      for (const { matcher, counts } of this.#scopes.get(scope) ?? [])
        if (isCounted(matcher, pod)) counts.add(nodeName, by);
    for (const { name, isEphemeral } of pod.claims)
      if (!isEphemeral) change(this.#claimUsers, claimKey(pod.namespace, name), by);
    if (!pod.terms) return;
    for (const kind of TERM_KINDS) {
      const holders = this.#holders[kind];
      for (const term of pod.terms[kind]) {
        const held = holders.get(term.id) ?? { term, counts: this.#newCounts() };
        held.counts.add(nodeName, by);
        if (held.counts.total === 0) holders.delete(term.id);
        else holders.set(term.id, held);
      }
    }
  }

  #newCounts(): TopologyCounts {
    return new TopologyCounts((name) => this.#nodes.get(name)?.facts.labels);
  }
}

const labelText = (key: string, value: string): string => `${key}=${value}`;

/** A label that the selector requires, as `label` of a matcher; undefined when it requires none. */
export function requiredLabel({ requirements }: Selector): string | undefined {
  // Of a ReplicaSet's the last one is its own, while the others are those of the Deployment's pods.
  const required = requirements.findLast(({ operator, values }) => operator === '=' && values.length === 1);
  return required && labelText(required.key, required.values[0] ?? '');
}

/** Pods of every namespace, of one, or those of one with a label. */
const EVERYWHERE = '';
const scopeIn = (namespace: string, label = ''): string => `${namespace}/${label}`;

function scopeOf({ namespaces, label }: PodMatcher): string {
  const [only] = namespaces ?? [];
  return only === undefined || namespaces?.size !== 1 ? EVERYWHERE : scopeIn(only, label);
}

/** The scopes that the pod is in. */
function scopesOf({ namespace, labels }: PodInfo): string[] {
  const scopes = [EVERYWHERE, scopeIn(namespace)];
  for (const [key, value] of Object.entries(labels)) scopes.push(scopeIn(namespace, labelText(key, value)));
  return scopes;
}

const claimKey = (namespace: string, name: string): string => `${namespace}/${name}`;

const isCounted = (matcher: PodMatcher, pod: PodInfo): boolean =>
  (!matcher.namespaces || matcher.namespaces.has(pod.namespace)) && matcher.matches(pod);
