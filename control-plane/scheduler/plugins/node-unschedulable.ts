import { tolerates, UNSCHEDULABLE_TAINT } from '../../../api/domain/taints.ts';
import type { PluginOf } from '../framework/plugin.ts';
import { unresolvable } from '../framework/rejection.ts';

const CORDON_TAINT = { key: UNSCHEDULABLE_TAINT, effect: 'NoSchedule' } as const;
const UNSCHEDULABLE = unresolvable('node(s) were unschedulable');

/** Nodes under `kubectl cordon` take only pods that tolerate it. */
export const nodeUnschedulable: PluginOf = {
  name: 'NodeUnschedulable',
  queueingHints: {
    NodeAdd: (_pod, { node }) => !node.unschedulable,
    UpdateNodeTaint: (_pod, { old, node }) => old.unschedulable && !node.unschedulable,
  },
  filter: (pod, { facts }) =>
    facts.unschedulable && !tolerates(pod.pending.tolerations, CORDON_TAINT) ? UNSCHEDULABLE : undefined,
};
