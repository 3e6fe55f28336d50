/**
 * The terms of pod affinity and anti-affinity, prepared for matching. Pods of one workload share them.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
 */
import { selectorFrom, type Labels, type Selector } from '../../../api/machinery/selectors.ts';
import { TextCache } from '../../../api/machinery/text-cache.ts';
import type { Affinity, PodAffinityTerm, WeightedPodAffinityTerm } from '../../../api/types/core/v1.gen.ts';

export interface PodTerm {
  /** The same for terms that are alike. */
  readonly id: string;
  readonly topologyKey: string;
  readonly namespaces: ReadonlySet<string>;
  /** Namespaces by their labels, besides those by name. */
  readonly namespaceSelector: Selector | undefined;
  readonly selector: Selector;
  /** Positive for affinity, negative for anti-affinity, 0 for a term that is required. */
  readonly weight: number;
}

export interface PodTerms {
  readonly required: readonly PodTerm[];
  readonly requiredAnti: readonly PodTerm[];
  readonly preferred: readonly PodTerm[];
}

/** What a term or constraint looks at of a pod. */
export interface Matchable {
  readonly namespace: string;
  readonly labels: Labels;
}

/** The labels of a namespace; undefined when it is not known. */
export type NamespaceLabels = (namespace: string) => Labels | undefined;

export const matchesPod = (term: PodTerm, pod: Matchable, namespaceLabels: NamespaceLabels): boolean =>
  matchesNamespace(term, pod.namespace, namespaceLabels) && term.selector.matches(pod.labels);

function matchesNamespace(
  { namespaces, namespaceSelector }: PodTerm,
  namespace: string,
  namespaceLabels: NamespaceLabels,
): boolean {
  if (namespaces.has(namespace)) return true;
  if (!namespaceSelector) return false;
  return namespaceSelector.empty || namespaceSelector.matches(namespaceLabels(namespace));
}

const prepared = new TextCache<PodTerms>();

/** Undefined when there are no terms. Throws SelectorError. */
export function podTerms(affinity: Affinity | undefined, namespace: string): PodTerms | undefined {
  const { podAffinity, podAntiAffinity } = affinity ?? {};
  if (!podAffinity && !podAntiAffinity) return undefined;
  const text = JSON.stringify([namespace, podAffinity, podAntiAffinity]);
  return prepared.get(text, () => termsOf({ podAffinity, podAntiAffinity }, namespace));
}

function termsOf({ podAffinity, podAntiAffinity }: Affinity, namespace: string): PodTerms {
  const one = (term: PodAffinityTerm, weight = 0): PodTerm => termOf(term, namespace, weight);
  const weighted = (terms: readonly WeightedPodAffinityTerm[] | undefined, sign: number): PodTerm[] =>
    (terms ?? []).map(({ podAffinityTerm, weight }) => one(podAffinityTerm, sign * weight));
  return {
    required: (podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => one(term)),
    requiredAnti: (podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => one(term)),
    preferred: [
      ...weighted(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution, 1),
      ...weighted(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution, -1),
    ],
  };
}

function termOf(term: PodAffinityTerm, namespace: string, weight: number): PodTerm {
  const { topologyKey, labelSelector, namespaceSelector } = term;
  const named = term.namespaces ?? [];
  const namespaces = named.length > 0 || namespaceSelector ? named : [namespace];
  return {
    id: JSON.stringify([weight, topologyKey, [...namespaces].sort(), namespaceSelector, labelSelector]),
    topologyKey,
    namespaces: new Set(namespaces),
    namespaceSelector: namespaceSelector && selectorFrom(namespaceSelector),
    selector: selectorFrom(labelSelector),
    weight,
  };
}
