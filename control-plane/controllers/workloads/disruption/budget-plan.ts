/** How many pods of a PodDisruptionBudget may be evicted. Pure. Upstream: pkg/controller/disruption. */
import { scaledValue } from '../../../../api/machinery/int-or-string.ts';
import { own, setOwn } from '../../../../api/machinery/own.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import type { PodView } from '../../caches/pod-view.ts';
import type { Condition } from '../../../../api/types/meta/v1.gen.ts';
import type {
  PodDisruptionBudget,
  PodDisruptionBudgetSpec,
  PodDisruptionBudgetStatus,
} from '../../../../api/types/policy/v1.gen.ts';

/** An evicted pod that has not been deleted after so long will not be: it counts as healthy again. */
export const DELETION_TIMEOUT_MS = 120_000;

/** Whether the budget is about the scale of the pods' controllers, and not about the pods alone. */
export const countsScale = ({ minAvailable, maxUnavailable }: PodDisruptionBudgetSpec): boolean =>
  maxUnavailable !== undefined || typeof minAvailable === 'string';

export interface BudgetState {
  readonly budget: PodDisruptionBudget;
  /** Those that its selector matches. */
  readonly pods: readonly PodView[];
  /** How many there should be: the scale of their controllers, or their number where only that counts. */
  readonly expected: number;
  /** ms since the epoch. */
  readonly now: number;
}

export interface BudgetPlan {
  readonly status: PodDisruptionBudgetStatus;
  /** Evicted, and not deleted in time. */
  readonly notDeleted: readonly PodView[];
  /** In how many ms the next of the evicted ones is late. */
  readonly againInMs: number | undefined;
}

export function planBudget({ budget, pods, expected, now }: BudgetState): BudgetPlan {
  const { metadata, spec = {}, status } = budget;
  const { disruptedPods, notDeleted, againInMs } = disruptions(budget, pods, now);
  const isHealthy = ({ name, deleting, ready }: PodView): boolean =>
    ready && !deleting && own(disruptedPods, name) === undefined;
  const currentHealthy = pods.filter(isHealthy).length;
  const desiredHealthy = desired(spec, expected);
  // Pods that a budget without any gets are protected before the controller has seen them.
  const disruptionsAllowed = expected > 0 ? Math.max(0, currentHealthy - desiredHealthy) : 0;
  const observedGeneration = metadata?.generation ?? 0;
  const isAllowed = disruptionsAllowed > 0;
  const conditions = withAllowed(status?.conditions, {
    status: isAllowed ? 'True' : 'False',
    reason: isAllowed ? 'SufficientPods' : 'InsufficientPods',
    ...{ message: '', observedGeneration, now },
  });
  return {
    status: {
      ...{ currentHealthy, desiredHealthy, expectedPods: expected, disruptionsAllowed, observedGeneration, conditions },
      ...(Object.keys(disruptedPods).length > 0 && { disruptedPods }),
    },
    notDeleted,
    againInMs,
  };
}

/** Nothing may be evicted while it is unknown how many pods there should be. */
export function failedStatus({ status }: PodDisruptionBudget, message: string, now: number): PodDisruptionBudgetStatus {
  const { observedGeneration = 0, conditions } = status ?? {};
  const failed = { status: 'False', reason: 'SyncFailed', message, observedGeneration, now };
  return {
    ...{ currentHealthy: 0, desiredHealthy: 0, expectedPods: 0, ...status },
    disruptionsAllowed: 0,
    conditions: withAllowed(conditions, failed),
  };
}

function desired({ minAvailable, maxUnavailable }: PodDisruptionBudgetSpec, expected: number): number {
  if (maxUnavailable !== undefined) return Math.max(0, expected - scaledValue(maxUnavailable, expected, 'up'));
  return minAvailable === undefined ? 0 : scaledValue(minAvailable, expected, 'up');
}

/** The evicted pods that are still to be deleted. */
function disruptions({ status }: PodDisruptionBudget, pods: readonly PodView[], now: number) {
  const disruptedPods: Record<string, string> = {};
  const notDeleted: PodView[] = [];
  let againInMs: number | undefined;
  for (const pod of pods) {
    const evictedAt = own(status?.disruptedPods, pod.name);
    if (evictedAt === undefined || pod.deleting) continue;
    const leftMs = Date.parse(evictedAt) + DELETION_TIMEOUT_MS - now;
    if (leftMs > 0) {
      setOwn(disruptedPods, pod.name, evictedAt);
      againInMs = Math.min(againInMs ?? Infinity, leftMs);
    } else notDeleted.push(pod);
  }
  return { disruptedPods, notDeleted, againInMs };
}

const DISRUPTION_ALLOWED = 'DisruptionAllowed';

interface Allowed {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly now: number;
}

/** In its place among the conditions, as the eviction API changes it, too. */
function withAllowed(conditions: readonly Condition[] = [], { now, ...wanted }: Allowed): Condition[] {
  const before = conditions.find(({ type }) => type === DISRUPTION_ALLOWED);
  const lastTransitionTime = before?.status === wanted.status ? before.lastTransitionTime : timeOf(now);
  const condition: Condition = { type: DISRUPTION_ALLOWED, ...wanted, lastTransitionTime };
  return before ? conditions.map((each) => (each === before ? condition : each)) : [...conditions, condition];
}
