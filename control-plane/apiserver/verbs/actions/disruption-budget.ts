/** What a PodDisruptionBudget says of an eviction: upstream's `checkAndDecrement`. */
import { podDisruptionBudgets } from '../../../../api/kinds/policy/pod-disruption-budget.ts';
import { selectorFrom } from '../../../../api/machinery/selectors.ts';
import { forbidden, StatusError, tooManyRequests } from '../../../../api/machinery/status-error.ts';
import { setOwn } from '../../../../api/machinery/own.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import type { Pod } from '../../../../api/types/core/v1.gen.ts';
import type { Condition } from '../../../../api/types/meta/v1.gen.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../../../api/types/policy/v1.gen.ts';

const VIOLATION = "Cannot evict pod as it would violate the pod's disruption budget.";
const DISRUPTION_ALLOWED = 'DisruptionAllowed';
/** Evicted pods that the controller has not seen to be gone. */
const MAX_DISRUPTED_PODS = 2000;
/** Upstream names its resource so in messages about a budget. */
const NAMED = { group: podDisruptionBudgets.group, plural: 'poddisruptionbudget' };

function violation(message: string, retryAfterSeconds: number): StatusError {
  const { status } = tooManyRequests(VIOLATION, retryAfterSeconds);
  return new StatusError({
    ...status,
    details: { ...status.details, causes: [{ reason: 'DisruptionBudget', message }] },
  });
}

/** The budget's controller has yet to see something. */
export const stillProcessed = (name: string): StatusError =>
  violation(`The disruption budget ${name} is still being processed by the server.`, 10);

export const budgetsOf = (pod: Pod, budgets: readonly PodDisruptionBudget[]): PodDisruptionBudget[] =>
  budgets.filter(({ spec }) => selectorFrom(spec?.selector).matches(pod.metadata?.labels));

/** Pods that do not serve any more, or not yet, are not protected. */
export const isUnprotected = ({ metadata, status }: Pod): boolean =>
  metadata?.deletionTimestamp !== undefined || ['Succeeded', 'Failed', 'Pending'].includes(status?.phase ?? '');

const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;

/** Whether the pod may go without counting, because it is not ready: `unhealthyPodEvictionPolicy`, KEP-3017. */
export function isUncounted(pod: Pod, { spec, status }: PodDisruptionBudget): boolean {
  if (isReady(pod)) return false;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow' || (currentHealthy >= desiredHealthy && desiredHealthy > 0);
}

function refusal(name: string, { currentHealthy = 0, desiredHealthy = 0, conditions }: PodDisruptionBudgetStatus) {
  const condition = conditions?.find(({ type }) => type === DISRUPTION_ALLOWED);
  const why = condition?.status === 'False' && condition.message !== '' ? condition : undefined;
  const budget = `The disruption budget ${name}`;
  if (why?.reason === 'SyncFailed') {
    return `${budget} does not allow evicting pods currently because it failed sync: ${why.message}`;
  }
  if (currentHealthy <= desiredHealthy) {
    return `${budget} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  }
  return `${budget} does not allow evicting pods currently${why ? ` (${why.reason}): ${why.message}` : ''}`;
}

function exhausted({ conditions = [], observedGeneration }: PodDisruptionBudgetStatus, now: number): Condition[] {
  const before = conditions.find(({ type }) => type === DISRUPTION_ALLOWED);
  const condition: Condition = {
    type: DISRUPTION_ALLOWED,
    status: 'False',
    reason: 'InsufficientPods',
    message: '',
    observedGeneration,
    lastTransitionTime: before?.status === 'False' ? before.lastTransitionTime : timeOf(now),
  };
  return before ? conditions.map((each) => (each === before ? condition : each)) : [...conditions, condition];
}

/** The status after one more disruption, of this pod. Throws a 429 StatusError when the budget does not allow it. */
export function charge(budget: PodDisruptionBudget, podName: string, now: number): PodDisruptionBudgetStatus {
  const { metadata: { name = '', generation = 0 } = {}, status = {} } = budget;
  const { disruptionsAllowed = 0, disruptedPods, observedGeneration = 0 } = status;
  if (observedGeneration < generation) throw stillProcessed(name);
  if (disruptionsAllowed < 0) throw forbidden(NAMED, name, 'pdb disruptions allowed is negative');
  if (Object.keys(disruptedPods ?? {}).length > MAX_DISRUPTED_PODS) {
    const why = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller';
    throw forbidden(NAMED, name, why);
  }
  if (disruptionsAllowed === 0) throw violation(refusal(name, status), 0);
  const disrupted = { ...disruptedPods };
  setOwn(disrupted, podName, timeOf(now));
  const left = disruptionsAllowed - 1;
  return {
    ...status,
    disruptionsAllowed: left,
    disruptedPods: disrupted,
    conditions: left === 0 ? exhausted(status, now) : status.conditions,
  };
}
