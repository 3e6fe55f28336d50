/** `/metrics/cadvisor`: the series of cAdvisor that dashboards and alerts use, with its names and labels. */
import type { DeviceIo } from '../host/cgroup-io.ts';
import type { HostUsage, InterfaceCounters } from '../host/proc.ts';
import { PAUSE_IMAGE } from '../images/bundled.ts';
import type { CgroupLimits } from '../host/cgroup-tree.ts';
import { containerLimits, podLimits } from '../resources/compute.ts';
import { Exposition, labelText, type Labels } from '../../daemon/metrics/exposition.ts';
import type { Measured, PodUsage } from './pod-usage.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';

/** A cgroup with cAdvisor's labels; `container` is '' but for containers, `pod` is '' above the pods. */
interface Row {
  /** As text, as all of these. */
  readonly labels: string;
  readonly measured: Measured;
  readonly limits?: CgroupLimits;
  readonly startedAtMs?: number;
}

interface NetworkRow {
  readonly labels: string;
  readonly counters: InterfaceCounters;
  readonly atMs: number;
}

interface Series {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  /** Undefined where there is no such sample. */
  readonly value: (row: Row) => number | undefined;
}

const seconds = (nanoseconds: number | undefined): number | undefined =>
  nanoseconds === undefined ? undefined : nanoseconds / 1e9;
/** Of what only a limited cgroup has. */
const ifLimited = (row: Row, value: number | undefined): number | undefined =>
  row.limits?.cpuQuota === undefined ? undefined : value;

const counter = (name: string, help: string, value: Series['value']): Series => ({
  name,
  type: 'counter',
  help,
  value,
});
const gauge = (name: string, help: string, value: Series['value']): Series => ({ name, type: 'gauge', help, value });

const SERIES: readonly Series[] = [
  counter('container_cpu_usage_seconds_total', 'CPU time in seconds.', ({ measured }) =>
    seconds(measured.usage.cpuNanoseconds),
  ),
  counter('container_cpu_user_seconds_total', 'CPU time of programs in seconds.', ({ measured }) =>
    seconds(measured.cpu?.userNanoseconds),
  ),
  counter('container_cpu_system_seconds_total', 'CPU time of the kernel in seconds.', ({ measured }) =>
    seconds(measured.cpu?.systemNanoseconds),
  ),
  counter('container_cpu_cfs_periods_total', 'Periods of the CPU limit that have passed.', (row) =>
    ifLimited(row, row.measured.cpu?.periods),
  ),
  counter('container_cpu_cfs_throttled_periods_total', 'Periods in which the CPU limit was reached.', (row) =>
    ifLimited(row, row.measured.cpu?.throttledPeriods),
  ),
  counter('container_cpu_cfs_throttled_seconds_total', 'Time spent waiting for the CPU limit, in seconds.', (row) =>
    ifLimited(row, seconds(row.measured.cpu?.throttledNanoseconds)),
  ),
  gauge('container_memory_usage_bytes', 'Memory in bytes, whenever it was last used.', ({ measured }) => {
    return measured.usage.memoryBytes;
  }),
  gauge('container_memory_working_set_bytes', 'Working set in bytes.', ({ measured }) => {
    return measured.usage.workingSetBytes;
  }),
  gauge('container_memory_rss', 'Resident memory in bytes.', ({ measured }) => measured.usage.rssBytes),
  gauge('container_memory_cache', 'Page cache in bytes.', ({ measured }) => measured.usage.cacheBytes),
  gauge('container_memory_mapped_file', 'Mapped files in bytes.', ({ measured }) => measured.usage.mappedFileBytes),
  gauge('container_memory_swap', 'Swap in bytes.', ({ measured }) => measured.usage.swapBytes),
  gauge('container_spec_cpu_period', 'Period of the CPU limit in microseconds.', ({ limits }) => limits?.cpuPeriod),
  gauge('container_spec_cpu_quota', 'CPU limit in microseconds a period.', ({ limits }) => limits?.cpuQuota),
  gauge('container_spec_cpu_shares', 'Share of the CPU.', ({ limits }) => limits?.cpuShares),
  gauge('container_spec_memory_limit_bytes', 'Limit of memory in bytes; 0 means none.', ({ limits }) =>
    limits === undefined ? undefined : (limits.memoryBytes ?? 0),
  ),
  gauge('container_start_time_seconds', 'Start since the epoch, in seconds.', ({ startedAtMs }) =>
    startedAtMs === undefined ? undefined : startedAtMs / 1000,
  ),
  gauge('container_last_seen', 'When it was last seen.', ({ measured }) => Math.floor(measured.atMs / 1000)),
];

const NETWORK: readonly (readonly [name: string, help: string, value: (of: InterfaceCounters) => number])[] = [
  ['container_network_receive_bytes_total', 'Bytes received.', ({ rxBytes }) => rxBytes],
  ['container_network_receive_packets_total', 'Packets received.', ({ rxPackets }) => rxPackets],
  ['container_network_receive_packets_dropped_total', 'Received packets that were dropped.', (of) => of.rxDropped],
  ['container_network_receive_errors_total', 'Errors while receiving.', ({ rxErrors }) => rxErrors],
  ['container_network_transmit_bytes_total', 'Bytes sent.', ({ txBytes }) => txBytes],
  ['container_network_transmit_packets_total', 'Packets sent.', ({ txPackets }) => txPackets],
  ['container_network_transmit_packets_dropped_total', 'Sent packets that were dropped.', (of) => of.txDropped],
  ['container_network_transmit_errors_total', 'Errors while sending.', ({ txErrors }) => txErrors],
];

const IO: readonly (readonly [name: string, help: string, value: (of: DeviceIo) => number])[] = [
  ['container_fs_reads_bytes_total', 'Bytes read from disks.', ({ readBytes }) => readBytes],
  ['container_fs_reads_total', 'Reads from disks.', ({ reads }) => reads],
  ['container_fs_writes_bytes_total', 'Bytes written to disks.', ({ writtenBytes }) => writtenBytes],
  ['container_fs_writes_total', 'Writes to disks.', ({ writes }) => writes],
];

export interface CadvisorInput {
  readonly host: HostUsage;
  readonly processors: number;
  readonly atMs: number;
  readonly hostInterfaces: readonly InterfaceCounters[];
  /** `kubepods`: all pods together. */
  readonly all: Measured | undefined;
  readonly pods: readonly PodUsage[];
  readonly failed: boolean;
  /** Names of disks by their numbers. */
  readonly devices: ReadonlyMap<string, string>;
}

/** Pure. */
export function cadvisorMetrics(input: CadvisorInput): string {
  const { host, processors, atMs, hostInterfaces, all, pods, failed, devices } = input;
  const rows: Row[] = [
    { labels: labelText(labels('/')), measured: wholeHost(host, atMs), startedAtMs: host.bootedAtMs },
  ];
  const network: NetworkRow[] = hostInterfaces.map((of) => networkRow(labels('/'), of, atMs));
  if (all) rows.push({ labels: labelText(labels(all.cgroup)), measured: all });
  for (const usage of pods) {
    rows.push(...podRows(usage));
    network.push(...podNetwork(usage, atMs));
  }
  const to = new Exposition();
  for (const { name, type, help, value } of SERIES) {
    to.family(name, type, help);
    for (const row of rows) {
      const number = value(row);
      const of = name === 'container_cpu_usage_seconds_total' ? `{cpu="total",${row.labels.slice(1)}` : row.labels;
      if (number !== undefined) to.sample(name, of, number, row.measured.atMs);
    }
  }
  for (const [name, help, value] of NETWORK) {
    to.family(name, 'counter', help);
    for (const row of network) to.sample(name, row.labels, value(row.counters), row.atMs);
  }
  for (const [name, help, value] of IO) {
    to.family(name, 'counter', help);
    for (const { labels: of, measured } of rows) {
      for (const io of measured.io ?? [])
        to.sample(name, `{device="${devices.get(io.device) ?? io.device}",${of.slice(1)}`, value(io), measured.atMs);
    }
  }
  to.single('machine_cpu_cores', 'gauge', 'Logical processors.', processors);
  to.single('machine_memory_bytes', 'gauge', 'Memory of the machine in bytes.', host.memoryTotalBytes);
  to.single('container_scrape_error', 'gauge', '1 if something could not be read, 0 otherwise.', failed ? 1 : 0);
  return to.toString();
}

function labels(id: string, pod?: Pod, of = { container: '', image: '', name: '' }): Labels {
  const { name = '', namespace = '' } = pod?.metadata ?? {};
  return { container: of.container, id, image: of.image, name: of.name, namespace, pod: name };
}

function podRows({ pod, own, containers }: PodUsage): Row[] {
  const specs = [
    ...(pod.spec?.initContainers ?? []),
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.ephemeralContainers ?? []),
  ];
  const startedAt = pod.status?.startTime;
  const rows: Row[] = containers.map((measured) => {
    const spec = specs.find(({ name }) => name === measured.name);
    return {
      labels: labelText(
        labels(measured.cgroup, pod, { container: measured.name, image: measured.image, name: measured.id }),
      ),
      measured,
      limits: spec && pod && containerLimits(pod, spec),
      startedAtMs: measured.startedAtMs,
    };
  });
  if (own) {
    const startedAtMs = startedAt === undefined ? undefined : Date.parse(startedAt);
    rows.push({ labels: labelText(labels(own.cgroup, pod)), measured: own, limits: podLimits(pod), startedAtMs });
  }
  return rows;
}

/** A pod's network is its sandbox's, as in cAdvisor. */
function podNetwork({ pod, sandbox }: PodUsage, atMs: number): NetworkRow[] {
  if (!sandbox) return [];
  const of = labels(sandbox.cgroup, pod, { container: '', image: PAUSE_IMAGE, name: sandbox.id });
  return sandbox.interfaces.map((counters) => networkRow(of, counters, atMs));
}

const networkRow = (of: Labels, counters: InterfaceCounters, atMs: number): NetworkRow => ({
  labels: labelText({ ...of, interface: counters.name }),
  counters,
  atMs,
});

/** The root cgroup: the host itself. */
const wholeHost = (host: HostUsage, atMs: number): Measured => ({
  cgroup: '/',
  atMs,
  usage: {
    cpuNanoseconds: host.cpuNanoseconds,
    memoryBytes: host.memoryUsedBytes,
    workingSetBytes: host.workingSetBytes,
    rssBytes: host.rssBytes,
    cacheBytes: host.cacheBytes,
    mappedFileBytes: host.mappedFileBytes,
    swapBytes: host.swapUsedBytes,
    pageFaults: host.pageFaults,
    majorPageFaults: host.majorPageFaults,
  },
});
