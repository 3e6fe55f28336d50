/** What a pod asks of a node by its labels, and bears of its taints. */
import { matchesTerms } from '../../../api/domain/node-selector.ts';
import { tolerates } from '../../../api/domain/taints.ts';
import { own } from '../../../api/machinery/own.ts';
import type { NodeSelectorTerm, Taint, Toleration } from '../../../api/types/core/v1.gen.ts';
import type { NodeFacts } from './node-info.ts';
import type { PendingPod } from './pod-info.ts';

export interface RequiredNodes {
  readonly selector: readonly (readonly [key: string, value: string])[];
  readonly terms: readonly NodeSelectorTerm[] | undefined;
}

export function requiredNodesOf({ pending: { nodeSelector, requiredNodes } }: PendingPod): RequiredNodes {
  return { selector: Object.entries(nodeSelector), terms: requiredNodes?.nodeSelectorTerms };
}

export const matchesRequired = ({ selector, terms }: RequiredNodes, node: NodeFacts): boolean =>
  selector.every(([key, value]) => own(node.labels, key) === value) && (!terms || matchesTerms(terms, node));

/** Whether the pod asks for some nodes and no others. */
export const requiresNodes = ({ pending: { nodeSelector, requiredNodes } }: PendingPod): boolean =>
  requiredNodes !== undefined || Object.keys(nodeSelector).length > 0;

/** Whether the node has what the pod's nodeSelector and required node affinity ask for. */
export const isRequiredNode = (pod: PendingPod, node: NodeFacts): boolean =>
  matchesRequired(requiredNodesOf(pod), node);

/** Whether the tolerations let a pod onto a node with these taints. */
export const toleratesNode = (taints: readonly Taint[], tolerations: readonly Toleration[]): boolean =>
  taints.every(
    (taint) => (taint.effect !== 'NoSchedule' && taint.effect !== 'NoExecute') || tolerates(tolerations, taint),
  );
