/** The status of a Deployment: counts, and the conditions Available, Progressing and ReplicaFailure with upstream's reasons. */
import { MAX_INT32 } from '../../../../api/machinery/schema.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import { findCondition, withCondition, withoutCondition } from '../../framework/conditions.ts';
import { fenceposts, replicasOf, totalOf, totalReplicas } from './numbers.ts';
import type {
  Deployment,
  DeploymentCondition,
  DeploymentStatus,
  ReplicaSet,
} from '../../../../api/types/apps/v1.gen.ts';

export const PROGRESSING = 'Progressing';
const NEW_REPLICA_SET_AVAILABLE = 'NewReplicaSetAvailable';
const TIMED_OUT = 'ProgressDeadlineExceeded';
const PAUSED = 'DeploymentPaused';
/** kubectl and upstream take the largest 32-bit number for "no deadline". */
const NO_DEADLINE = MAX_INT32;

export const progressDeadlineMs = ({ spec }: Deployment): number | undefined => {
  const seconds = spec?.progressDeadlineSeconds;
  return seconds === undefined || seconds === null || seconds === NO_DEADLINE ? undefined : seconds * 1000;
};

export function progressing(
  status: 'True' | 'False' | 'Unknown',
  reason: string,
  message: string,
  now: number,
): DeploymentCondition {
  const time = timeOf(now);
  return { type: PROGRESSING, status, reason, message, lastUpdateTime: time, lastTransitionTime: time };
}

/** ReplicaSets may have more replicas together than the API can hold; a status that it rejects would show nothing. */
const shownCount = (count: number): number => Math.min(count, MAX_INT32);

/** Counts and the Available condition; the other conditions as they are. */
export function calculateStatus(
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
  newReplicaSet: ReplicaSet | undefined,
  now: number,
): DeploymentStatus {
  const availableReplicas = totalOf(replicaSets, 'availableReplicas');
  const isAvailable = availableReplicas >= replicasOf(deployment) - fenceposts(deployment).maxUnavailable;
  const time = timeOf(now);
  const conditions = withCondition(deployment.status?.conditions, {
    type: 'Available',
    status: isAvailable ? 'True' : 'False',
    reason: isAvailable ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: isAvailable ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.',
    lastUpdateTime: time,
    lastTransitionTime: time,
  });
  return {
    observedGeneration: deployment.metadata?.generation ?? 0,
    replicas: shownCount(totalOf(replicaSets, 'replicas')),
    updatedReplicas: newReplicaSet?.status?.replicas ?? 0,
    readyReplicas: shownCount(totalOf(replicaSets, 'readyReplicas')),
    availableReplicas: shownCount(availableReplicas),
    unavailableReplicas: shownCount(Math.max(0, totalReplicas(replicaSets) - availableReplicas)),
    collisionCount: deployment.status?.collisionCount,
    conditions: [...conditions],
  };
}

export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = replicasOf(deployment);
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0)
  );
}

/** Something moved since the stored status: more updated, ready or available pods, or fewer old ones. */
function hasProgressed({ status: old = {} }: Deployment, status: DeploymentStatus): boolean {
  const count = (of: DeploymentStatus, key: 'updatedReplicas' | 'readyReplicas' | 'availableReplicas' | 'replicas') =>
    of[key] ?? 0;
  const outdated = (of: DeploymentStatus): number => count(of, 'replicas') - count(of, 'updatedReplicas');
  return (
    count(status, 'updatedReplicas') > count(old, 'updatedReplicas') ||
    outdated(status) < outdated(old) ||
    count(status, 'readyReplicas') > count(old, 'readyReplicas') ||
    count(status, 'availableReplicas') > count(old, 'availableReplicas')
  );
}

function hasTimedOut(condition: DeploymentCondition | undefined, deadlineMs: number, now: number): boolean {
  if (!condition || condition.reason === NEW_REPLICA_SET_AVAILABLE) return false;
  if (condition.reason === TIMED_OUT) return true;
  return Date.parse(condition.lastUpdateTime ?? '') + deadlineMs < now;
}

/** The whole status of a rollout that is not paused. */
export function rolloutStatus(
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
  newReplicaSet: ReplicaSet | undefined,
  now: number,
): DeploymentStatus {
  const status = calculateStatus(deployment, replicaSets, newReplicaSet, now);
  const deadlineMs = progressDeadlineMs(deployment);
  const current = findCondition(status.conditions, PROGRESSING);
  let conditions: readonly DeploymentCondition[] = status.conditions ?? [];
  const wasComplete = status.replicas === status.updatedReplicas && current?.reason === NEW_REPLICA_SET_AVAILABLE;
  const subject = newReplicaSet
    ? `ReplicaSet "${newReplicaSet.metadata?.name}"`
    : `Deployment "${deployment.metadata?.name}"`;
  if (deadlineMs === undefined) conditions = withoutCondition(conditions, PROGRESSING);
  else if (!wasComplete) {
    if (isComplete(deployment, status)) {
      const message = `${subject} has successfully progressed.`;
      conditions = withCondition(conditions, progressing('True', NEW_REPLICA_SET_AVAILABLE, message, now));
    } else if (hasProgressed(deployment, status)) {
      const wanted = progressing('True', 'ReplicaSetUpdated', `${subject} is progressing.`, now);
      // Each step counts as an update, so that the deadline runs from the last one.
      const since = current?.status === 'True' ? current.lastTransitionTime : wanted.lastTransitionTime;
      conditions = [...withoutCondition(conditions, PROGRESSING), { ...wanted, lastTransitionTime: since }];
    } else if (hasTimedOut(current, deadlineMs, now)) {
      const message = `${subject} has timed out progressing.`;
      conditions = withCondition(conditions, progressing('False', TIMED_OUT, message, now));
    }
  }
  return { ...status, conditions: [...withReplicaFailure(conditions, replicaSets, newReplicaSet)] };
}

function withReplicaFailure(
  conditions: readonly DeploymentCondition[],
  replicaSets: readonly ReplicaSet[],
  newReplicaSet: ReplicaSet | undefined,
): readonly DeploymentCondition[] {
  const failureOf = (replicaSet: ReplicaSet | undefined) =>
    findCondition(replicaSet?.status?.conditions, 'ReplicaFailure');
  const failure = failureOf(newReplicaSet) ?? replicaSets.map(failureOf).find((each) => each !== undefined);
  if (!failure) return withoutCondition(conditions, 'ReplicaFailure');
  const { type, status, reason, message, lastTransitionTime } = failure;
  return withCondition(conditions, {
    type,
    status,
    reason,
    message,
    lastTransitionTime,
    lastUpdateTime: lastTransitionTime,
  });
}

/** Pausing and resuming are shown, and stop and restart the progress deadline. */
export function pausedConditions(deployment: Deployment, now: number): readonly DeploymentCondition[] {
  const { conditions = [] } = deployment.status ?? {};
  const current = findCondition(conditions, PROGRESSING);
  if (progressDeadlineMs(deployment) === undefined || current?.reason === TIMED_OUT) return conditions;
  const isShown = current?.reason === PAUSED;
  const isPaused = deployment.spec?.paused ?? false;
  if (isPaused && !isShown) {
    return withCondition(conditions, progressing('Unknown', PAUSED, 'Deployment is paused', now));
  }
  if (!isPaused && isShown) {
    return withCondition(conditions, progressing('Unknown', 'DeploymentResumed', 'Deployment is resumed', now));
  }
  return conditions;
}

/** In how many ms the deadline has to be looked at; undefined when it does not run. */
export function deadlineInMs(deployment: Deployment, status: DeploymentStatus, now: number): number | undefined {
  const deadlineMs = progressDeadlineMs(deployment);
  const current = findCondition(status.conditions, PROGRESSING);
  if (deadlineMs === undefined || !current || isComplete(deployment, status)) return undefined;
  if (current.reason === TIMED_OUT || current.reason === PAUSED) return undefined;
  // Times are of whole seconds: one more, so that the deadline is over when it is looked at.
  return Math.max(0, Date.parse(current.lastUpdateTime ?? '') + deadlineMs - now) + 1000;
}
