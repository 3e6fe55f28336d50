/** The cgroups of pods: `kubepods`, its QoS classes and one for each pod. */
import { setTimeout as sleep } from 'node:timers/promises';
import { qosClassOf, type QosClass } from '../../api/domain/pod-resources.ts';
import type { CgroupDriver } from '../cri/types.ts';
import { quantityMilliValue, quantityValue } from '../../api/machinery/quantity.ts';
import type { CriClient } from '../cri/client.ts';
import { cpuWeight, readCgroupTree, type CgroupLimits, type CgroupTree } from '../host/cgroup-tree.ts';
import { ensureSlice, removeSlice } from '../host/slices.ts';
import {
  cgroupParent,
  cgroupPath,
  containerCgroupPath,
  podCgroup,
  qosCgroup,
  topCgroup,
  type CgroupName,
} from './cgroup-names.ts';
import { CPU_PERIOD_US, cpuShares, podCpuRequestMilli, podLimits } from './compute.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';

export interface PodCgroupsOptions {
  readonly tree: CgroupTree;
  readonly driver: CgroupDriver;
  /** The cgroup in which `kubepods` is made: the `cgroup-root` setting. */
  readonly root: string;
  /** Called at the end of every change of a cgroup, for metrics. */
  readonly measured?: MeasureCgroup | undefined;
}

export type MeasureCgroup = (operation: 'update' | 'destroy', seconds: number) => void;

const QOS_CLASSES: readonly QosClass[] = ['Guaranteed', 'Burstable', 'BestEffort'];
/** The last processes of a pod leave its cgroup shortly after the runtime has reported their exit. */
const REMOVE_ATTEMPTS = 20;
const REMOVE_RETRY_MS = 50;

/** Creates the cgroups above those of pods. `allocatable` is what all pods may use together. */
export async function openPodCgroups(
  cri: Pick<CriClient, 'cgroupDriver'>,
  root: string,
  allocatable: Readonly<Record<string, string>>,
  signal: AbortSignal,
  measured?: MeasureCgroup,
): Promise<PodCgroups> {
  const driver = await cri.cgroupDriver({ signal });
  const cgroups = new PodCgroups({ tree: await readCgroupTree(), driver, root, measured });
  await cgroups.ensureTop({
    milliCpu: quantityMilliValue(allocatable['cpu'] ?? '0'),
    memoryBytes: quantityValue(allocatable['memory'] ?? '0'),
  });
  return cgroups;
}

export class PodCgroups {
  readonly #options: PodCgroupsOptions;
  #burstableShares = 0;

  constructor(options: PodCgroupsOptions) {
    this.#options = options;
  }

  /** Creates `kubepods` with the limits of all pods together, and its QoS classes. */
  async ensureTop(allocatable: { milliCpu: number; memoryBytes: number }): Promise<void> {
    const { root } = this.#options;
    await this.#ensure(topCgroup(root), {
      cpuShares: cpuShares(allocatable.milliCpu),
      cpuPeriod: CPU_PERIOD_US,
      memoryBytes: allocatable.memoryBytes,
    });
    for (const qos of ['Burstable', 'BestEffort'] as const) await this.#ensure(qosCgroup(root, qos), idle);
  }

  /** Sets the CPU weight of the burstable class to the sum of its pods' requests. */
  async balance(pods: Iterable<Pod>): Promise<void> {
    let milliCpu = 0;
    for (const pod of pods) if (qosClassOf(pod.spec) === 'Burstable') milliCpu += podCpuRequestMilli(pod);
    const shares = cpuShares(milliCpu);
    if (shares === this.#burstableShares) return;
    this.#burstableShares = shares;
    await this.#ensure(qosCgroup(this.#options.root, 'Burstable'), { ...idle, cpuShares: shares });
  }

  /** The `cgroup_parent` of the sandbox. */
  parentOf(pod: Pod): string {
    return cgroupParent(this.#options.driver, this.#nameOf(pod));
  }

  async ensurePod(pod: Pod, limits = podLimits(pod)): Promise<void> {
    await this.#ensure(this.#nameOf(pod), limits);
  }

  /**
   * Removes the cgroup of a pod whose containers have exited, as far as the runtime knows. What still runs in it, such as a
   * start that was aborted halfway, is killed, as by the kubelet. Idempotent; works without the pod's object. Resolves to false
   * when processes remain in it.
   */
  async removePod(podUid: string, signal: AbortSignal): Promise<boolean> {
    const { root, driver, tree } = this.#options;
    for (let attempt = 1; ; attempt++) {
      let removed = true;
      for (const qos of QOS_CLASSES) {
        const name = podCgroup(root, qos, podUid);
        if (await this.#remove(name)) continue;
        removed = false;
        if (attempt === 1) await tree.kill(cgroupPath(driver, name));
      }
      if (removed || attempt === REMOVE_ATTEMPTS || driver === 'systemd') return removed;
      await sleep(REMOVE_RETRY_MS, undefined, { signal });
    }
  }

  /** UIDs of the pods that have a cgroup here. */
  async podsWithCgroups(): Promise<string[]> {
    const { tree, driver, root } = this.#options;
    const uids: string[] = [];
    for (const qos of QOS_CLASSES) {
      for (const name of await tree.children(cgroupPath(driver, qosCgroup(root, qos)))) {
        const uid = /(?:^|-)pod([^.]+)(?:\.slice)?$/.exec(name)?.[1];
        if (uid !== undefined) uids.push(driver === 'systemd' ? uid.replaceAll('_', '-') : uid);
      }
    }
    return uids;
  }

  /** Removes every pod's cgroup, and `kubepods` itself; the pods must have terminated. */
  async removeAll(signal: AbortSignal): Promise<void> {
    const { root } = this.#options;
    for (const uid of await this.podsWithCgroups()) await this.removePod(uid, signal);
    for (const name of [qosCgroup(root, 'Burstable'), qosCgroup(root, 'BestEffort'), topCgroup(root)])
      await this.#remove(name);
  }

  /** Where the files of a pod's cgroup are, below the tree's mount points; see `readUsage`. */
  podPath(pod: Pod): string {
    return cgroupPath(this.#options.driver, this.#nameOf(pod));
  }

  containerPath(pod: Pod, containerId: string): string {
    return containerCgroupPath(this.#options.driver, this.#nameOf(pod), containerId);
  }

  topPath(): string {
    return cgroupPath(this.#options.driver, topCgroup(this.#options.root));
  }

  get tree(): CgroupTree {
    return this.#options.tree;
  }

  #nameOf(pod: Pod): CgroupName {
    return podCgroup(this.#options.root, qosClassOf(pod.spec), pod.metadata?.uid ?? '');
  }

  #ensure(name: CgroupName, limits: CgroupLimits): Promise<void> {
    return this.#measured('update', this.#set(name, limits));
  }

  #remove(name: CgroupName): Promise<boolean> {
    return this.#measured('destroy', this.#destroy(name));
  }

  async #measured<T>(operation: 'update' | 'destroy', work: Promise<T>): Promise<T> {
    const startedAt = performance.now();
    try {
      return await work;
    } finally {
      this.#options.measured?.(operation, (performance.now() - startedAt) / 1000);
    }
  }

  async #set(name: CgroupName, limits: CgroupLimits): Promise<void> {
    const { tree, driver } = this.#options;
    if (driver === 'cgroupfs') return tree.ensure(cgroupPath(driver, name), limits);
    const { cpuQuota, cpuPeriod, memoryBytes } = limits;
    await ensureSlice(cgroupParent(driver, name), {
      cpuWeight: cpuWeight(limits.cpuShares),
      ...(cpuQuota !== undefined && { cpuQuotaPerSecond: Math.ceil((cpuQuota / cpuPeriod) * 1_000_000) }),
      ...(memoryBytes !== undefined && { memoryMaxBytes: memoryBytes }),
    });
    if (limits.hugePages) await tree.limitHugePages(cgroupPath(driver, name), limits.hugePages);
  }

  async #destroy(name: CgroupName): Promise<boolean> {
    const { tree, driver } = this.#options;
    if (driver === 'cgroupfs') return tree.remove(cgroupPath(driver, name));
    const parent = cgroupPath(driver, name.slice(0, -1));
    const slice = cgroupParent(driver, name);
    if (!(await tree.children(parent)).includes(slice)) return true;
    await removeSlice(slice);
    return true;
  }
}

const idle: CgroupLimits = { cpuShares: cpuShares(0), cpuPeriod: CPU_PERIOD_US };
