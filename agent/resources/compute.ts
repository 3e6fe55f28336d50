/** The cgroup settings of pods and containers, computed as by the kubelet. Pure. */
import { isSidecar } from '../../api/domain/pod-lifecycle.ts';
import {
  containerLimit,
  containerRequest,
  podLimit,
  podRequest,
  qosClassOf,
  requestedResources,
  unclaimedMemory,
} from '../../api/domain/pod-resources.ts';
import { quantityValue } from '../../api/machinery/quantity.ts';
import { NODE_CRITICAL } from '../../api/domain/system-priority.ts';
import type { LinuxContainerResources } from '../cri/types.ts';
import type { CgroupLimits } from '../host/cgroup-tree.ts';
import { pageSizeName, pageSizeOf } from '../host/huge-pages.ts';
import { swapLimit, type SwapHost } from './swap.ts';
import type { Container, Pod } from '../../api/types/core/v1.gen.ts';

/** The range of cpu.shares in cgroup v1. */
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;
const SHARES_PER_CORE = 1024;
/** The kubelet's cpuCFSQuotaPeriod. */
export const CPU_PERIOD_US = 100_000;
/** The kernel's minimum. */
const MIN_QUOTA_US = 1_000;

const GUARANTEED_OOM_SCORE_ADJ = -997;
const BEST_EFFORT_OOM_SCORE_ADJ = 1000;

export interface ResourceHost {
  readonly memoryCapacityBytes: number;
  /** The lowest oom_score_adj that can be set here; -1000 where nothing forbids it. */
  readonly lowestOomScoreAdj: number;
  readonly cgroupVersion: 1 | 2;
  /** The sizes of huge pages that the kernel has, in bytes. */
  readonly pageSizes?: readonly number[];
  /** Absent: swap is left as the runtime has it. */
  readonly swap?: SwapHost;
}

export const cpuShares = (milliCpu: number): number =>
  milliCpu === 0
    ? MIN_SHARES
    : Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((milliCpu * SHARES_PER_CORE) / 1000)));

const cpuQuota = (milliCpu: number): number => Math.max(MIN_QUOTA_US, Math.floor((milliCpu * CPU_PERIOD_US) / 1000));

export const podCpuRequestMilli = ({ spec }: Pod): number => podRequest(spec, 'cpu');

/** The limits of the pod's cgroup, which apply to everything below it. */
export function podLimits({ spec }: Pod): CgroupLimits {
  const quotaMilli = podLimit(spec, 'cpu');
  const memoryBytes = podLimit(spec, 'memory');
  return {
    cpuShares: cpuShares(podRequest(spec, 'cpu')),
    cpuPeriod: CPU_PERIOD_US,
    ...(quotaMilli !== undefined && { cpuQuota: cpuQuota(quotaMilli) }),
    ...(memoryBytes !== undefined && { memoryBytes }),
    hugePages: podHugePages(spec),
  };
}

/** Bytes by the name of the page size; of sizes that are not here the pod may have none. */
function podHugePages(spec: Pod['spec']): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const name of requestedResources(spec)) {
    const bytes = pageSizeOf(name);
    if (bytes !== undefined) sizes.set(pageSizeName(bytes), podRequest(spec, name));
  }
  return sizes;
}

/** Of every size that the kernel has: the container's limit, that of the pod where the container has none, or 0. */
function hugePageLimits({ spec }: Pod, { resources }: Pick<Container, 'resources'>, sizes: readonly number[]) {
  const limits = new Map<number, number>();
  for (const amounts of [spec?.resources?.limits ?? {}, resources?.limits ?? {}])
    for (const [name, amount] of Object.entries(amounts)) {
      const size = pageSizeOf(name);
      if (size !== undefined) limits.set(size, quantityValue(amount));
    }
  return sizes.map((size) => ({ pageSize: pageSizeName(size), limit: limits.get(size) ?? 0 }));
}

/**
 * The limits of a container's cgroup: the pod-level ones where the container has none, so
 * that a program which reads its limit finds the effective one.
 */
export function containerLimits({ spec }: Pod, { resources }: Pick<Container, 'resources'>): CgroupLimits {
  const limitOf = (name: string): number => containerLimit(resources, name) || containerLimit(spec?.resources, name);
  const quotaMilli = limitOf('cpu');
  const memoryBytes = limitOf('memory');
  const shares = resources?.requests?.['cpu'] === undefined ? quotaMilli : containerRequest(resources, 'cpu');
  return {
    cpuShares: cpuShares(shares),
    cpuPeriod: CPU_PERIOD_US,
    ...(quotaMilli > 0 && { cpuQuota: cpuQuota(quotaMilli) }),
    ...(memoryBytes > 0 && { memoryBytes }),
  };
}

/** The kubelet's OOM score adjustment: the smaller the memory request, the sooner the kernel kills the container. */
export function oomScoreAdj(pod: Pod, container: Container, host: ResourceHost): number {
  const wanted = wantedOomScoreAdj(pod, container, host.memoryCapacityBytes);
  return Math.max(wanted, host.lowestOomScoreAdj);
}

function wantedOomScoreAdj(pod: Pod, container: Container, capacityBytes: number): number {
  if ((pod.spec?.priority ?? 0) >= NODE_CRITICAL.value) return GUARANTEED_OOM_SCORE_ADJ;
  switch (qosClassOf(pod.spec)) {
    case 'Guaranteed':
      return GUARANTEED_OOM_SCORE_ADJ;
    case 'BestEffort':
      return BEST_EFFORT_OOM_SCORE_ADJ;
    case 'Burstable': {
      const requests = ({ resources }: Pick<Container, 'resources'>): number => containerRequest(resources, 'memory');
      // A sidecar is protected like the container with the smallest request: it serves all of them.
      const least = isSidecar(container) ? Math.min(...(pod.spec?.containers ?? []).map(requests)) : 0;
      const credit = Math.max(requests(container), least) + creditOf(pod);
      const adjustment = 1000 - Math.floor((1000 * credit) / capacityBytes);
      // Above guaranteed pods, below best-effort ones.
      return Math.min(BEST_EFFORT_OOM_SCORE_ADJ - 1, Math.max(1000 + GUARANTEED_OOM_SCORE_ADJ, adjustment));
    }
  }
}

/** Each container's equal part of the pod-level request that no container claims. */
function creditOf({ spec }: Pod): number {
  const count = (spec?.containers.length ?? 0) + (spec?.initContainers?.length ?? 0);
  return count === 0 ? 0 : Math.floor(unclaimedMemory(spec) / count);
}

export function containerResources(pod: Pod, container: Container, host: ResourceHost): LinuxContainerResources {
  const { memoryBytes, ...cpu } = containerLimits(pod, container);
  const { pageSizes = [] } = host;
  const swapBytes = host.swap && swapLimit(pod, container, host.swap);
  const limitsBoth = host.cgroupVersion === 1 && host.swap?.isLimitable && memoryBytes !== undefined;
  return {
    ...cpu,
    ...(memoryBytes !== undefined && { memoryLimitInBytes: memoryBytes }),
    // Of memory and swap together.
    ...(limitsBoth && { memorySwapLimitInBytes: memoryBytes }),
    oomScoreAdj: oomScoreAdj(pod, container, host),
    ...(pageSizes.length > 0 && { hugepageLimits: hugePageLimits(pod, container, pageSizes) }),
    ...(host.cgroupVersion === 2 && {
      unified: {
        // A container that runs out of memory is killed as a whole.
        'memory.oom.group': '1',
        ...(swapBytes !== undefined && { 'memory.swap.max': String(swapBytes) }),
      },
    }),
  };
}
