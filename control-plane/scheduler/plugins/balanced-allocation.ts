import { MAX_SCORE, type PluginOf } from '../framework/plugin.ts';

/** Prefers nodes whose cpu and memory would be used to the same share, so that neither is stranded. */
export const balancedAllocation: PluginOf = {
  name: 'NodeResourcesBalancedAllocation',
  score: (pod, node) => {
    const { allocatable } = node.facts;
    if (allocatable.milliCpu === 0 || allocatable.memory === 0) return 0;
    const cpu = Math.min(1, (node.requested.milliCpu + pod.requests.milliCpu) / allocatable.milliCpu);
    const memory = Math.min(1, (node.requested.memory + pod.requests.memory) / allocatable.memory);
    // The standard deviation of two values is half their distance.
    return Math.floor((1 - Math.abs(cpu - memory) / 2) * MAX_SCORE);
  },
};
