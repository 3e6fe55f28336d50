import { tolerates } from '../../../api/domain/taints.ts';
import type { Toleration } from '../../../api/types/core/v1.gen.ts';
import { toleratesNode } from '../framework/node-requirements.ts';
import { scaleToMax, type PluginOf } from '../framework/plugin.ts';
import { unresolvable } from '../framework/rejection.ts';

const UNTOLERATED = unresolvable('node(s) had untolerated taint(s)');

/**
 * NoSchedule and NoExecute keep pods away that do not tolerate them; PreferNoSchedule counts in the score.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
 */
export const taintToleration: PluginOf<undefined, readonly Toleration[]> = {
  name: 'TaintToleration',
  queueingHints: {
    NodeAdd: ({ pending }, { node }) => toleratesNode(node.taints, pending.tolerations),
    UpdateNodeTaint: ({ pending }, { old, node }) =>
      !toleratesNode(old.taints, pending.tolerations) && toleratesNode(node.taints, pending.tolerations),
  },
  filter: ({ pending }, { facts }) => (toleratesNode(facts.taints, pending.tolerations) ? undefined : UNTOLERATED),
  preScore: ({ pending }) => ({
    state: pending.tolerations.filter(({ effect }) => !effect || effect === 'PreferNoSchedule'),
  }),
  score: (_pod, { facts }, tolerations) => {
    let untolerated = 0;
    for (const taint of facts.taints) {
      if (taint.effect === 'PreferNoSchedule' && !tolerates(tolerations, taint)) untolerated++;
    }
    return untolerated;
  },
  normalize: (scores) => scaleToMax(scores, true),
  weight: 3,
};
