/** Which node a pod goes to: a function of the pod, the cluster and the plugins, up to the point where something is reserved. */
import type { Cluster } from './framework/cluster.ts';
import { Cycle, type ObservePoint } from './framework/cycle.ts';
import type { NodeInfo } from './framework/node-info.ts';
import type { NodeSampling } from './framework/node-sampling.ts';
import type { PostFilterResult } from './framework/plugin.ts';
import type { PendingPod, PodInfo } from './framework/pod-info.ts';
import type { Profile } from './framework/profile.ts';

/** No node can take the pod. */
export interface Unschedulable {
  readonly node?: undefined;
  /** For the FailedScheduling event and the PodScheduled condition. */
  readonly message: string;
  /** The plugins that rejected it; none when there was nothing to reject. */
  readonly rejectedBy: ReadonlySet<string>;
  readonly nominatedNodeName?: string;
  /** Pods to be removed so that it fits on that node. */
  readonly victims?: readonly PodInfo[];
}

export type Decision =
  /** `cycle` goes on with reserve. */
  { readonly node: string; readonly cycle: Cycle } | Unschedulable;

/**
 * @param sampling which nodes are looked at
 * @param tieBreak picks one of several nodes with the highest score: an index from 0 up to, not including, the count
 */
export function decide(
  pod: PendingPod,
  cluster: Cluster,
  profile: Profile,
  sampling: NodeSampling,
  tieBreak: TieBreak,
  observe?: ObservePoint,
): Decision {
  const cycle = new Cycle(profile, pod, cluster, sampling, observe);
  const feasible = feasibleNodes(cycle);
  if (feasible.length === 0) return unschedulable(cycle, cluster.nodes.length > 0 ? cycle.postFilter() : {});
  return chosen(cycle, feasible, () => cycle.score(feasible), tieBreak);
}

export type TieBreak = (count: number) => number;

export function feasibleNodes(cycle: Cycle): NodeInfo[] {
  if (!cycle.preFilter()) return [];
  const nominated = cycle.nominatedNode();
  return nominated ? [nominated] : cycle.feasibleNodes();
}

export function unschedulable(
  { diagnosis }: Cycle,
  { message, nominatedNodeName, victims }: PostFilterResult,
): Unschedulable {
  return { message: diagnosis.message(message), rejectedBy: diagnosis.rejectedBy, nominatedNodeName, victims };
}

/** One of the nodes with the highest score. @param scores is not called for a single node */
export function chosen(
  cycle: Cycle,
  feasible: readonly NodeInfo[],
  scores: () => readonly number[],
  tieBreak: TieBreak,
): Decision {
  const [only, second] = feasible;
  if (!only) throw new Error('there is no node to choose');
  if (!second) return { node: only.facts.name, cycle };
  let highest = -Infinity;
  let best: NodeInfo[] = [];
  for (const [index, score] of scores().entries()) {
    const node = feasible[index];
    if (!node || score < highest) continue;
    if (score > highest) best = [];
    highest = score;
    best.push(node);
  }
  return { node: (best[tieBreak(best.length)] ?? only).facts.name, cycle };
}
