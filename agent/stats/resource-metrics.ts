/** `/metrics/resource`: what metrics-server reads. https://kubernetes.io/docs/reference/instrumenting/node-metrics/ */
import type { HostUsage } from '../host/proc.ts';
import { Exposition, type Labels } from '../../daemon/metrics/exposition.ts';
import type { ContainerUsage, Measured, PodUsage } from './pod-usage.ts';

const seconds = (nanoseconds: number): number => nanoseconds / 1e9;

interface Row {
  readonly labels: Labels;
  readonly measured: Measured;
}

/** Pure. `failed`: a read failed. */
export function resourceMetrics(host: HostUsage, atMs: number, pods: readonly PodUsage[], failed: boolean): string {
  const containers: (Row & { readonly container: ContainerUsage })[] = [];
  const whole: Row[] = [];
  for (const { pod, own, containers: running } of pods) {
    const { name = '', namespace = '' } = pod.metadata ?? {};
    if (own) whole.push({ labels: { namespace, pod: name }, measured: own });
    for (const container of running) {
      containers.push({ labels: { container: container.name, namespace, pod: name }, measured: container, container });
    }
  }
  const to = new Exposition();
  const rows = (of: readonly Row[], name: string, type: 'counter' | 'gauge', help: string, value: ValueOf): void => {
    to.family(name, type, help);
    for (const { labels, measured } of of) to.sample(name, labels, value(measured), measured.atMs);
  };
  for (const [kind, of] of [
    ['container', containers],
    ['pod', whole],
  ] as const) {
    rows(of, `${kind}_cpu_usage_seconds_total`, 'counter', `CPU time of the ${kind} in seconds.`, cpuSeconds);
    rows(of, `${kind}_memory_working_set_bytes`, 'gauge', `Working set of the ${kind} in bytes.`, workingSet);
    rows(of, `${kind}_swap_usage_bytes`, 'gauge', `Swap that the ${kind} uses, in bytes.`, swap);
  }
  to.family('container_start_time_seconds', 'gauge', 'Start of the container since the epoch, in seconds.');
  for (const { labels, container } of containers)
    to.sample('container_start_time_seconds', labels, container.startedAtMs / 1000);
  to.single(
    ...(['node_cpu_usage_seconds_total', 'counter', 'CPU time of the node in seconds.'] as const),
    seconds(host.cpuNanoseconds),
    atMs,
  );
  to.single('node_memory_working_set_bytes', 'gauge', 'Working set of the node in bytes.', host.workingSetBytes, atMs);
  to.single('node_swap_usage_bytes', 'gauge', 'Swap that the node uses, in bytes.', host.swapUsedBytes, atMs);
  to.single('resource_scrape_error', 'gauge', '1 if something could not be read, 0 otherwise.', failed ? 1 : 0);
  return to.toString();
}

type ValueOf = (measured: Measured) => number;
const cpuSeconds: ValueOf = ({ usage }) => seconds(usage.cpuNanoseconds);
const workingSet: ValueOf = ({ usage }) => usage.workingSetBytes;
const swap: ValueOf = ({ usage }) => usage.swapBytes;
