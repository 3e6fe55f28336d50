/** Until when a pod tolerates the NoExecute taints of its node. */
import { toleratesTaint } from '../../../api/domain/taints.ts';
import type { Taint, Toleration } from '../../../api/types/core/v1.gen.ts';

/** In ms since the epoch. */
export interface PodTimes {
  readonly createdAt: number;
  /** When it was first seen on a node with such a taint. */
  readonly noticedAt: number;
}

/**
 * When the pod has to go, in ms since the epoch: Infinity when it tolerates every taint for good, 0 when it does not
 * tolerate one at all. Time runs from when a taint was added, or the pod created if that was later; where a taint does not
 * say when it was added, from when it was noticed.
 */
export function evictionTime(
  taints: readonly Taint[],
  tolerations: readonly Toleration[],
  { createdAt, noticedAt }: PodTimes,
): number {
  let earliest = Infinity;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const matching = tolerations.filter((toleration) => toleratesTaint(toleration, taint));
    if (matching.length === 0) return 0;
    const limits = matching.flatMap(({ tolerationSeconds }) => tolerationSeconds ?? []);
    if (limits.length === 0) continue;
    const start = taint.timeAdded ? Math.max(createdAt, Date.parse(taint.timeAdded)) : noticedAt;
    earliest = Math.min(earliest, start + Math.max(0, Math.min(...limits)) * 1000);
  }
  return earliest;
}
