/** Node selectors and required node affinity: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#node-affinity */
import { own } from '../machinery/own.ts';
import type { Labels } from '../machinery/selectors.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm, PodSpec, TopologySelectorTerm } from '../types/core/v1.gen.ts';

/** The one field that terms can match. */
export const NODE_NAME_FIELD = 'metadata.name';

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
export function matchesTerm(term: NodeSelectorTerm, node: SelectableNode): boolean {
  const [expressions, fields] = [term.matchExpressions ?? [], term.matchFields ?? []];
  if (expressions.length + fields.length === 0) return false;
  return (
    expressions.every((requirement) => meets(requirement, own(node.labels, requirement.key))) &&
    fields.every((requirement) => meets(requirement, requirement.key === NODE_NAME_FIELD ? node.name : undefined))
  );
}

/** Whether one of the terms matches the node. */
export const matchesTerms = (terms: readonly NodeSelectorTerm[], node: SelectableNode): boolean =>
  terms.some((term) => matchesTerm(term, node));

/** Whether a volume of a class with these allowedTopologies may be made for a node with these labels. */
export const matchesTopology = (terms: readonly TopologySelectorTerm[], labels: Labels): boolean =>
  terms.length === 0 || terms.some((term) => matchesTopologyTerm(term, labels));

/** A term without expressions matches no node. */
const matchesTopologyTerm = ({ matchLabelExpressions = [] }: TopologySelectorTerm, labels: Labels): boolean =>
  matchLabelExpressions.length > 0 &&
  matchLabelExpressions.every(({ key, values }) => {
    const value = own(labels, key);
    return value !== undefined && values.includes(value);
  });

/** Whether a pod may be on the node by its nodeSelector and its required node affinity. */
export function matchesNode({ nodeSelector = {}, affinity }: Partial<PodSpec>, node: SelectableNode): boolean {
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return (
    Object.entries(nodeSelector).every(([key, value]) => own(node.labels, key) === value) &&
    (!terms || matchesTerms(terms, node))
  );
}
