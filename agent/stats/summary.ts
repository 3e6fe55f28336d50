/** Resource usage of a node and its pods: `stats.k8s.io/v1alpha1` Summary, which the kubelet serves at `/stats/summary`. */
import { timeOf } from '../../api/machinery/time.ts';
import type { DiskMeter } from '../host/meters.ts';
import type { HostUsage, InterfaceCounters, ProcessUsage } from '../host/proc.ts';
import { containerLimits } from '../resources/compute.ts';
import type { CgroupUsage } from '../host/cgroup-usage.ts';
import type { Rate } from './cpu-rates.ts';
import type { DiskUsage } from './disk-usage.ts';
import type { MeasuredVolume } from './volume-usage.ts';
import type { ContainerUsage, Measured, PodUsage } from './pod-usage.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';

export interface Disks {
  /** That of pods' storage and logs. */
  readonly node: DiskMeter;
  /** That of images; undefined when the runtime does not report it. */
  readonly images: (DiskMeter & { readonly held: DiskUsage }) | undefined;
}

export interface SystemProcess extends ProcessUsage {
  readonly name: 'kubelet' | 'runtime';
}

export interface SummaryInput {
  readonly nodeName: string;
  readonly atMs: number;
  readonly host: HostUsage;
  readonly interfaces: readonly InterfaceCounters[];
  /** The one of the default route. */
  readonly mainInterface: string | undefined;
  readonly disks: Disks;
  readonly processes: readonly SystemProcess[];
  /** `kubepods`. */
  readonly all: Measured | undefined;
  readonly pods: readonly PodUsage[];
  /** Usage of the containers' writable layers, by container id; absent when the runtime did not report it. */
  readonly layers: ReadonlyMap<string, DiskUsage>;
  /** By the uid of the pod. */
  readonly volumes: ReadonlyMap<string, readonly MeasuredVolume[]>;
  /** The containers' logs, by container id. */
  readonly logs: ReadonlyMap<string, DiskUsage>;
  readonly rate: Rate;
}

/** Pure, except for the state of `rate`. */
export function summary(input: SummaryInput): object {
  return { node: nodeStats(input), pods: input.pods.map((usage) => podStats(usage, input)) };
}

function nodeStats(input: SummaryInput): object {
  const { nodeName, atMs, host, disks, all, rate } = input;
  const at = timeOf(atMs);
  return {
    nodeName,
    systemContainers: [
      ...input.processes.map((of) => processStats(of, input)),
      ...(all ? [{ name: 'pods', startTime: timeOf(host.bootedAtMs), ...cgroupStats(all, rate) }] : []),
    ],
    startTime: timeOf(host.bootedAtMs),
    cpu: cpuStats('/', host.cpuNanoseconds, atMs, rate),
    memory: {
      time: at,
      availableBytes: host.memoryTotalBytes - host.workingSetBytes,
      usageBytes: host.memoryUsedBytes,
      workingSetBytes: host.workingSetBytes,
      rssBytes: host.rssBytes,
      pageFaults: host.pageFaults,
      majorPageFaults: host.majorPageFaults,
    },
    network: networkStats(input.interfaces, input.mainInterface, atMs),
    fs: fsStats(disks.node, { usedBytes: usedBytes(disks.node), inodesUsed: usedInodes(disks.node) }, atMs),
    runtime: { ...(disks.images && { imageFs: fsStats(disks.images, disks.images.held, atMs) }) },
    rlimit: { time: at, maxpid: host.maxPid, curproc: host.threads },
    swap: { time: at, swapAvailableBytes: host.swapAvailableBytes, swapUsageBytes: host.swapUsedBytes },
  };
}

function podStats({ pod, own, containers, sandbox }: PodUsage, input: SummaryInput): object {
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  const { atMs, disks, rate, layers, logs } = input;
  const volumes = input.volumes.get(uid) ?? [];
  const parts = containers.flatMap(({ id }) => [layers.get(id), logs.get(id)]).filter((part) => part !== undefined);
  const ephemeral = {
    usedBytes: parts.reduce((sum, part) => sum + part.usedBytes, 0),
    inodesUsed: parts.reduce((sum, part) => sum + part.inodesUsed, 0),
  };
  return {
    podRef: { name, namespace, uid },
    startTime: pod.status?.startTime,
    containers: containers.map((container) => containerStats(pod, container, input)),
    ...(own && cgroupStats(own, rate)),
    ...(sandbox && { network: networkStats(sandbox.interfaces, POD_INTERFACE, atMs) }),
    ...(volumes.length > 0 && { volume: volumes.map((volume) => volumeStats(volume, namespace)) }),
    'ephemeral-storage': fsStats(disks.node, ephemeral, atMs),
  };
}

const volumeStats = (volume: MeasuredVolume, namespace: string): object => ({
  time: timeOf(volume.atMs),
  availableBytes: volume.availableBytes,
  capacityBytes: volume.capacityBytes,
  usedBytes: volume.bytes,
  inodesFree: volume.freeInodes,
  inodes: volume.totalInodes,
  inodesUsed: volume.inodes,
  name: volume.name,
  ...(volume.claim !== undefined && { pvcRef: { name: volume.claim, namespace } }),
});

/** What the CNI plugins call a pod's interface. */
const POD_INTERFACE = 'eth0';

function containerStats(
  pod: Pod,
  container: ContainerUsage,
  { disks, layers, logs, rate, atMs }: SummaryInput,
): object {
  const { initContainers = [], containers = [] } = pod.spec ?? {};
  const spec = [...initContainers, ...containers].find(({ name }) => name === container.name);
  const layer = layers.get(container.id);
  const log = logs.get(container.id);
  return {
    name: container.name,
    startTime: timeOf(container.startedAtMs),
    ...cgroupStats(container, rate, spec && containerLimits(pod, spec).memoryBytes),
    ...(layer && { rootfs: fsStats(disks.images ?? disks.node, layer, atMs) }),
    ...(log && { logs: fsStats(disks.node, log, atMs) }),
  };
}

/** `limitBytes` 0 is no limit. */
function cgroupStats({ cgroup, atMs, usage }: Measured, rate: Rate, limitBytes = 0): object {
  return {
    cpu: cpuStats(cgroup, usage.cpuNanoseconds, atMs, rate),
    memory: memoryStats(usage, atMs, limitBytes),
    swap: { time: timeOf(atMs), swapUsageBytes: usage.swapBytes },
  };
}

const cpuStats = (key: string, nanoseconds: number, atMs: number, rate: Rate): object => ({
  time: timeOf(atMs),
  usageNanoCores: rate(key, nanoseconds, atMs),
  usageCoreNanoSeconds: nanoseconds,
});

const memoryStats = (usage: CgroupUsage, atMs: number, limitBytes: number): object => ({
  time: timeOf(atMs),
  ...(limitBytes > 0 && { availableBytes: Math.max(0, limitBytes - usage.workingSetBytes) }),
  usageBytes: usage.memoryBytes,
  workingSetBytes: usage.workingSetBytes,
  rssBytes: usage.rssBytes,
  pageFaults: usage.pageFaults,
  majorPageFaults: usage.majorPageFaults,
});

/** Of a single process, which has no cgroup of its own everywhere. */
const processStats = (of: SystemProcess, { rate, atMs }: SummaryInput): object => ({
  name: of.name,
  startTime: timeOf(of.startedAtMs),
  cpu: cpuStats(`process:${of.name}`, of.cpuNanoseconds, atMs, rate),
  memory: {
    time: timeOf(atMs),
    usageBytes: of.rssBytes,
    workingSetBytes: of.rssBytes,
    rssBytes: of.rssBytes,
    pageFaults: of.pageFaults,
    majorPageFaults: of.majorPageFaults,
  },
});

function networkStats(interfaces: readonly InterfaceCounters[], main: string | undefined, atMs: number): object {
  const all = interfaces.map(({ name, rxBytes, rxErrors, txBytes, txErrors }) => {
    return { name, rxBytes, rxErrors, txBytes, txErrors };
  });
  return { time: timeOf(atMs), ...all.find(({ name }) => name === main), interfaces: all };
}

const usedBytes = ({ totalBytes, freeBytes }: DiskMeter): number => totalBytes - freeBytes;
const usedInodes = ({ totalInodes, availableInodes }: DiskMeter): number => totalInodes - availableInodes;

const fsStats = (disk: DiskMeter, held: DiskUsage, atMs: number): object => ({
  time: timeOf(atMs),
  availableBytes: disk.availableBytes,
  capacityBytes: disk.totalBytes,
  usedBytes: held.usedBytes,
  inodesFree: disk.availableInodes,
  inodes: disk.totalInodes,
  inodesUsed: held.inodesUsed,
});
