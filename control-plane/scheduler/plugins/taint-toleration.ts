import { tolerates } from '../../../api/domain/taints.ts';
import { scaleToMax, type Plugin } from '../plugin.ts';

/** Taints with NoSchedule or NoExecute keep pods away that do not tolerate them; PreferNoSchedule counts in the score. */
export const taintToleration: Plugin = {
  name: 'TaintToleration',
  retryOn: ['node added', 'node taints'],
  filter: (pod, node) => {
    const unbearable = node.facts.taints.some(
      (taint) =>
        (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') && !tolerates(pod.pending.tolerations, taint),
    );
    return unbearable ? ['node(s) had untolerated taint(s)'] : undefined;
  },
  score: (pod, node) =>
    node.facts.taints.filter(
      (taint) => taint.effect === 'PreferNoSchedule' && !tolerates(pod.pending.tolerations, taint),
    ).length,
  normalize: (scores) => scaleToMax(scores, true),
  weight: 3,
};
