import { matchesTerm, matchesTerms } from '../../../api/domain/node-selector.ts';
import type { NodeAffinity, NodeSelectorTerm, PreferredSchedulingTerm } from '../../../api/types/core/v1.gen.ts';
import type { NodeFacts } from '../framework/node-info.ts';
import { matchesRequired, requiredNodesOf, type RequiredNodes } from '../framework/node-requirements.ts';
import { scaleToMax, type PluginOf } from '../framework/plugin.ts';
import { unresolvable } from '../framework/rejection.ts';

const NO_MATCH = unresolvable("node(s) didn't match Pod's node affinity/selector");
const NOT_ALLOWED = unresolvable("node(s) didn't match scheduler-enforced node affinity");
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

/** Pods that a profile schedules go only where its own node affinity lets them, besides theirs. */
export interface NodeAffinitySettings {
  readonly addedAffinity?: NodeAffinity;
}

interface PreferenceState {
  readonly preferred: readonly PreferredSchedulingTerm[];
}

/**
 * nodeSelector and node affinity.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#node-affinity
 */
export function nodeAffinityOf({ addedAffinity = {} }: NodeAffinitySettings): PluginOf<RequiredNodes, PreferenceState> {
  const added = addedAffinity.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const addedPreferences = addedAffinity.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const isAllowed = (node: NodeFacts): boolean => !added || matchesTerms(added, node);
  return {
    name: 'NodeAffinity',
    queueingHints: {
      NodeAdd: (pod, { node }) => isAllowed(node) && matchesRequired(requiredNodesOf(pod), node),
      UpdateNodeLabel: (pod, { old, node }) => {
        const required = requiredNodesOf(pod);
        const fits = (facts: NodeFacts): boolean => isAllowed(facts) && matchesRequired(required, facts);
        return !fits(old) && fits(node);
      },
    },
    preFilter: (pod) => {
      const state = requiredNodesOf(pod);
      const { selector, terms } = state;
      if (selector.length === 0 && !terms && !added) return 'skip';
      const nodeNames = terms && terms.length > 0 ? namedNodes(terms) : undefined;
      return nodeNames?.size === 0 ? { rejection: CONFLICT } : { state, nodeNames };
    },
    filter: (_pod, { facts }, state) => {
      if (!isAllowed(facts)) return NOT_ALLOWED;
      return matchesRequired(state, facts) ? undefined : NO_MATCH;
    },
    preScore: ({ pending: { preferredNodes } }) => {
      const preferred = addedPreferences.length > 0 ? [...addedPreferences, ...preferredNodes] : preferredNodes;
      return preferred.length > 0 ? { state: { preferred } } : 'skip';
    },
    score: (_pod, { facts }, { preferred }) => {
      let sum = 0;
      for (const { preference, weight } of preferred) if (matchesTerm(preference, facts)) sum += weight;
      return sum;
    },
    normalize: (scores) => scaleToMax(scores),
    weight: 2,
  };
}
