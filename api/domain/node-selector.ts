/**
 * Which nodes a node selector selects: of node affinity of pods and of volumes.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#node-affinity
 */
import { own } from '../machinery/own.ts';
import type { Labels } from '../machinery/selectors.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm } from '../types/core/v1.gen.ts';

export interface SelectableNode {
  readonly name: string;
  readonly labels: Labels;
}

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
export function matchesNodeTerm(term: NodeSelectorTerm, node: SelectableNode): boolean {
  const [expressions, fields] = [term.matchExpressions ?? [], term.matchFields ?? []];
  if (expressions.length + fields.length === 0) return false;
  return (
    expressions.every((requirement) => meets(requirement, own(node.labels, requirement.key))) &&
    fields.every((requirement) => meets(requirement, requirement.key === 'metadata.name' ? node.name : undefined))
  );
}

/** Whether one of the terms matches the node. */
export const matchesNodeTerms = (terms: readonly NodeSelectorTerm[], node: SelectableNode): boolean =>
  terms.some((term) => matchesNodeTerm(term, node));
