import type { NodeFacts } from '../node-info.ts';
import { scaleToMax, type Plugin } from '../plugin.ts';
import { own } from '../../../api/machinery/own.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm } from '../../../api/types/core/v1.gen.ts';

function meets(requirement: NodeSelectorRequirement, value: string | undefined): boolean {
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      const [level, limit] = [Number(value), Number(values[0])];
      if (value === undefined || !Number.isInteger(level) || !Number.isInteger(limit)) return false;
      return requirement.operator === 'Gt' ? level > limit : level < limit;
    }
  }
}

/** A term without requirements matches no node. */
export function matchesTerm(term: NodeSelectorTerm, node: Pick<NodeFacts, 'name' | 'labels'>): boolean {
  const [expressions, fields] = [term.matchExpressions ?? [], term.matchFields ?? []];
  if (expressions.length + fields.length === 0) return false;
  return (
    expressions.every((requirement) => meets(requirement, own(node.labels, requirement.key))) &&
    fields.every((requirement) => meets(requirement, requirement.key === 'metadata.name' ? node.name : undefined))
  );
}

/** nodeSelector and node affinity. */
export const nodeAffinity: Plugin = {
  name: 'NodeAffinity',
  retryOn: ['node added', 'node labels'],
  filter: (pod, node) => {
    const { nodeSelector, requiredNodes } = pod.pending;
    const selected = Object.entries(nodeSelector).every(([key, value]) => own(node.facts.labels, key) === value);
    const matched = !requiredNodes || requiredNodes.nodeSelectorTerms.some((term) => matchesTerm(term, node.facts));
    return selected && matched ? undefined : ["node(s) didn't match Pod's node affinity/selector"];
  },
  score: (pod, node) =>
    pod.pending.preferredNodes.reduce(
      (sum, { preference, weight }) => sum + (matchesTerm(preference, node.facts) ? weight : 0),
      0,
    ),
  normalize: (scores) => scaleToMax(scores),
  weight: 2,
};
