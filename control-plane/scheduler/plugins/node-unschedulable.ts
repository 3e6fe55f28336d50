import { tolerates } from '../../../api/domain/taints.ts';
import type { Plugin } from '../plugin.ts';

const CORDON_TAINT = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const;

/** `kubectl cordon`. */
export const nodeUnschedulable: Plugin = {
  name: 'NodeUnschedulable',
  retryOn: ['node added', 'node taints'],
  filter: (pod, node) =>
    node.facts.unschedulable && !tolerates(pod.pending.tolerations, CORDON_TAINT)
      ? ['node(s) were unschedulable']
      : undefined,
};
