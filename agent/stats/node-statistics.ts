/** The monitoring documents of the node API. Nothing is sampled: each is computed on request. */
import path from 'node:path';
import { podClaims } from '../../api/domain/pod-claims.ts';
import type { Logger } from '../../client/logger.ts';
import type { CriClient } from '../cri/client.ts';
import { CriError } from '../cri/rpc-error.ts';
import type { ContainerStats } from '../cri/types.ts';
import { readDeviceNames } from '../host/cgroup-io.ts';
import { countProcessors, readDisk } from '../host/meters.ts';
import { findListener, readDefaultInterface, readHostUsage, readInterfaces, readProcess } from '../host/proc.ts';
import type { PodDirectory } from '../pods/sync/pod-directory.ts';
import { podFields } from '../pods/log-fields.ts';
import { podLogDirectory } from '../pods/logs/log-paths.ts';
import type { PodCgroups } from '../resources/pod-cgroups.ts';
import type { StatisticsSource } from '../server/documents.ts';
import type { AgentMetrics } from './agent-metrics.ts';
import { HealthMetrics } from '../../daemon/metrics/health-metrics.ts';
import { cadvisorMetrics } from './cadvisor-metrics.ts';
import { CpuRates } from './cpu-rates.ts';
import { diskUsageOf, writableLayers, type DiskUsage } from './disk-usage.ts';
import { measure, readPods, type Detail, type PodUsage } from './pod-usage.ts';
import { resourceMetrics } from './resource-metrics.ts';
import { writeVolumes, type VolumeMeter } from './volume-usage.ts';
import { summary, type Disks, type SystemProcess } from './summary.ts';

export interface NodeStatisticsOptions {
  readonly nodeName: string;
  readonly pods: PodDirectory;
  readonly cgroups: PodCgroups;
  readonly cri: Pick<CriClient, 'imageFilesystems' | 'listContainerStats' | 'socket'>;
  readonly metrics: AgentMetrics;
  readonly volumes: VolumeMeter;
  /** On the file system of the pods' own storage. */
  readonly dataDir: string;
  /** `/var/log/pods` */
  readonly logDirectory: string;
  readonly logger: Logger;
}

/** A request waits no longer than this for the runtime; what it did not report is left out. */
const RUNTIME_LIMIT_MS = 5_000;

export class NodeStatistics implements StatisticsSource {
  readonly #options: NodeStatisticsOptions;
  readonly #rates = new CpuRates();
  readonly #health = new HealthMetrics();
  #runtimePid: number | undefined;

  constructor(options: NodeStatisticsOptions) {
    this.#options = options;
  }

  async summary(): Promise<object> {
    const { nodeName, cgroups } = this.#options;
    const [host, interfaces, mainInterface, { pods }, all, disks, layers] = await Promise.all([
      readHostUsage(),
      readInterfaces('self'),
      readDefaultInterface(),
      this.#readPods({ network: true }),
      measure(cgroups, cgroups.topPath(), {}),
      this.#disks(),
      this.#layers(),
    ]);
    const volumes = await this.#options.volumes.measure(pods.map(({ pod }) => pod));
    const taking = this.#rates.begin();
    const document = summary({
      ...{ nodeName, host, disks, all, pods, layers, volumes, rate: taking.rate },
      atMs: Date.now(),
      interfaces: interfaces ?? [],
      mainInterface,
      processes: await this.#processes(host.bootedAtMs),
      logs: await this.#logs(pods),
    });
    taking.end();
    return document;
  }

  async resourceMetrics(): Promise<string> {
    const [host, { pods, failed }] = await Promise.all([readHostUsage(), this.#readPods({})]);
    return resourceMetrics(host, Date.now(), pods, failed);
  }

  async cadvisorMetrics(): Promise<string> {
    const { cgroups } = this.#options;
    const [host, interfaces, all, { pods, failed }] = await Promise.all([
      readHostUsage(),
      readInterfaces('self'),
      measure(cgroups, cgroups.topPath(), { cpu: true, io: true }),
      this.#readPods({ cpu: true, io: true, network: true }),
    ]);
    const processors = countProcessors();
    const read = { host, processors, atMs: Date.now(), hostInterfaces: interfaces ?? [], all, pods, failed };
    return cadvisorMetrics({ ...read, devices: readDeviceNames() });
  }

  async metrics(): Promise<string> {
    const pods = this.#options.pods.list();
    const withClaims = pods.filter((pod) => podClaims(pod).length > 0);
    const volumes = await this.#options.volumes.measure(withClaims);
    return this.#options.metrics.text(this.#options.pods, (to) => writeVolumes(to, withClaims, volumes));
  }

  healthMetrics(isHealthy: boolean): string {
    this.#health.checked('healthz', 'syncloop', isHealthy);
    return this.#health.text();
  }

  probeMetrics(): string {
    return this.#options.metrics.probesText();
  }

  /** A pod that cannot be read does not affect the others. */
  async #readPods(detail: Detail): Promise<{ pods: PodUsage[]; failed: boolean }> {
    let failed = false;
    const pods = await readPods(this.#options, detail, (pod, error) => {
      failed = true;
      this.#options.logger.warn({ ...podFields(pod), err: error }, 'failed to read pod statistics');
    });
    return { pods, failed };
  }

  async #disks(): Promise<Disks> {
    const node = await readDisk(this.#options.dataDir);
    const [filesystem] = await this.#unlessAway(this.#options.cri.imageFilesystems({ limitMs: RUNTIME_LIMIT_MS }), []);
    if (!filesystem?.fsId) return { node, images: undefined };
    const held = { usedBytes: filesystem.usedBytes?.value ?? 0, inodesUsed: filesystem.inodesUsed?.value ?? 0 };
    return { node, images: { ...(await readDisk(filesystem.fsId.mountpoint)), held } };
  }

  async #layers(): Promise<ReadonlyMap<string, DiskUsage>> {
    const none: ContainerStats[] = [];
    const stats = await this.#unlessAway(this.#options.cri.listContainerStats({ limitMs: RUNTIME_LIMIT_MS }), none);
    return writableLayers(stats);
  }

  async #unlessAway<T>(asking: Promise<T>, otherwise: T): Promise<T> {
    try {
      return await asking;
    } catch (error) {
      if (!(error instanceof CriError)) throw error;
      this.#options.logger.warn({ err: error }, 'failed to read container runtime statistics');
      return otherwise;
    }
  }

  /** The agent itself and the runtime. */
  async #processes(bootedAtMs: number): Promise<SystemProcess[]> {
    const own = await readProcess('self', bootedAtMs);
    const runtime = await this.#runtimeProcess(bootedAtMs);
    return [
      ...(own ? [{ name: 'kubelet', ...own } as const] : []),
      ...(runtime ? [{ name: 'runtime', ...runtime } as const] : []),
    ];
  }

  /** Found again only after it has exited: scanning all processes is too slow for every request. */
  async #runtimeProcess(bootedAtMs: number) {
    const known = this.#runtimePid === undefined ? undefined : await readProcess(this.#runtimePid, bootedAtMs);
    if (known) return known;
    this.#runtimePid = await findListener(this.#options.cri.socket);
    return this.#runtimePid === undefined ? undefined : readProcess(this.#runtimePid, bootedAtMs);
  }

  async #logs(pods: readonly PodUsage[]): Promise<ReadonlyMap<string, DiskUsage>> {
    const logs = new Map<string, DiskUsage>();
    for (const { pod, containers } of pods) {
      const directory = podLogDirectory(this.#options.logDirectory, pod);
      for (const { id, name } of containers) logs.set(id, await diskUsageOf(path.join(directory, name)));
    }
    return logs;
  }
}
