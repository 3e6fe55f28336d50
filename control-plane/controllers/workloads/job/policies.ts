/**
 * What a Job's policies say of its pods: which failures count, and which indexes are enough.
 * https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy and #success-policy
 */
import type { FailedContainer } from '../../caches/job-pod.ts';
import { IndexSet } from './index-set.ts';
import type { JobPod } from './job-pods.ts';
import type {
  PodFailurePolicy,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyRule,
  SuccessPolicy,
} from '../../../../api/types/batch/v1.gen.ts';

/** What a failed pod means for its Job. */
export interface FailureVerdict {
  /** Of the rule that matches. */
  readonly action?: PodFailurePolicyRule['action'];
  /** Whether it counts towards the back-off limits. */
  readonly counts: boolean;
  /** Why the Job fails with it. */
  readonly message?: string;
}

const COUNTS: FailureVerdict = { counts: true };

/** By the first rule that matches. */
export function judgeFailure(policy: PodFailurePolicy | undefined, pod: JobPod): FailureVerdict {
  for (const [index, rule] of (policy?.rules ?? []).entries()) {
    const cause = causeOf(rule, pod);
    if (cause === undefined) continue;
    const { action } = rule;
    const message = action === 'FailJob' ? `${cause} matching ${action} rule at index ${index}` : undefined;
    return { action, counts: action !== 'Ignore', message };
  }
  return COUNTS;
}

/** What of the pod matches the rule, in upstream's words. */
function causeOf({ onExitCodes, onPodConditions }: PodFailurePolicyRule, pod: JobPod): string | undefined {
  const name = `${pod.namespace}/${pod.name}`;
  if (onExitCodes) {
    const container = pod.job.failedContainers.find((each) => matchesExitCode(onExitCodes, each));
    return container && `Container ${container.name} for pod ${name} failed with exit code ${container.exitCode}`;
  }
  const condition = pod.job.conditions.find(({ type, status }) =>
    onPodConditions?.some((pattern) => pattern.type === type && pattern.status === status),
  );
  return condition && `Pod ${name} has condition ${condition.type}`;
}

function matchesExitCode(
  { containerName, operator, values }: PodFailurePolicyOnExitCodesRequirement,
  { name, exitCode }: FailedContainer,
): boolean {
  if (containerName !== undefined && containerName !== name) return false;
  return values.includes(exitCode) === (operator === 'In');
}

/** The index of the rule that the succeeded indexes meet; undefined when there is none. */
export function metSuccessRule(
  policy: SuccessPolicy | undefined,
  succeeded: IndexSet,
  completions: number,
): number | undefined {
  if (succeeded.size === 0) return undefined;
  const index = (policy?.rules ?? []).findIndex(({ succeededIndexes, succeededCount = Infinity }) => {
    if (succeededIndexes === undefined) return succeeded.size >= succeededCount;
    const wanted = IndexSet.parse(succeededIndexes, completions);
    const met = wanted.common(succeeded);
    return wanted.size > 0 && (met === wanted.size || met >= succeededCount);
  });
  return index < 0 ? undefined : index;
}
