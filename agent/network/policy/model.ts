/** Which policies isolate which pods, and which pods a policy's selectors mean: pure, by the cluster's pods and namespaces. */
import type { Labels } from '../../../api/machinery/selectors.ts';
import { readGroup, type PodFacts, type PodGroup } from './pod-facts.ts';
import type { Direction, PodSelection, PolicyFacts } from './policy-facts.ts';

export interface Cluster {
  readonly policies: Iterable<PolicyFacts>;
  /** The labels of each namespace. */
  readonly namespaces: ReadonlyMap<string, Labels>;
  /** All that policies may mean, those of this node among them. */
  readonly pods: Iterable<PodFacts>;
  /** Those of this node, whose traffic is judged here. */
  readonly local: readonly PodFacts[];
}

/** A pod of this node that accepts, in this direction, what these policies allow and nothing else. */
export interface Isolation {
  readonly pod: PodFacts;
  readonly direction: Direction;
  /** By name. */
  readonly policies: readonly PolicyFacts[];
}

const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];

export function isolations({ policies, local }: Pick<Cluster, 'policies' | 'local'>): Isolation[] {
  const byNamespace = Map.groupBy(policies, ({ namespace }) => namespace);
  const byGroup = new Map<string, readonly Omit<Isolation, 'pod'>[]>();
  return local.flatMap((pod) => {
    if (pod.addresses.length === 0) return [];
    const found = byGroup.getOrInsertComputed(pod.group, (group) => isolationsOf(readGroup(group), byNamespace));
    return found.map((isolation) => ({ ...isolation, pod }));
  });
}

function isolationsOf(
  { namespace, labels }: PodGroup,
  byNamespace: ReadonlyMap<string, readonly PolicyFacts[]>,
): Omit<Isolation, 'pod'>[] {
  const selecting = (byNamespace.get(namespace) ?? []).filter(({ pods }) => pods.matches(labels));
  return DIRECTIONS.flatMap((direction) => {
    const policies = selecting
      .filter((policy) => policy[direction] !== undefined)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return policies.length > 0 ? [{ direction, policies }] : [];
  });
}

interface GroupedPods extends PodGroup {
  readonly pods: PodFacts[];
}

/** Pods by namespace and labels, so that a selector is asked once for all that are the same to it. */
export class PodIndex {
  readonly #namespaces: ReadonlyMap<string, Labels>;
  readonly #groups = new Map<string, GroupedPods>();
  readonly #byNamespace = new Map<string, GroupedPods[]>();

  constructor({ namespaces, pods }: Pick<Cluster, 'namespaces' | 'pods'>) {
    this.#namespaces = namespaces;
    for (const pod of pods) if (pod.addresses.length > 0) this.#add(pod);
  }

  #add(pod: PodFacts): void {
    const group = this.#groups.getOrInsertComputed(pod.group, () => this.#newGroup(pod.group));
    group.pods.push(pod);
  }

  #newGroup(key: string): GroupedPods {
    const group = { ...readGroup(key), pods: [] };
    this.#byNamespace.getOrInsertComputed(group.namespace, () => []).push(group);
    return group;
  }

  /** Each at least once. */
  *selected(selections: readonly PodSelection[]): Iterable<PodFacts> {
    for (const { namespaces, pods } of selections)
      for (const namespace of this.#named(namespaces))
        for (const group of this.#byNamespace.get(namespace) ?? []) if (pods.matches(group.labels)) yield* group.pods;
  }

  /** All of the cluster. */
  *all(): Iterable<PodFacts> {
    for (const { pods } of this.#groups.values()) yield* pods;
  }

  *#named(namespaces: PodSelection['namespaces']): Iterable<string> {
    if (typeof namespaces === 'string') yield namespaces;
    else
      for (const namespace of this.#byNamespace.keys())
        if (namespaces.empty || namespaces.matches(this.#namespaces.get(namespace))) yield namespace;
  }
}
