import { matchesTerm } from '../../../api/domain/node-selector.ts';
import type { NodeSelectorTerm, PreferredSchedulingTerm } from '../../../api/types/core/v1.gen.ts';
import { matchesRequired, requiredNodesOf, type RequiredNodes } from '../framework/node-requirements.ts';
import { scaleToMax, type PluginOf } from '../framework/plugin.ts';
import { unresolvable } from '../framework/rejection.ts';

const NO_MATCH = unresolvable("node(s) didn't match Pod's node affinity/selector");
const CONFLICT = unresolvable('pod affinity terms conflict');

/** The only nodes that terms can match when each of them names its nodes, as those of a DaemonSet's pods do. */
function namedNodes(terms: readonly NodeSelectorTerm[]): ReadonlySet<string> | undefined {
  let names = new Set<string>();
  for (const { matchFields = [] } of terms) {
    const named = matchFields.filter(({ key, operator }) => key === 'metadata.name' && operator === 'In');
    const [first, ...others] = named.map(({ values }) => new Set(values));
    if (!first) return undefined;
    names = names.union(others.reduce((both, other) => both.intersection(other), first));
  }
  return names;
}

/**
 * nodeSelector and node affinity.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#node-affinity
 */
export const nodeAffinity: PluginOf<RequiredNodes, readonly PreferredSchedulingTerm[]> = {
  name: 'NodeAffinity',
  queueingHints: {
    NodeAdd: (pod, { node }) => matchesRequired(requiredNodesOf(pod), node),
    UpdateNodeLabel: (pod, { old, node }) =>
      !matchesRequired(requiredNodesOf(pod), old) && matchesRequired(requiredNodesOf(pod), node),
  },
  preFilter: (pod) => {
    const state = requiredNodesOf(pod);
    const { selector, terms } = state;
    if (selector.length === 0 && !terms) return 'skip';
    const nodeNames = terms && terms.length > 0 ? namedNodes(terms) : undefined;
    return nodeNames?.size === 0 ? { rejection: CONFLICT } : { state, nodeNames };
  },
  filter: (_pod, { facts }, state) => (matchesRequired(state, facts) ? undefined : NO_MATCH),
  preScore: ({ pending: { preferredNodes } }) => (preferredNodes.length > 0 ? { state: preferredNodes } : 'skip'),
  score: (_pod, { facts }, preferred) => {
    let sum = 0;
    for (const { preference, weight } of preferred) if (matchesTerm(preference, facts)) sum += weight;
    return sum;
  },
  normalize: (scores) => scaleToMax(scores),
  weight: 2,
};
