import { scoredRequests } from '../node-info.ts';
import { MAX_SCORE, type Plugin } from '../plugin.ts';
import { own } from '../../../api/machinery/own.ts';

/** How much of a capacity would stay free, 0 to MAX_SCORE. */
const freeShare = (requested: number, capacity: number): number =>
  capacity === 0 || requested > capacity ? 0 : Math.floor(((capacity - requested) * MAX_SCORE) / capacity);

/** Room for what the pod requests; the emptier node is the better one (`LeastAllocated`). */
export const nodeResourcesFit: Plugin = {
  name: 'NodeResourcesFit',
  retryOn: ['node added', 'node resources', 'pod removed'],
  filter: (pod, node) => {
    const { requests } = pod;
    const { allocatable, maxPods } = node.facts;
    const reasons: string[] = [];
    if (node.podCount + 1 > maxPods) reasons.push('Too many pods');
    const check = (name: string, wanted: number, taken: number, capacity: number): void => {
      if (wanted > 0 && wanted > capacity - taken) reasons.push(`Insufficient ${name}`);
    };
    check('cpu', requests.milliCpu, node.requested.milliCpu, allocatable.milliCpu);
    check('memory', requests.memory, node.requested.memory, allocatable.memory);
    check(
      'ephemeral-storage',
      requests.ephemeralStorage,
      node.requested.ephemeralStorage,
      allocatable.ephemeralStorage,
    );
    for (const [name, wanted] of Object.entries(requests.extended)) {
      check(name, wanted, own(node.requested.extended, name) ?? 0, own(allocatable.extended, name) ?? 0);
    }
    return reasons.length ? reasons : undefined;
  },
  score: (pod, node) => {
    const wanted = scoredRequests(pod.requests);
    const cpu = freeShare(node.scored.milliCpu + wanted.milliCpu, node.facts.allocatable.milliCpu);
    const memory = freeShare(node.scored.memory + wanted.memory, node.facts.allocatable.memory);
    return Math.floor((cpu + memory) / 2);
  },
};
