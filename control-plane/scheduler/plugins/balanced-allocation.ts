import { MAX_SCORE, type PluginOf } from '../framework/plugin.ts';
import { scoredResource, type ResourceWeight } from '../framework/resource-scores.ts';

export interface BalancedAllocationSettings {
  readonly resources: readonly ResourceWeight[];
}

/** The standard deviation. */
function deviation(shares: readonly number[]): number {
  const [first = 0, second = 0] = shares;
  if (shares.length <= 1) return 0;
  if (shares.length === 2) return Math.abs(first - second) / 2;
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length);
}

const balance = (shares: readonly number[]): number => Math.floor((1 - deviation(shares)) * MAX_SCORE);

/**
 * Prefers nodes whose resources would be used to more equal shares with the pod than they are without it, so that none is stranded.
 * For a pod that requests none of them all nodes are alike.
 */
export function balancedAllocationOf({ resources }: BalancedAllocationSettings): PluginOf<undefined, true> {
  const scored = resources.map(scoredResource);
  return {
    name: 'NodeResourcesBalancedAllocation',
    preScore: ({ requests }) => (scored.some(({ of }) => of(requests) > 0) ? { state: true } : 'skip'),
    score: (pod, node) => {
      const [after, before]: [number[], number[]] = [[], []];
      for (const { isExtended, of } of scored) {
        const [asked, taken, capacity] = [of(pod.requests), of(node.requested), of(node.facts.allocatable)];
        if (capacity === 0 || (isExtended && asked === 0)) continue;
        after.push(Math.min(1, (taken + asked) / capacity));
        before.push(Math.min(1, taken / capacity));
      }
      return MAX_SCORE / 2 + Math.trunc((MAX_SCORE / 2 + balance(after) - balance(before)) / 2);
    },
  };
}
