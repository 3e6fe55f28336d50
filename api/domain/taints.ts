/** Taints and tolerations: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ */
import type { Taint, Toleration } from '../types/core/v1.gen.ts';

/** Whether one toleration bears a taint. */
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

/** Whether any of the tolerations bears the taint. */
export const tolerates = (
  tolerations: readonly Toleration[],
  taint: Pick<Taint, 'key' | 'value' | 'effect'>,
): boolean => tolerations.some((toleration) => toleratesTaint(toleration, taint));
