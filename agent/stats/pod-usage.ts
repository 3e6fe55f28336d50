/** Usage of the pods on this host, read from their cgroups, for the summary and the metrics. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { runtimeIdOf } from '../pods/status/container-id.ts';
import { readInterfaces, type InterfaceCounters } from '../host/proc.ts';
import type { PodDirectory } from '../pods/sync/pod-directory.ts';
import type { PodCgroups } from '../resources/pod-cgroups.ts';
import { readIo, type DeviceIo } from '../host/cgroup-io.ts';
import { firstProcess, readCpuUsage, readUsage, type CgroupUsage, type CpuUsage } from '../host/cgroup-usage.ts';
import type { ContainerStatus, Pod } from '../../api/types/core/v1.gen.ts';

/** A cgroup that was read, and when. */
export interface Measured {
  /** Below the cgroup mount point. */
  readonly cgroup: string;
  readonly atMs: number;
  readonly usage: CgroupUsage;
  /** When requested. */
  readonly cpu?: CpuUsage;
  /** Likewise. */
  readonly io?: readonly DeviceIo[];
}

export interface ContainerUsage extends Measured {
  readonly name: string;
  readonly id: string;
  readonly image: string;
  readonly startedAtMs: number;
}

/** What holds a pod's network namespace. */
export interface SandboxUsage {
  readonly id: string;
  readonly cgroup: string;
  readonly interfaces: readonly InterfaceCounters[];
}

export interface PodUsage {
  readonly pod: Pod;
  /** Undefined when the pod's cgroup is gone. */
  readonly own: Measured | undefined;
  /** Those that run. */
  readonly containers: readonly ContainerUsage[];
  /** Undefined when it was not requested, and for a pod on the host's network. */
  readonly sandbox: SandboxUsage | undefined;
}

export interface Detail {
  /** How CPU time was spent and limited. */
  readonly cpu?: boolean;
  readonly io?: boolean;
  readonly network?: boolean;
}

export interface PodUsageSources {
  readonly pods: PodDirectory;
  readonly cgroups: PodCgroups;
}

/**
 * One pod after the other, so that the agent's other work goes on meanwhile. A pod that cannot be read is passed to `failed`
 * and left out.
 */
export async function readPods(
  sources: PodUsageSources,
  detail: Detail,
  failed: (pod: Pod, error: Error) => void,
): Promise<PodUsage[]> {
  const usages: PodUsage[] = [];
  for (const pod of sources.pods.list()) {
    await nextTurn();
    try {
      const usage = await readPod(sources, pod, detail);
      if (usage) usages.push(usage);
    } catch (error) {
      failed(pod, error as Error);
    }
  }
  return usages;
}

/** Undefined for a pod of which nothing runs. */
async function readPod({ pods, cgroups }: PodUsageSources, pod: Pod, detail: Detail): Promise<PodUsage | undefined> {
  const running = runningContainers(pod);
  if (running.length === 0) return undefined;
  const sandboxId = pods.sandboxId(pod.metadata?.uid ?? '');
  const hasNetwork = detail.network && sandboxId !== undefined && !pod.spec?.hostNetwork;
  const [own, sandbox, containers] = await Promise.all([
    measure(cgroups, cgroups.podPath(pod), detail),
    hasNetwork ? readSandbox(cgroups, pod, sandboxId) : undefined,
    Promise.all(
      running.map(async ({ id, status, startedAtMs }): Promise<ContainerUsage | undefined> => {
        const measured = await measure(cgroups, cgroups.containerPath(pod, id), detail);
        return measured && { ...measured, name: status.name, id, image: status.image ?? '', startedAtMs };
      }),
    ),
  ]);
  return { pod, own, sandbox, containers: containers.filter((container) => container !== undefined) };
}

/** Undefined when the cgroup is gone. */
export async function measure(cgroups: PodCgroups, cgroup: string, detail: Detail): Promise<Measured | undefined> {
  const [usage, cpu] = await Promise.all([
    readUsage(cgroups.tree, cgroup),
    detail.cpu ? readCpuUsage(cgroups.tree, cgroup) : undefined,
  ]);
  return usage && { cgroup, atMs: Date.now(), usage, cpu, ...(detail.io && { io: readIo(cgroups.tree, cgroup) }) };
}

/** The sandbox's own process is in the pod's network namespace for as long as there is one. */
async function readSandbox(cgroups: PodCgroups, pod: Pod, id: string): Promise<SandboxUsage | undefined> {
  const cgroup = cgroups.containerPath(pod, id);
  const pid = await firstProcess(cgroups.tree, cgroup);
  const interfaces = pid === undefined ? undefined : await readInterfaces(pid);
  return interfaces && { id, cgroup, interfaces };
}

interface RunningContainer {
  readonly status: ContainerStatus;
  readonly id: string;
  readonly startedAtMs: number;
}

function runningContainers({ status }: Pod): RunningContainer[] {
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = status ?? {};
  return [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses].flatMap((of) => {
    const id = runtimeIdOf(of.containerID);
    const startedAt = of.state?.running?.startedAt;
    return id && startedAt ? [{ status: of, id, startedAtMs: Date.parse(startedAt) }] : [];
  });
}
