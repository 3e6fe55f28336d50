/** Until when a pod tolerates the NoExecute taints of its node. */
import type { Taint, Toleration } from '../../../api/core/affinity.ts';

function tolerates({ key, operator = 'Equal', value = '', effect }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false;
  if (!key) return operator === 'Exists';
  if (key !== taint.key) return false;
  const actual = taint.value ?? '';
  switch (operator) {
    case 'Exists':
      return true;
    case 'Equal':
      return value === actual;
    case 'Gt':
      return Number(actual) > Number(value);
    case 'Lt':
      return Number(actual) < Number(value);
  }
}

/**
 * When the pod has to go, in ms since the epoch: Infinity when it tolerates every taint for good, 0 when it does not
 * tolerate one at all. Time runs from when a taint was added, or from `since` for a pod that came later.
 */
export function evictionTime(taints: readonly Taint[], tolerations: readonly Toleration[], since: number): number {
  let earliest = Infinity;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    const limits = matching.flatMap(({ tolerationSeconds }) => tolerationSeconds ?? []);
    if (limits.length === 0) continue;
    const start = Math.max(since, taint.timeAdded ? Date.parse(taint.timeAdded) : since);
    earliest = Math.min(earliest, start + Math.max(0, Math.min(...limits)) * 1000);
  }
  return earliest;
}
