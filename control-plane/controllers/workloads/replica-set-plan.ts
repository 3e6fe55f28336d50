/** What a ReplicaSet has to do: how many pods to create or which to delete, and what its status is. */
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import { withCondition, withoutCondition } from '../framework/conditions.ts';
import { availableInMs, isActive, matchesLabels, type PodView } from '../caches/pod-view.ts';
import type { PodControlFailure } from './pod-control.ts';
import type { ReplicaSetStatus } from '../../../api/types/apps/v1.gen.ts';
import type { PodTemplateSpec } from '../../../api/types/core/v1.gen.ts';

/** At most so many pods are created or deleted in one round. */
const BURST_REPLICAS = 500;

/** What ReplicaSets and ReplicationControllers have in common; they differ in their selectors. */
export interface ReplicaSetLike extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly minReadySeconds?: number;
    readonly template?: PodTemplateSpec;
  };
  status?: ReplicaSetStatus;
}

export interface ReplicaSetState {
  readonly replicaSet: ReplicaSetLike;
  /** The pods that it controls. */
  readonly pods: readonly PodView[];
  /** Active pods of the ReplicaSets that have the same controller: how they spread over nodes ranks deletions. */
  readonly relatedPods: readonly PodView[];
  readonly now: number;
}

export interface ReplicaSetPlan {
  readonly create: number;
  readonly remove: readonly PodView[];
  /** The pods that count: neither on their way out nor ended. */
  readonly active: readonly PodView[];
}

/** A ReplicaSet keeps the pods that it has, and adopts those that would count. */
export const isClaimable = (pod: PodView): boolean => pod.controllerUid !== '' || isActive(pod);

/** How many pods to create, or which to delete: upstream's `manageReplicas`. */
export function reconcileReplicaSet(state: ReplicaSetState): ReplicaSetPlan {
  const { metadata, spec } = state.replicaSet;
  const active = state.pods.filter(isActive);
  const surplus = active.length - (spec?.replicas ?? 1);
  if (metadata?.deletionTimestamp || surplus === 0) return { create: 0, remove: [], active };
  if (surplus < 0) return { create: Math.min(-surplus, BURST_REPLICAS), remove: [], active };
  const remove = rankForDeletion(active, state).slice(0, Math.min(surplus, BURST_REPLICAS));
  return { create: 0, remove, active };
}

const PHASE_RANK: ReadonlyMap<string, number> = new Map([
  ['Pending', 0],
  ['Unknown', 1],
  ['Running', 2],
]);

/**
 * Those that are missed least first: not scheduled, not running, not ready, of lower deletion cost, crowded on a node, ready
 * for a short time, restarted often, young. Upstream's `ActivePodsWithRanks`.
 */
function rankForDeletion(pods: readonly PodView[], { relatedPods, now }: ReplicaSetState): PodView[] {
  const onNode = new Map<string, number>();
  for (const { nodeName } of relatedPods) if (nodeName) onNode.set(nodeName, (onNode.get(nodeName) ?? 0) + 1);
  const crowd = ({ nodeName }: PodView): number => onNode.get(nodeName) ?? 0;
  return [...pods].sort((a, b) => {
    if (Boolean(a.nodeName) !== Boolean(b.nodeName)) return a.nodeName ? 1 : -1;
    const phases = (PHASE_RANK.get(a.phase) ?? 0) - (PHASE_RANK.get(b.phase) ?? 0);
    if (phases !== 0) return phases;
    if (a.ready !== b.ready) return a.ready ? 1 : -1;
    if (a.deletionCost !== b.deletionCost) return a.deletionCost - b.deletionCost;
    const crowds = crowd(b) - crowd(a);
    if (crowds !== 0) return crowds;
    if (a.ready && b.ready && a.readyChangedAt !== b.readyChangedAt) {
      return ageDifference(a.readyChangedAt, b.readyChangedAt, now) || compareUid(a, b);
    }
    if (a.restarts !== b.restarts) return b.restarts - a.restarts;
    if (a.createdAt !== b.createdAt) return ageDifference(a.createdAt, b.createdAt, now) || compareUid(a, b);
    return compareUid(a, b);
  });
}

const compareUid = (a: PodView, b: PodView): number => (a.uid < b.uid ? -1 : 1);

/** Ages count by their order of magnitude, so that among pods of about the same age chance (the uid) decides. */
function ageDifference(a: number, b: number, now: number): number {
  if (!a || !b) return a ? 1 : -1;
  const magnitude = (at: number): number => (now <= at ? 0 : Math.floor(Math.log2((now - at) * 1e6)));
  return magnitude(a) - magnitude(b);
}

/**
 * The status over the active pods. `availabilityInMs` says when it has to be looked at again because a pod will have been
 * ready for minReadySeconds.
 */
export function replicaSetStatus(
  replicaSet: ReplicaSetLike,
  active: readonly PodView[],
  failure: Pick<PodControlFailure, 'reason' | 'message'> | undefined,
  now: number,
): { readonly status: ReplicaSetStatus; readonly availabilityInMs: number } {
  const { metadata, spec, status: old } = replicaSet;
  const templateLabels = spec?.template?.metadata?.labels ?? {};
  let fullyLabeledReplicas = 0;
  let readyReplicas = 0;
  let availableReplicas = 0;
  let availabilityInMs = Infinity;
  for (const pod of active) {
    if (matchesLabels(templateLabels, pod.labels)) fullyLabeledReplicas++;
    if (!pod.ready) continue;
    readyReplicas++;
    const ms = availableInMs(pod, spec?.minReadySeconds ?? 0, now);
    if (ms === 0) availableReplicas++;
    else availabilityInMs = Math.min(availabilityInMs, ms);
  }
  const conditions = failure
    ? withCondition(old?.conditions, {
        type: 'ReplicaFailure',
        status: 'True',
        reason: failure.reason,
        message: failure.message,
        lastTransitionTime: timeOf(now),
      })
    : withoutCondition(old?.conditions, 'ReplicaFailure');
  const status: ReplicaSetStatus = {
    replicas: active.length,
    fullyLabeledReplicas,
    readyReplicas,
    availableReplicas,
    observedGeneration: metadata?.generation ?? 0,
    conditions: [...conditions],
  };
  return { status, availabilityInMs };
}
