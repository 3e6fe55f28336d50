/** The arithmetic of a Deployment: how many pods more or fewer than asked for there may be, and how growth is shared out. */
import { compareText } from '../../../../api/machinery/compare-text.ts';
import { scaledValue } from '../../../../api/machinery/int-or-string.ts';
import { own } from '../../../../api/machinery/own.ts';
import { MAX_INT32 } from '../../../../api/machinery/schema.ts';
import type { Deployment, ReplicaSet } from '../../../../api/types/apps/v1.gen.ts';

export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';

export const replicasOf = (object: Deployment | ReplicaSet): number => object.spec?.replicas ?? 1;
export const totalReplicas = (replicaSets: readonly ReplicaSet[]): number =>
  replicaSets.reduce((sum, replicaSet) => sum + replicasOf(replicaSet), 0);
export const totalOf = (
  replicaSets: readonly ReplicaSet[],
  count: 'replicas' | 'readyReplicas' | 'availableReplicas',
): number => replicaSets.reduce((sum, { status }) => sum + (status?.[count] ?? 0), 0);
export const isRolling = ({ spec }: Deployment): boolean => spec?.strategy?.type !== 'Recreate';

/**
 * How far a rolling update may go above and below the number asked for; never 0 both, or nothing could move. What may be there in
 * total is a number that the API can hold.
 */
export function fenceposts(deployment: Deployment): { readonly maxSurge: number; readonly maxUnavailable: number } {
  if (!isRolling(deployment)) return { maxSurge: 0, maxUnavailable: 0 };
  const wanted = replicasOf(deployment);
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec?.strategy?.rollingUpdate ?? {};
  const surge = Math.min(scaledValue(maxSurge, wanted, 'up'), MAX_INT32 - wanted);
  const unavailable = scaledValue(maxUnavailable, wanted, 'down');
  const atLeastOne = surge === 0 && unavailable === 0 ? 1 : unavailable;
  return { maxSurge: surge, maxUnavailable: Math.min(atLeastOne, wanted) };
}

/** How large the new ReplicaSet may be now, given all that is there. */
export function newReplicaSetSize(
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
  newReplicas: number,
): number {
  const wanted = replicasOf(deployment);
  if (!isRolling(deployment)) return wanted;
  const room = wanted + fenceposts(deployment).maxSurge - totalReplicas(replicaSets);
  return room <= 0 ? newReplicas : newReplicas + Math.min(room, wanted - newReplicas);
}

const byAge = (a: ReplicaSet, b: ReplicaSet): number =>
  compareText(a.metadata?.creationTimestamp ?? '', b.metadata?.creationTimestamp ?? '') ||
  compareText(a.metadata?.name ?? '', b.metadata?.name ?? '');
export const oldestFirst = (replicaSets: readonly ReplicaSet[]): ReplicaSet[] => [...replicaSets].sort(byAge);

const annotatedNumber = ({ metadata }: ReplicaSet, annotation: string): number | undefined => {
  const text = own(metadata?.annotations, annotation);
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
};
export const desiredReplicasAnnotation = (replicaSet: ReplicaSet): number | undefined =>
  annotatedNumber(replicaSet, DESIRED_REPLICAS);

/** Half away from zero. */
const round = (value: number): number => Math.sign(value) * Math.round(Math.abs(value));

/** What of a change of `toAdd` replicas (negative: to take away), `added` of which are given out, falls to one ReplicaSet. */
function proportionOf(replicaSet: ReplicaSet, deployment: Deployment, toAdd: number, added: number): number {
  const size = replicasOf(replicaSet);
  if (size === 0 || toAdd === added) return 0;
  const left = toAdd - added;
  const share = fractionOf(replicaSet, deployment);
  return toAdd > 0 ? Math.min(share, left) : Math.max(share, left);
}

function fractionOf(replicaSet: ReplicaSet, deployment: Deployment): number {
  const size = replicasOf(replicaSet);
  if (replicasOf(deployment) === 0) return -size;
  const after = replicasOf(deployment) + fenceposts(deployment).maxSurge;
  const before = annotatedNumber(replicaSet, MAX_REPLICAS) || deployment.status?.replicas || after;
  return round((size * after) / before) - size;
}

/**
 * The sizes of the active ReplicaSets when a Deployment is scaled in the middle of a rollout: each grows or shrinks in
 * proportion, the largest takes what rounding leaves over.
 */
export function proportionalSizes(deployment: Deployment, active: readonly ReplicaSet[]): Map<ReplicaSet, number> {
  const wanted = replicasOf(deployment);
  const allowed = wanted > 0 ? wanted + fenceposts(deployment).maxSurge : 0;
  const toAdd = allowed - totalReplicas(active);
  // When growing, new ReplicaSets go before old ones of the same size; when shrinking, old ones.
  const aged = toAdd > 0 ? oldestFirst(active).reverse() : oldestFirst(active);
  const largestFirst = aged.sort((a, b) => replicasOf(b) - replicasOf(a));
  const sizes = new Map<ReplicaSet, number>();
  let added = 0;
  for (const replicaSet of largestFirst) {
    const share = toAdd === 0 ? 0 : proportionOf(replicaSet, deployment, toAdd, added);
    sizes.set(replicaSet, replicasOf(replicaSet) + share);
    added += share;
  }
  const [largest] = largestFirst;
  if (largest && toAdd !== 0) sizes.set(largest, Math.max(0, sizes.get(largest)! + toAdd - added));
  return sizes;
}
