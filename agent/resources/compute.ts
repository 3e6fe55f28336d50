/** What the kernel is told of a pod's and a container's resources: pure arithmetic, as the kubelet does it. */
import type { Container } from '../../api/core/container.ts';
import type { Pod } from '../../api/core/pod.ts';
import type { LinuxContainerResources } from '../cri/types.ts';
import { cpuLimitMilli, cpuRequestMilli, memoryLimitBytes, memoryRequestBytes, qosClass } from './qos.ts';

/** The least and the most that cgroup v1 takes for cpu.shares. */
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;
const SHARES_PER_CORE = 1024;
/** The kubelet's cpuCFSQuotaPeriod. */
const QUOTA_PERIOD_US = 100_000;
/** The kernel refuses less. */
const MIN_QUOTA_US = 1_000;

const GUARANTEED_OOM_SCORE_ADJ = -997;
const BEST_EFFORT_OOM_SCORE_ADJ = 1000;
/** From this priority on a pod is node-critical (system-node-critical). */
const NODE_CRITICAL_PRIORITY = 2_000_001_000;

/** What a cgroup is limited to; absent means not limited. */
export interface CgroupLimits {
  readonly cpuShares: number;
  /** Microseconds in each period. */
  readonly cpuQuota?: number;
  readonly cpuPeriod: number;
  readonly memoryBytes?: number;
}

export interface ResourceHost {
  readonly memoryCapacityBytes: number;
  /** The lowest oom_score_adj that can be set here; -1000 where nothing forbids it. */
  readonly lowestOomScoreAdj: number;
  readonly cgroupVersion: 1 | 2;
}

export const cpuShares = (milliCpu: number): number =>
  milliCpu === 0
    ? MIN_SHARES
    : Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((milliCpu * SHARES_PER_CORE) / 1000)));

const cpuQuota = (milliCpu: number): number => Math.max(MIN_QUOTA_US, Math.floor((milliCpu * QUOTA_PERIOD_US) / 1000));

/** Sidecars run beside everything that follows them. */
const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';

/**
 * What a pod needs at its peak: its containers and sidecars together, or one init container beside the sidecars that
 * were started before it; plus overhead.
 */
export function podPeak(pod: Pod, of: (resources: Container['resources']) => number): number {
  let sidecars = 0;
  let peak = 0;
  for (const container of pod.spec?.initContainers ?? []) {
    const need = of(container.resources);
    if (isSidecar(container)) sidecars += need;
    peak = Math.max(peak, sidecars + (isSidecar(container) ? 0 : need));
  }
  let running = sidecars;
  for (const container of pod.spec?.containers ?? []) running += of(container.resources);
  return Math.max(peak, running) + of({ requests: pod.spec?.overhead, limits: pod.spec?.overhead });
}

export const podCpuRequestMilli = (pod: Pod): number => podPeak(pod, cpuRequestMilli);

/** A pod is limited where every one of its containers is. */
export function podLimits(pod: Pod): CgroupLimits {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const allLimit = (of: (resources: Container['resources']) => number) =>
    containers.every(({ resources }) => of(resources) > 0);
  return {
    cpuShares: cpuShares(podCpuRequestMilli(pod)),
    cpuPeriod: QUOTA_PERIOD_US,
    ...(allLimit(cpuLimitMilli) && { cpuQuota: cpuQuota(podPeak(pod, cpuLimitMilli)) }),
    ...(allLimit(memoryLimitBytes) && { memoryBytes: podPeak(pod, memoryLimitBytes) }),
  };
}

/** What a container's own cgroup is limited to. */
export function containerLimits(resources: Container['resources']): CgroupLimits {
  const quotaMilli = cpuLimitMilli(resources);
  const memoryBytes = memoryLimitBytes(resources);
  return {
    cpuShares: cpuShares(cpuRequestMilli(resources)),
    cpuPeriod: QUOTA_PERIOD_US,
    ...(quotaMilli > 0 && { cpuQuota: cpuQuota(quotaMilli) }),
    ...(memoryBytes > 0 && { memoryBytes }),
  };
}

/** The less a container asked for of what it uses, the sooner the kernel takes it. */
export function oomScoreAdj(pod: Pod, container: Container, host: ResourceHost): number {
  const wanted = wantedOomScoreAdj(pod, container, host.memoryCapacityBytes);
  return Math.max(wanted, host.lowestOomScoreAdj);
}

function wantedOomScoreAdj(pod: Pod, container: Container, capacityBytes: number): number {
  if ((pod.spec?.priority ?? 0) >= NODE_CRITICAL_PRIORITY) return GUARANTEED_OOM_SCORE_ADJ;
  switch (qosClass(pod)) {
    case 'Guaranteed':
      return GUARANTEED_OOM_SCORE_ADJ;
    case 'BestEffort':
      return BEST_EFFORT_OOM_SCORE_ADJ;
    case 'Burstable': {
      const adjustment = Math.trunc(1000 - (1000 * memoryRequestBytes(container.resources)) / capacityBytes);
      // Above guaranteed pods, below best-effort ones.
      return Math.min(BEST_EFFORT_OOM_SCORE_ADJ - 1, Math.max(1000 + GUARANTEED_OOM_SCORE_ADJ, adjustment));
    }
  }
}

export function containerResources(pod: Pod, container: Container, host: ResourceHost): LinuxContainerResources {
  const { memoryBytes, ...cpu } = containerLimits(container.resources);
  return {
    ...cpu,
    ...(memoryBytes !== undefined && { memoryLimitInBytes: memoryBytes }),
    oomScoreAdj: oomScoreAdj(pod, container, host),
    // A container that runs out of memory ends as a whole, not one process of it.
    ...(host.cgroupVersion === 2 && { unified: { 'memory.oom.group': '1' } }),
  };
}

/** cgroup v2 weighs CPU from 1 to 10,000 where v1 shares it from 2 to 262,144; runc's conversion. */
export const cpuWeight = (shares: number): number => Math.floor(1 + ((shares - 2) * 9999) / 262_142);
