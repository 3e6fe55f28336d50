/** What this host is, as far as the limits of containers depend on it. */
import { quantityValue } from '../../api/machinery/quantity.ts';
import { own } from '../../api/machinery/own.ts';
import type { ResourceList } from '../../api/domain/resource-names.ts';
import type { CgroupTree } from '../host/cgroup-tree.ts';
import { readHugePages } from '../host/meters.ts';
import { lowestOomScoreAdj } from '../host/oom-score.ts';
import { readSwap } from '../host/swap.ts';
import type { ResourceHost } from './compute.ts';
import type { SwapBehavior } from './swap.ts';

export async function readResourceHost(
  capacity: ResourceList,
  tree: CgroupTree,
  behavior: SwapBehavior,
): Promise<ResourceHost> {
  const host = {
    memoryCapacityBytes: quantityValue(own(capacity, 'memory') ?? '0'),
    cgroupVersion: tree.version,
  };
  return {
    ...host,
    lowestOomScoreAdj: await lowestOomScoreAdj(),
    pageSizes: [...(await readHugePages()).keys()].map((kib) => kib * 1024),
    swap: { ...host, ...(await readSwap(tree)), behavior },
  };
}
