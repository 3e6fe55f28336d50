/**
 * The frame that scheduling rules slot into. A plugin is a file with its name, its reasons and the hooks that it has; adding
 * one is adding it to the list in `plugins/index.ts`.
 */
import type { NodeInfo } from './node-info.ts';
import type { PendingPod, PodInfo } from './pod-info.ts';

/** A pod that waits for a node. */
export type WaitingPod = PodInfo & { readonly pending: PendingPod };

/** What changed in the cluster, for pods that no node would take: is it worth trying again? */
export type ClusterChange = 'node added' | 'node labels' | 'node taints' | 'node resources' | 'pod removed';

/** The best a score can be. */
export const MAX_SCORE = 100;

export interface Plugin {
  readonly name: string;
  /** Why the node cannot take the pod (upstream's words), or undefined when this plugin sees nothing against it. */
  readonly filter?: (pod: WaitingPod, node: NodeInfo) => readonly string[] | undefined;
  /** Changes that can turn this plugin's refusal around. */
  readonly retryOn?: readonly ClusterChange[];
  /** How well the node suits the pod, 0 to MAX_SCORE unless `normalize` brings it there. */
  readonly score?: (pod: WaitingPod, node: NodeInfo, nodes: readonly NodeInfo[]) => number;
  /** Brings the scores of one pod over all nodes into 0 to MAX_SCORE. */
  readonly normalize?: (scores: number[]) => number[];
  readonly weight?: number;
}

/** Scales scores so that the highest becomes MAX_SCORE; `reverse` when less is better. */
export function scaleToMax(scores: readonly number[], reverse = false): number[] {
  const highest = Math.max(0, ...scores);
  if (highest === 0) return scores.map(() => (reverse ? MAX_SCORE : 0));
  return scores.map((score) => {
    const scaled = Math.floor((score * MAX_SCORE) / highest);
    return reverse ? MAX_SCORE - scaled : scaled;
  });
}
