/** Which node a pod goes to: a function of the pod, the cluster and the plugins, up to the point where something is reserved. */
import type { Cluster } from './framework/cluster.ts';
import { Cycle } from './framework/cycle.ts';
import type { NodeInfo } from './framework/node-info.ts';
import type { NodeSampling } from './framework/node-sampling.ts';
import type { Plugin } from './framework/plugin.ts';
import type { PendingPod, PodInfo } from './framework/pod-info.ts';

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
  plugins: readonly Plugin[],
  sampling: NodeSampling,
  tieBreak: (count: number) => number,
): Decision {
  const cycle = new Cycle(plugins, pod, cluster);
  const feasible = cycle.feasibleNodes(sampling);
  const [only, second] = feasible;
  if (!only) {
    const { message, nominatedNodeName, victims } = cluster.nodes.length > 0 ? cycle.postFilter() : {};
    const { diagnosis } = cycle;
    return { message: diagnosis.message(message), rejectedBy: diagnosis.rejectedBy, nominatedNodeName, victims };
  }
  if (!second) return { node: only.facts.name, cycle };

  let highest = -1;
  let best: NodeInfo[] = [];
  for (const [index, score] of cycle.score(feasible).entries()) {
    const node = feasible[index];
    if (!node || score < highest) continue;
    if (score > highest) best = [];
    highest = score;
    best.push(node);
  }
  return { node: (best[tieBreak(best.length)] ?? only).facts.name, cycle };
}
