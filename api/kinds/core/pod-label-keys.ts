/**
 * Puts the values of labels that terms name by their keys into the terms' selectors, so that the pod is scheduled by the labels that it has
 * when it is created. https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#matchlabelkeys
 */
import { own } from '../../machinery/own.ts';
import type { PodAffinityTerm, PodSpec } from '../../types/core/v1.gen.ts';
import type { LabelSelector } from '../../types/meta/v1.gen.ts';

type Labels = Readonly<Record<string, string>>;

/** What is common to terms of affinity and constraints. A term without a selector matches nothing, whatever its keys. */
interface Keyed {
  labelSelector?: LabelSelector;
  readonly matchLabelKeys?: readonly string[];
  readonly mismatchLabelKeys?: readonly string[];
}

function mergeKeys({ labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] }: Keyed, labels: Labels): void {
  if (!labelSelector) return;
  const merged = (keys: readonly string[], operator: 'In' | 'NotIn') =>
    [...new Set(keys)].flatMap((key) => {
      const value = own(labels, key);
      return value === undefined ? [] : [{ key, operator, values: [value] }];
    });
  const requirements = [...merged(matchLabelKeys, 'In'), ...merged(mismatchLabelKeys, 'NotIn')];
  if (requirements.length === 0) return;
  labelSelector.matchExpressions = [...(labelSelector.matchExpressions ?? []), ...requirements];
}

function termsOf({ affinity: { podAffinity, podAntiAffinity } = {} }: PodSpec): PodAffinityTerm[] {
  return [podAffinity, podAntiAffinity].flatMap((affinity) => [
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
  ]);
}

/** Changes the spec of a pod that is being created. */
export function mergeLabelKeys(spec: PodSpec, labels: Labels = {}): void {
  for (const term of termsOf(spec)) mergeKeys(term, labels);
  for (const constraint of spec.topologySpreadConstraints ?? []) mergeKeys(constraint, labels);
}
