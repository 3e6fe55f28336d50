import type { Cluster } from '../framework/cluster.ts';
import type { Diagnosis } from '../framework/diagnosis.ts';
import { byViolation } from '../framework/disruption-budget.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import type { PluginOf, PostFilterResult, WhatIf } from '../framework/plugin.ts';
import { byImportance, leastHarmful, type PreemptionCandidate } from '../framework/preemption.ts';
import type { PendingPod, PodInfo } from '../framework/pod-info.ts';

const NOT_HELPFUL = 'Preemption is not helpful for scheduling';
const NO_VICTIMS = 'No preemption victims found for incoming pod';

/** Of so many nodes on which preemption helps the best is taken, or of so many percent of them, when that is more. */
export interface DefaultPreemptionSettings {
  readonly minCandidateNodesPercentage: number;
  readonly minCandidateNodesAbsolute: number;
}

/** Why the pod may not preempt others; undefined when it may. */
function whyNotEligible(pod: PendingPod, { nodes, nominated }: Cluster, diagnosis: Diagnosis): string | undefined {
  if (pod.pending.neverPreempts) return 'not eligible due to preemptionPolicy=Never.';
  const nominatedNode = nominated.nodeOf(pod.uid);
  if (nominatedNode === undefined || diagnosis.rejectionOf(nominatedNode)?.unresolvable) return undefined;
  const node = nodes.find(({ facts }) => facts.name === nominatedNode);
  for (const other of node?.pods() ?? [])
    if (other.deleting && other.priority < pod.priority)
      return 'not eligible due to a terminating pod on the nominated node.';
  return undefined;
}

/** Removes all pods of lower priority, and puts back as many as the pod leaves room for; undefined when it fits in no case. */
function candidateOn(pod: PendingPod, whatIf: WhatIf, cluster: Cluster): PreemptionCandidate | undefined {
  const { node } = whatIf;
  const lower = [...node.pods()].filter(({ priority }) => priority < pod.priority);
  if (lower.length === 0) return undefined;
  for (const victim of lower) whatIf.removePod(victim);
  if (whatIf.filter()) return undefined;
  const { violating, others } = byViolation(lower.sort(byImportance), cluster.budgets);
  const isVictim = (reprieved: PodInfo): boolean => {
    whatIf.addPod(reprieved);
    if (!whatIf.filter()) return false;
    whatIf.removePod(reprieved);
    return true;
  };
  const violated = violating.filter(isVictim);
  const victims = [...violated, ...others.filter(isVictim)].sort(byImportance);
  return victims.length > 0 ? { nodeName: node.facts.name, victims, violations: violated.length } : undefined;
}

function preempt(
  { minCandidateNodesPercentage, minCandidateNodesAbsolute }: DefaultPreemptionSettings,
  pod: PendingPod,
  cluster: Cluster,
  diagnosis: Diagnosis,
  whatIf: (node: NodeInfo) => WhatIf,
): PostFilterResult {
  const reason = whyNotEligible(pod, cluster, diagnosis);
  if (reason !== undefined) return { message: `preemption: ${reason}` };
  const { nodes } = cluster;
  const helpful = nodes.filter(({ facts }) => !diagnosis.rejectionOf(facts.name)?.unresolvable);
  const enough = Math.max(
    minCandidateNodesAbsolute,
    Math.floor((helpful.length * minCandidateNodesPercentage) / 100),
    1,
  );
  const candidates: PreemptionCandidate[] = [];
  const start = Math.floor(Math.random() * helpful.length);
  for (let tried = 0; tried < helpful.length && candidates.length < enough; tried++) {
    const node = helpful[(start + tried) % helpful.length];
    const candidate = node && candidateOn(pod, whatIf(node), cluster);
    if (candidate) candidates.push(candidate);
  }
  const chosen = leastHarmful(candidates);
  if (chosen) return { nominatedNodeName: chosen.nodeName, victims: chosen.victims, candidates };
  const counts = [
    [helpful.length, NO_VICTIMS],
    [nodes.length - helpful.length, NOT_HELPFUL],
  ] as const;
  const said = counts.flatMap(([count, text]) => (count > 0 ? [`${count} ${text}`] : [])).sort();
  // A node that was kept for the pod is of no use to it any more.
  return {
    message: `preemption: 0/${nodes.length} nodes are available: ${said.join(', ')}.`,
    nominatedNodeName: '',
  };
}

/**
 * Makes room for a pod by removing pods of lower priority, of all nodes where that helps the one where it does least harm.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
 */
export const defaultPreemptionOf = (settings: DefaultPreemptionSettings): PluginOf => ({
  name: 'DefaultPreemption',
  postFilter: (pod, cluster, diagnosis, whatIf) => preempt(settings, pod, cluster, diagnosis, whatIf),
});
