/** The status of a StatefulSet: what is there, ready and available, and of which revision. */
import { availableInMs, type PodView } from '../../caches/pod-view.ts';
import { replicasOf } from './identity.ts';
import { revisionOf } from './pods.ts';
import type { StatefulSet, StatefulSetStatus } from '../../../../api/types/apps/v1.gen.ts';

export const isReady = ({ phase, ready }: PodView): boolean => phase === 'Running' && ready;

export const isAvailable = (pod: PodView, { spec }: StatefulSet, now: number): boolean =>
  availableInMs(pod, spec?.minReadySeconds ?? 0, now) === 0;

export interface StatusState {
  readonly set: StatefulSet;
  readonly pods: readonly PodView[];
  /** Those that an update has just deleted: they count for no revision any more. */
  readonly replaced: ReadonlySet<PodView>;
  /** The names of the revisions. */
  readonly currentRevision: string;
  readonly updateRevision: string;
  readonly now: number;
}

export function statefulSetStatus({ set, pods, replaced, now, ...revisions }: StatusState): StatefulSetStatus {
  const { currentRevision, updateRevision } = revisions;
  const ready = pods.filter(isReady);
  const staying = pods.filter((pod) => !pod.deleting && !replaced.has(pod));
  const status: StatefulSetStatus = {
    observedGeneration: set.metadata?.generation ?? 0,
    replicas: pods.length,
    readyReplicas: ready.length,
    availableReplicas: ready.filter((pod) => isAvailable(pod, set, now)).length,
    currentReplicas: staying.filter((pod) => revisionOf(pod) === currentRevision).length,
    updatedReplicas: staying.filter((pod) => revisionOf(pod) === updateRevision).length,
    currentRevision,
    updateRevision,
    collisionCount: set.status?.collisionCount ?? 0,
  };
  return isUpdated(set, status)
    ? { ...status, currentRevision: updateRevision, currentReplicas: status.updatedReplicas }
    : status;
}

/** An update is over when all pods are of its revision and ready. */
function isUpdated(set: StatefulSet, { replicas, readyReplicas, updatedReplicas }: StatefulSetStatus): boolean {
  const wanted = replicasOf(set);
  return (
    set.spec?.updateStrategy?.type === 'RollingUpdate' &&
    updatedReplicas === wanted &&
    readyReplicas === wanted &&
    replicas === wanted
  );
}

/** In how many ms a ready pod will be available; Infinity when none is on its way. */
export function availabilityInMs(set: StatefulSet, pods: readonly PodView[], now: number): number {
  const waits = pods.filter(isReady).map((pod) => availableInMs(pod, set.spec?.minReadySeconds ?? 0, now));
  return Math.min(Infinity, ...waits.filter((ms) => ms > 0));
}
