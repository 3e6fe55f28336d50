/** Measures what pods use, as far as a decision needs it. */
import path from 'node:path';
import type { CriClient } from '../cri/client.ts';
import { podLogDirectory } from '../pods/logs/log-paths.ts';
import { runtimeIdOf } from '../pods/status/container-id.ts';
import type { PodCgroups } from '../resources/pod-cgroups.ts';
import { countProcesses, readUsage } from '../host/cgroup-usage.ts';
import { diskUsageOf, writableLayers, type DiskUsage } from '../stats/disk-usage.ts';
import type { HostPodVolumes } from '../volumes/host-pod-volumes.ts';
import type { Consumption, Used } from './consumption.ts';
import type { Starved } from './ranking.ts';
import { limitedEmptyDirs, limitsContainers } from './storage-limits.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';

export interface MeterOptions {
  readonly cri: Pick<CriClient, 'listContainerStats'>;
  readonly cgroups: PodCgroups;
  readonly volumes: Pick<HostPodVolumes, 'usage'>;
  /** `/var/log/pods` */
  readonly logDirectory: string;
}

type Layers = ReadonlyMap<string, DiskUsage>;

export class Meter {
  readonly #options: MeterOptions;

  constructor(options: MeterOptions) {
    this.#options = options;
  }

  /** What the pods use of a resource under pressure. */
  async measure(pods: readonly Pod[], what: Starved, signal: AbortSignal): Promise<Consumption[]> {
    if (what === 'memory' || what === 'pids') return Promise.all(pods.map((pod) => this.#ofCgroups(pod, what)));
    const layers = await this.#layers(signal);
    const names = (pod: Pod): string[] =>
      (pod.spec?.volumes ?? []).filter(({ emptyDir }) => emptyDir && !emptyDir.medium).map(({ name }) => name);
    return Promise.all(pods.map((pod) => this.#onDisk(pod, names(pod), layers, signal)));
  }

  /** The local storage of those pods that limit it. */
  async measureLimited(pods: readonly Pod[], signal: AbortSignal): Promise<Consumption[]> {
    const limited = pods.filter((pod) => limitsContainers(pod) || limitedEmptyDirs(pod).length > 0);
    if (limited.length === 0) return [];
    const layers = limited.some(limitsContainers) ? await this.#layers(signal) : new Map<string, DiskUsage>();
    return Promise.all(
      limited.map((pod) => {
        // Against the limit of its containers everything on disk counts.
        const all = limitsContainers(pod)
          ? (pod.spec?.volumes ?? []).filter(({ emptyDir }) => emptyDir && !emptyDir.medium)
          : limitedEmptyDirs(pod);
        return this.#onDisk(
          pod,
          all.map(({ name }) => name),
          layers,
          signal,
        );
      }),
    );
  }

  async #layers(signal: AbortSignal): Promise<Layers> {
    return writableLayers(await this.#options.cri.listContainerStats({ signal }));
  }

  async #ofCgroups(pod: Pod, what: 'memory' | 'pids'): Promise<Consumption> {
    const { cgroups } = this.#options;
    const containers = new Map<string, Used>();
    let processes = 0;
    for (const { name, id } of runningContainers(pod)) {
      const cgroup = cgroups.containerPath(pod, id);
      if (what === 'memory') containers.set(name, { memoryBytes: await this.#workingSet(cgroup) });
      else processes += (await countProcesses(cgroups.tree, cgroup)) ?? 0;
    }
    const total = what === 'memory' ? { memoryBytes: await this.#workingSet(cgroups.podPath(pod)) } : { processes };
    return { pod, total, containers, emptyDirs: new Map() };
  }

  async #workingSet(cgroup: string): Promise<number | undefined> {
    return (await readUsage(this.#options.cgroups.tree, cgroup))?.workingSetBytes;
  }

  async #onDisk(pod: Pod, emptyDirs: readonly string[], layers: Layers, signal: AbortSignal): Promise<Consumption> {
    const { volumes, logDirectory } = this.#options;
    const held = emptyDirs.length > 0 ? await volumes.usage(pod, emptyDirs, signal) : new Map<string, never>();
    const containers = new Map<string, Used>();
    for (const { name, id } of runningContainers(pod)) {
      const logs = await diskUsageOf(path.join(podLogDirectory(logDirectory, pod), name));
      const layer = layers.get(id);
      containers.set(name, {
        diskBytes: logs.usedBytes + (layer?.usedBytes ?? 0),
        inodes: logs.inodesUsed + (layer?.inodesUsed ?? 0),
      });
    }
    const sum = (of: (used: Used) => number | undefined, volumeBytes: number): number =>
      [...containers.values()].reduce((total, used) => total + (of(used) ?? 0), volumeBytes);
    const inVolumes = { bytes: 0, inodes: 0 };
    for (const { bytes, inodes } of held.values()) {
      inVolumes.bytes += bytes;
      inVolumes.inodes += inodes;
    }
    const total = {
      diskBytes: sum(({ diskBytes }) => diskBytes, inVolumes.bytes),
      inodes: sum(({ inodes }) => inodes, inVolumes.inodes),
    };
    return { pod, total, containers, emptyDirs: new Map([...held].map(([name, { bytes }]) => [name, bytes])) };
  }
}

function runningContainers({ status }: Pod): { name: string; id: string }[] {
  const { initContainerStatuses = [], containerStatuses = [] } = status ?? {};
  return [...initContainerStatuses, ...containerStatuses].flatMap(({ name, state, containerID }) =>
    state?.running && containerID ? [{ name, id: runtimeIdOf(containerID) }] : [],
  );
}
