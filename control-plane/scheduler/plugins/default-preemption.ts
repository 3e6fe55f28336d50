import type { Cluster } from '../framework/cluster.ts';
import type { Diagnosis } from '../framework/diagnosis.ts';
import { byViolation } from '../framework/disruption-budget.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import type { Plugin, PostFilterResult, WhatIf } from '../framework/plugin.ts';
import type { PendingPod, PodInfo } from '../framework/pod-info.ts';

/** Upstream's minCandidateNodesPercentage and minCandidateNodesAbsolute: so many nodes are tried, and the best is taken. */
const CANDIDATES_PERCENT = 10;
const MIN_CANDIDATES = 100;

const NOT_HELPFUL = 'Preemption is not helpful for scheduling';
const NO_VICTIMS = 'No preemption victims found for incoming pod';

/** A node that would take the pod if these pods were not there. */
interface Candidate {
  readonly nodeName: string;
  /** The most important first. */
  readonly victims: readonly PodInfo[];
  /** How many of them a PodDisruptionBudget protects. */
  readonly violations: number;
}

/** The pod that is less welcome to go comes first: the one of higher priority, then the one that has run longer. */
const byImportance = (one: PodInfo, other: PodInfo): number =>
  other.priority - one.priority || startedAt(one) - startedAt(other);

/** ms since the epoch; a pod that has not started is as one that starts now. */
const startedAt = ({ startTime }: PodInfo): number => (startTime === undefined ? Infinity : Date.parse(startTime));

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
function candidateOn(pod: PendingPod, whatIf: WhatIf, cluster: Cluster): Candidate | undefined {
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

/** What counts against a candidate, the weightiest first: upstream's `pickOneNodeForPreemption`. */
const COSTS: readonly ((candidate: Candidate) => number)[] = [
  ({ violations }) => violations,
  ({ victims: [first] }) => first?.priority ?? 0,
  ({ victims }) => victims.reduce((sum, { priority }) => sum + priority + PRIORITY_OFFSET, 0),
  ({ victims }) => victims.length,
  ({ victims }) => -earliestStart(victims),
];
/** Makes priorities positive, so that a node with few victims of negative priority is preferred to one with many. */
const PRIORITY_OFFSET = 2 ** 31;

function earliestStart(victims: readonly PodInfo[]): number {
  const highest = victims[0]?.priority;
  return Math.min(...victims.filter(({ priority }) => priority === highest).map(startedAt));
}

function best(candidates: readonly Candidate[]): Candidate | undefined {
  let left = candidates;
  for (const cost of COSTS) {
    if (left.length <= 1) break;
    const costs = left.map(cost);
    const lowest = Math.min(...costs);
    left = left.filter((_, index) => costs[index] === lowest);
  }
  return left[0];
}

function preempt(
  pod: PendingPod,
  cluster: Cluster,
  diagnosis: Diagnosis,
  whatIf: (node: NodeInfo) => WhatIf,
): PostFilterResult {
  const reason = whyNotEligible(pod, cluster, diagnosis);
  if (reason !== undefined) return { message: `preemption: ${reason}` };
  const { nodes } = cluster;
  const helpful = nodes.filter(({ facts }) => !diagnosis.rejectionOf(facts.name)?.unresolvable);
  const enough = Math.max(MIN_CANDIDATES, Math.floor((helpful.length * CANDIDATES_PERCENT) / 100));
  const candidates: Candidate[] = [];
  const start = Math.floor(Math.random() * helpful.length);
  for (let tried = 0; tried < helpful.length && candidates.length < enough; tried++) {
    const node = helpful[(start + tried) % helpful.length];
    const candidate = node && candidateOn(pod, whatIf(node), cluster);
    if (candidate) candidates.push(candidate);
  }
  const chosen = best(candidates);
  if (chosen) return { nominatedNodeName: chosen.nodeName, victims: chosen.victims };
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
export const defaultPreemption: Plugin = { name: 'DefaultPreemption', postFilter: preempt };
