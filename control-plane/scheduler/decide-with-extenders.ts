/** `decide` for a pod in which extenders have a say: the same steps, between which they are asked. */
import { chosen, feasibleNodes, unschedulable, type Decision, type TieBreak } from './decide.ts';
import type { Extenders } from './extenders/extenders.ts';
import type { Cluster } from './framework/cluster.ts';
import { Cycle, type ObservePoint } from './framework/cycle.ts';
import type { NodeInfo } from './framework/node-info.ts';
import type { NodeSampling } from './framework/node-sampling.ts';
import type { PostFilterResult } from './framework/plugin.ts';
import type { PendingPod } from './framework/pod-info.ts';
import { leastHarmful } from './framework/preemption.ts';
import type { Profile } from './framework/profile.ts';

/** What a decision is made of, but for the pod. */
export interface Deciding {
  readonly cluster: Cluster;
  readonly profile: Profile;
  readonly sampling: NodeSampling;
  readonly tieBreak: TieBreak;
  readonly observe?: ObservePoint;
}

/** Throws ExtenderError when one fails that may not be ignored. */
export async function decideWithExtenders(
  pod: PendingPod,
  { cluster, profile, sampling, tieBreak, observe }: Deciding,
  extenders: Extenders,
  signal: AbortSignal,
): Promise<Decision> {
  const cycle = new Cycle(profile, pod, cluster, sampling, observe);
  let found: readonly NodeInfo[] = feasibleNodes(cycle);
  const wasNominated = found.length === 1 && cluster.nominated.nodeOf(pod.uid) === found[0]?.facts.name;
  let feasible = await extenders.filter(pod, found, cycle.diagnosis, signal);
  if (feasible.length === 0 && wasNominated) {
    // The node that was kept for it is of no use: another one may be.
    found = cycle.feasibleNodes();
    feasible = await extenders.filter(pod, found, cycle.diagnosis, signal);
  }
  if (feasible.length === 0) {
    const result = cluster.nodes.length > 0 ? cycle.postFilter() : {};
    return unschedulable(cycle, await narrowed(pod, result, cluster, extenders, signal));
  }
  const scores = feasible.length > 1 ? cycle.score(feasible) : [];
  const added = feasible.length > 1 ? await extenders.prioritize(pod, feasible, signal) : new Map<string, number>();
  const totals = feasible.map(({ facts }, index) => (scores[index] ?? 0) + (added.get(facts.name) ?? 0));
  return chosen(cycle, feasible, () => totals, tieBreak);
}

async function narrowed(
  pod: PendingPod,
  result: PostFilterResult,
  { nodes }: Cluster,
  extenders: Extenders,
  signal: AbortSignal,
): Promise<PostFilterResult> {
  if (!result.candidates) return result;
  const podsOf = (name: string) => nodes.find(({ facts }) => facts.name === name)?.pods() ?? [];
  const best = leastHarmful(await extenders.preempt(pod, result.candidates, podsOf, signal));
  if (best) return { ...result, nominatedNodeName: best.nodeName, victims: best.victims };
  return { message: 'preemption: no candidate node for preemption', nominatedNodeName: '' };
}
