/**
 * `/metrics` and `/metrics/probes`, under the names that the kubelet and kube-proxy use
 * (https://kubernetes.io/docs/reference/instrumenting/metrics/). The parts of the agent report what they do; what can be read
 * is read on request.
 */
import { msUntil } from '../../client/clock.ts';
import type { DeviceMetrics } from '../devices/device-claims.ts';
import type { DraCallMetrics } from '../devices/dra-plugin.ts';
import { readHostUsage, readOwnFiles, readProcess } from '../host/proc.ts';
import type { CertificatePurpose, RenewalMetrics } from '../join/rotation.ts';
import type { MeasureCgroup } from '../resources/pod-cgroups.ts';
import type { MeasureStep } from '../volumes/framework/volume-runner.ts';
import type { PodDirectory } from '../pods/sync/pod-directory.ts';
import type { PodMetrics, PodOperation, ProbeOutcome } from '../pods/sync/pod-metrics.ts';
import { writeBuildInfo } from '../../daemon/metrics/build-info.ts';
import { Exposition } from '../../daemon/metrics/exposition.ts';
import { Counter, exponential, Histogram } from '../../daemon/metrics/series.ts';
import type { ContainerStatus, Pod } from '../../api/types/core/v1.gen.ts';

/** Upstream's buckets, in seconds. */
const RUNTIME_BUCKETS = exponential(0.005, 2.5, 14);
const WORK_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** From 0.1 to 40 s. */
const DRA_BUCKETS = exponential(0.1, 400 ** (1 / 14), 15);
const START_BUCKETS = [
  ...[0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600],
  ...[900, 1200, 1800, 2700, 3600],
];
const STORAGE_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600];
/** The kubelet's names of the steps of volumes. */
const STORAGE_OPERATIONS: ReadonlyMap<string, string> = new Map([
  ['MountVolume.SetUp', 'volume_mount'],
  ['MountVolume.MountDevice', 'volume_mount_device'],
  ['UnmountVolume.TearDown', 'volume_unmount'],
  ['UnmountVolume.UnmountDevice', 'unmount_device'],
  ['NodeExpand.NodeExpandVolume', 'volume_fs_resize'],
]);

const OTHER_PLUGIN = 'other';
const VOLUME_PLUGINS = [
  ['emptyDir', 'kubernetes.io/empty-dir'],
  ['hostPath', 'kubernetes.io/host-path'],
  ['configMap', 'kubernetes.io/configmap'],
  ['secret', 'kubernetes.io/secret'],
  ['downwardAPI', 'kubernetes.io/downward-api'],
  ['projected', 'kubernetes.io/projected'],
  ['persistentVolumeClaim', 'kubernetes.io/persistent-claim'],
  ['ephemeral', 'kubernetes.io/persistent-claim'],
  ['csi', 'kubernetes.io/csi'],
  ['nfs', 'kubernetes.io/nfs'],
] as const;

export interface MetricsPart {
  write(to: Exposition): void;
}

export class AgentMetrics implements RenewalMetrics, PodMetrics, DeviceMetrics, DraCallMetrics {
  readonly #nodeName: string;
  readonly #podStarts = new Histogram(
    'kubelet_pod_start_duration_seconds',
    'Time from seeing a pod for the first time to its running.',
    START_BUCKETS,
  );
  readonly #podWork = new Histogram(
    'kubelet_pod_worker_duration_seconds',
    'Time to carry out what a pod needs.',
    WORK_BUCKETS,
    ['operation_type'],
  );
  readonly #relists = new Histogram(
    'kubelet_pleg_relist_duration_seconds',
    'Time to list all sandboxes and containers.',
    WORK_BUCKETS,
  );
  readonly #relistIntervals = new Histogram(
    'kubelet_pleg_relist_interval_seconds',
    'Time between two lists of all sandboxes and containers.',
    WORK_BUCKETS,
  );
  #relistedMs: number | undefined;
  readonly #evictions = new Counter('kubelet_evictions', 'Evicted pods, by the signal that led to it.', [
    'eviction_signal',
  ]);
  readonly #cgroups = new Histogram(
    'kubelet_cgroup_manager_duration_seconds',
    'Time to change cgroups.',
    WORK_BUCKETS,
    ['operation_type'],
  );
  readonly #storage = new Histogram(
    'storage_operation_duration_seconds',
    'Time that steps of volumes took.',
    STORAGE_BUCKETS,
    ['volume_plugin', 'operation_name', 'status', 'migrated'],
  );
  readonly #calls = new Counter('kubelet_runtime_operations_total', 'Calls of the container runtime.', [
    'operation_type',
  ]);
  readonly #failedCalls = new Counter(
    'kubelet_runtime_operations_errors_total',
    'Calls of the container runtime that failed.',
    ['operation_type'],
  );
  readonly #callDurations = new Histogram(
    'kubelet_runtime_operations_duration_seconds',
    'Time that calls of the container runtime took.',
    RUNTIME_BUCKETS,
    ['operation_type'],
  );
  readonly #probes = new Counter('prober_probe_total', 'Probes of containers, by result.', [
    ...['probe_type', 'result', 'container', 'pod', 'namespace', 'pod_uid'],
  ]);
  readonly #failedRenewals = {
    client: new Counter(
      'kubelet_certificate_manager_client_expiration_renew_errors',
      'Renewals of the client certificate that failed.',
    ),
    serving: new Counter('kubelet_server_expiration_renew_errors', 'Renewals of the serving certificate that failed.'),
  };
  readonly #devicesHandled = new Histogram(
    'dra_operations_duration_seconds',
    'Time to prepare or unprepare all ResourceClaims of a pod that starts or stops.',
    DRA_BUCKETS,
    ['operation_name', 'is_error'],
  );
  readonly #draCalls = new Histogram(
    'dra_grpc_operations_duration_seconds',
    'Time that calls of DRA drivers took.',
    DRA_BUCKETS,
    ['driver_name', 'method_name', 'grpc_status_code'],
  );
  #claimsInUse: ReadonlyMap<string, number> = new Map();
  readonly #parts: MetricsPart[] = [];
  readonly #certificatesEndMs: Partial<Record<CertificatePurpose, number>> = {};

  constructor(nodeName: string) {
    this.#nodeName = nodeName;
  }

  /** Writes the metrics of another part with the agent's. */
  include(part: MetricsPart): void {
    this.#parts.push(part);
  }

  /** A call of the CRI, by its name there. */
  called(call: string, seconds: number, failed: boolean): void {
    const operation = operationOf(call);
    this.#calls.increase(operation);
    this.#callDurations.observe(seconds, operation);
    if (failed) this.#failedCalls.increase(operation);
  }

  started(seconds: number): void {
    this.#podStarts.observe(seconds);
  }

  worked(operation: PodOperation, seconds: number): void {
    this.#podWork.observe(seconds, operation);
  }

  relisted(seconds: number): void {
    const now = performance.now();
    this.#relists.observe(seconds);
    if (this.#relistedMs !== undefined) this.#relistIntervals.observe((now - this.#relistedMs) / 1000);
    this.#relistedMs = now;
  }

  readonly evicted = (cause: string): void => this.#evictions.increase(cause);

  readonly cgroupChanged: MeasureCgroup = (operation, seconds) => this.#cgroups.observe(seconds, operation);

  readonly volumeStep: MeasureStep = (plugin, step, seconds, failed) => {
    const operation = STORAGE_OPERATIONS.get(step);
    if (operation) this.#storage.observe(seconds, plugin, operation, failed ? 'fail-unknown' : 'success', 'false');
  };

  probed({ metadata }: Pod, container: string, probe: string, outcome: ProbeOutcome): void {
    const { name = '', namespace = '', uid = '' } = metadata ?? {};
    this.#probes.increase(probe, outcome, container, name, namespace, uid);
  }

  forgotten(podUid: string): void {
    this.#probes.remove({ pod_uid: podUid });
  }

  devicesHandled(operation: 'PrepareResources' | 'UnprepareResources', seconds: number, failed: boolean): void {
    this.#devicesHandled.observe(seconds, operation, String(failed));
  }

  claimsInUse(counts: ReadonlyMap<string, number>): void {
    this.#claimsInUse = counts;
  }

  draCalled(driver: string, method: string, code: string, seconds: number): void {
    this.#draCalls.observe(seconds, driver, method, code);
  }

  certified(purpose: CertificatePurpose, validToMs: number): void {
    this.#certificatesEndMs[purpose] = validToMs;
  }

  /** Counts a renewal at its end; returns its result. */
  async renewing<T extends { readonly validToMs: number }>(
    purpose: CertificatePurpose,
    renewal: Promise<T>,
  ): Promise<T> {
    try {
      const renewed = await renewal;
      this.certified(purpose, renewed.validToMs);
      return renewed;
    } catch (error) {
      this.#failedRenewals[purpose].increase();
      throw error;
    }
  }

  async text(pods: PodDirectory, more: (to: Exposition) => void = () => undefined): Promise<string> {
    const to = new Exposition();
    writeBuildInfo(to);
    to.family('kubelet_node_name', 'gauge', 'The name of the node; the count is always 1.');
    to.sample('kubelet_node_name', { node: this.#nodeName }, 1);
    writeRunning(to, pods.list());
    writeVolumeCounts(to, pods.list());
    for (const metric of [this.#podStarts, this.#podWork, this.#relists, this.#relistIntervals]) metric.write(to);
    for (const metric of [this.#evictions, this.#cgroups, this.#storage]) metric.write(to);
    this.#calls.write(to);
    this.#failedCalls.write(to);
    this.#callDurations.write(to);
    this.#writeDevices(to);
    this.#writeCertificates(to);
    for (const part of this.#parts) part.write(to);
    more(to);
    await writeProcess(to);
    return to.toString();
  }

  probesText(): string {
    const to = new Exposition();
    this.#probes.write(to);
    return to.toString();
  }

  #writeDevices(to: Exposition): void {
    const name = 'dra_resource_claims_in_use';
    to.family(name, 'gauge', 'Prepared ResourceClaims by driver, and in all as driver <any>.');
    for (const [driver, count] of this.#claimsInUse) to.sample(name, { driver_name: driver }, count);
    this.#devicesHandled.write(to);
    this.#draCalls.write(to);
  }

  #writeCertificates(to: Exposition): void {
    const left = (purpose: CertificatePurpose): number =>
      Math.floor(msUntil(this.#certificatesEndMs[purpose] ?? Infinity) / 1000);
    to.single(
      ...(['kubelet_certificate_manager_client_ttl_seconds', 'gauge'] as const),
      'Seconds until the client certificate expires.',
      left('client'),
    );
    to.single(
      ...(['kubelet_certificate_manager_server_ttl_seconds', 'gauge'] as const),
      'Seconds until the serving certificate expires.',
      left('serving'),
    );
    this.#failedRenewals.client.write(to);
    this.#failedRenewals.serving.write(to);
  }
}

/** `ListPodSandbox` -> `list_podsandbox`, as the kubelet names the calls. */
const operationOf = (call: string): string =>
  call
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_')
    .toLowerCase()
    .replace('pod_sandbox', 'podsandbox')
    .replace('update_container_resources', 'update_container');

function writeRunning(to: Exposition, pods: readonly Pod[]): void {
  let running = 0;
  const byState = { running: 0, exited: 0, created: 0 };
  for (const { status } of pods) {
    const containers = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
    if (containers.some(({ state }) => state?.running)) running++;
    for (const container of containers) {
      const state = stateOf(container);
      if (state) byState[state]++;
    }
  }
  to.single('kubelet_running_pods', 'gauge', 'Pods that have a running container.', running);
  to.family('kubelet_running_containers', 'gauge', 'Containers by what they do.');
  for (const [state, count] of Object.entries(byState))
    to.sample('kubelet_running_containers', { container_state: state }, count);
}

/** Of pods that have not ended; those whose containers have been created have their volumes. */
function writeVolumeCounts(to: Exposition, pods: readonly Pod[]): void {
  const name = 'volume_manager_total_volumes';
  const counts = new Map<string, { desired: number; actual: number }>();
  for (const { spec, status } of pods) {
    if (status?.phase === 'Succeeded' || status?.phase === 'Failed') continue;
    const { initContainerStatuses = [], containerStatuses = [] } = status ?? {};
    const areMounted = [...initContainerStatuses, ...containerStatuses].some(({ containerID }) => containerID);
    for (const volume of spec?.volumes ?? []) {
      const plugin = VOLUME_PLUGINS.find(([field]) => volume[field] !== undefined)?.[1] ?? OTHER_PLUGIN;
      const count = counts.get(plugin) ?? { desired: 0, actual: 0 };
      counts.set(plugin, count);
      count.desired++;
      if (areMounted) count.actual++;
    }
  }
  to.family(name, 'gauge', 'Volumes of pods by plugin: wanted, and mounted.');
  for (const [plugin, { desired, actual }] of counts) {
    to.sample(name, { plugin_name: plugin, state: 'desired_state_of_world' }, desired);
    to.sample(name, { plugin_name: plugin, state: 'actual_state_of_world' }, actual);
  }
}

/** Undefined for a container that has not been observed yet. */
function stateOf({ state, containerID }: ContainerStatus): 'running' | 'exited' | 'created' | undefined {
  if (state?.running) return 'running';
  if (state?.terminated) return 'exited';
  return containerID ? 'created' : undefined;
}

/** What is said of every process. */
export async function writeProcess(to: Exposition): Promise<void> {
  const [{ bootedAtMs }, files] = await Promise.all([readHostUsage(), readOwnFiles()]);
  const own = await readProcess('self', bootedAtMs);
  const { user, system } = process.cpuUsage();
  to.single('process_cpu_seconds_total', 'counter', 'CPU time of the process.', (user + system) / 1e6);
  to.single('process_max_fds', 'gauge', 'How many files the process may have open.', files.max);
  to.single('process_open_fds', 'gauge', 'Open files of the process.', files.open);
  to.single('process_resident_memory_bytes', 'gauge', 'Resident memory.', process.memoryUsage.rss());
  if (!own) return;
  to.single('process_start_time_seconds', 'gauge', 'Start of the process since the epoch.', own.startedAtMs / 1000);
  to.single('process_virtual_memory_bytes', 'gauge', 'Virtual memory.', own.virtualBytes);
}
