/** Which node a pod goes to: a pure function of the pod and the nodes. */
import type { NodeInfo } from './node-info.ts';
import type { Plugin, WaitingPod } from './plugin.ts';

export type Decision =
  | { readonly node: string }
  /** No node would take it. `refusedBy` names the plugins that said so. */
  | { readonly node?: undefined; readonly message: string; readonly refusedBy: ReadonlySet<string> };

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.` */
function refusal(nodeCount: number, reasons: ReadonlyMap<string, number>): string {
  if (nodeCount === 0) return '0/0 nodes are available: no nodes available to schedule pods';
  const counted = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${nodeCount} nodes are available: ${counted.join(', ')}.`;
}

/** `tieBreak` picks one of several equally good nodes: a number from 0 up to, not including, the count. */
export function decide(
  pod: WaitingPod,
  nodes: readonly NodeInfo[],
  plugins: readonly Plugin[],
  tieBreak: (count: number) => number,
): Decision {
  const reasons = new Map<string, number>();
  const refusedBy = new Set<string>();
  const feasible = nodes.filter((node) => {
    for (const plugin of plugins) {
      const against = plugin.filter?.(pod, node);
      if (!against) continue;
      for (const reason of against) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      refusedBy.add(plugin.name);
      return false;
    }
    return true;
  });
  const [only, second] = feasible;
  if (!only) return { message: refusal(nodes.length, reasons), refusedBy };
  if (!second) return { node: only.facts.name };

  const totals = feasible.map(() => 0);
  for (const { score, normalize, weight = 1 } of plugins) {
    if (!score) continue;
    const scores = feasible.map((node) => score(pod, node, nodes));
    (normalize ? normalize(scores) : scores).forEach(
      (value, index) => (totals[index] = (totals[index] ?? 0) + value * weight),
    );
  }
  const highest = Math.max(...totals);
  const best = feasible.filter((_, index) => totals[index] === highest);
  return { node: (best[tieBreak(best.length)] ?? only).facts.name };
}
