/** Taints and tolerations: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ */
import { deepEqual } from '../machinery/deep-equal.ts';
import type { Taint, Toleration } from '../types/core/v1.gen.ts';

/** The keys of the taints that the control plane sets by a node's state. */
export const NOT_READY_TAINT = 'node.kubernetes.io/not-ready';
export const UNREACHABLE_TAINT = 'node.kubernetes.io/unreachable';
export const UNSCHEDULABLE_TAINT = 'node.kubernetes.io/unschedulable';
export const MEMORY_PRESSURE_TAINT = 'node.kubernetes.io/memory-pressure';
export const DISK_PRESSURE_TAINT = 'node.kubernetes.io/disk-pressure';
export const PID_PRESSURE_TAINT = 'node.kubernetes.io/pid-pressure';
export const NETWORK_UNAVAILABLE_TAINT = 'node.kubernetes.io/network-unavailable';

/** Whether a toleration tolerates a taint. */
export function toleratesTaint(toleration: Toleration, taint: Pick<Taint, 'key' | 'value' | 'effect'>): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  const [given, wanted] = [toleration.value ?? '', taint.value ?? ''];
  switch (toleration.operator ?? 'Equal') {
    case 'Exists':
      return true;
    case 'Lt':
    case 'Gt': {
      const [limit, level] = [Number(given), Number(wanted)];
      if (!Number.isInteger(limit) || !Number.isInteger(level)) return false;
      return toleration.operator === 'Lt' ? level < limit : level > limit;
    }
    default:
      return given === wanted;
  }
}

/** Equal for tolerations that differ in `tolerationSeconds` only. */
export const tolerationIdentity = ({ key, operator, value, effect }: Toleration): string =>
  JSON.stringify([key ?? '', operator ?? '', value ?? '', effect ?? '']);

/** Whether one toleration tolerates every taint that the other does, for at least as long. */
function covers(wide: Toleration, narrow: Toleration): boolean {
  if (deepEqual(wide, narrow)) return true;
  const anyKey = !wide.key && wide.operator === 'Exists';
  if ((wide.key ?? '') !== (narrow.key ?? '') && !anyKey) return false;
  if (wide.effect && wide.effect !== narrow.effect) return false;
  if (wide.effect === 'NoExecute' && wide.tolerationSeconds !== undefined) {
    if (narrow.tolerationSeconds === undefined || narrow.tolerationSeconds > wide.tolerationSeconds) return false;
  }
  switch (wide.operator || 'Equal') {
    case 'Exists':
      return true;
    case 'Equal':
      return narrow.operator === 'Equal' && (narrow.value ?? '') === (wide.value ?? '');
    default:
      return false;
  }
}

/** Merges both lists and drops tolerations that another one covers; of equal ones the first is kept. */
export function mergeTolerations(first: readonly Toleration[], second: readonly Toleration[]): Toleration[] {
  const all = [...first, ...second];
  const merged: Toleration[] = [];
  for (const [index, toleration] of all.entries()) {
    if (merged.some((other) => covers(other, toleration))) continue;
    const later = all.slice(index + 1);
    if (later.some((other) => !deepEqual(other, toleration) && covers(other, toleration))) continue;
    merged.push(toleration);
  }
  return merged;
}

/** Whether any of the tolerations tolerates the taint. */
export const tolerates = (
  tolerations: readonly Toleration[],
  taint: Pick<Taint, 'key' | 'value' | 'effect'>,
): boolean => tolerations.some((toleration) => toleratesTaint(toleration, taint));
