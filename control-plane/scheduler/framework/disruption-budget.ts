/** What the scheduler caches of a PodDisruptionBudget: how many of its pods may go. */
import { selectorFrom, type Selector } from '../../../api/machinery/selectors.ts';
import type { PodDisruptionBudget } from '../../../api/types/policy/v1.gen.ts';
import type { PodInfo } from './pod-info.ts';

export interface DisruptionBudget {
  readonly namespace: string;
  readonly selector: Selector;
  readonly allowed: number;
  /** Names of pods whose disruption has been counted already. */
  readonly disrupted: ReadonlySet<string>;
}

export const disruptionBudget = ({ metadata, spec, status }: PodDisruptionBudget): DisruptionBudget => ({
  namespace: metadata?.namespace ?? '',
  selector: selectorFrom(spec?.selector),
  allowed: status?.disruptionsAllowed ?? 0,
  disrupted: new Set(Object.keys(status?.disruptedPods ?? {})),
});

/** Splits pods, in their order, into those whose removal would violate a budget and those whose removal would not. */
export function byViolation(
  pods: readonly PodInfo[],
  budgets: readonly DisruptionBudget[],
): { readonly violating: PodInfo[]; readonly others: PodInfo[] } {
  const left = budgets.map(({ allowed }) => allowed);
  const [violating, others]: PodInfo[][] = [[], []];
  for (const pod of pods) {
    let violates = false;
    for (const [index, budget] of budgets.entries()) {
      if (!protects(budget, pod)) continue;
      const remaining = (left[index] ?? 0) - 1;
      left[index] = remaining;
      if (remaining < 0) violates = true;
    }
    (violates ? violating : others)?.push(pod);
  }
  return { violating: violating ?? [], others: others ?? [] };
}

/** An empty selector protects no pod here, as upstream's preemption has it. */
const protects = ({ namespace, selector, disrupted }: DisruptionBudget, pod: PodInfo): boolean =>
  namespace === pod.namespace && !selector.empty && !disrupted.has(pod.name) && selector.matches(pod.labels);
