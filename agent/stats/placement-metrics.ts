/**
 * What the managers of CPUs, memory and topology do, under the kubelet's names: https://kubernetes.io/docs/reference/instrumenting/metrics/
 */
import type { Exposition } from '../../daemon/metrics/exposition.ts';
import { Counter, exponential, Histogram } from '../../daemon/metrics/series.ts';
import type { Container, Pod } from '../../api/types/core/v1.gen.ts';
import { exclusiveCpus, type CpuState, type PlacementRefusal } from '../topology/cpu-assignment.ts';
import { memoryOf } from '../topology/memory-assignment.ts';
import type { PlacementSettings } from '../topology/place-pod.ts';
import type { PlacementObserver } from '../topology/pod-placement.ts';

/** Upstream's buckets, in milliseconds. */
const ADMISSION_BUCKETS = exponential(0.05, 2, 15);
const NUMA_NODE = 'numa_node';
const PHYSICAL_CPU = 'physical_cpu';

/** A counter that is 0 from the start. */
function counter(name: string, help: string): Counter {
  const made = new Counter(`kubelet_${name}`, help);
  made.add(0);
  return made;
}

export class PlacementMetrics implements PlacementObserver {
  readonly #cpus: () => CpuState;
  #settings: PlacementSettings | undefined;
  readonly #cpuRequests = counter('cpu_manager_pinning_requests_total', 'Containers that asked for CPUs of their own.');
  readonly #cpuErrors = counter('cpu_manager_pinning_errors_total', 'Of these, the ones that could not be given any.');
  readonly #memoryRequests = counter(
    'memory_manager_pinning_requests_total',
    'Containers that asked for guaranteed memory.',
  );
  readonly #memoryErrors = counter(
    'memory_manager_pinning_errors_total',
    'Of these, the ones that could not be given any.',
  );
  readonly #admissions = counter(
    'topology_manager_admission_requests_total',
    'Pods that the topology manager looked at.',
  );
  readonly #refusals = counter('topology_manager_admission_errors_total', 'Pods that it did not admit.');
  readonly #durations = new Histogram(
    'kubelet_topology_manager_admission_duration_ms',
    'Milliseconds that it took to admit a pod.',
    ADMISSION_BUCKETS,
  );
  readonly #aligned = new Counter(
    'kubelet_container_aligned_compute_resources_count',
    'Containers, or pods, whose resources are aligned, by the boundary.',
    ['scope', 'boundary'],
  );
  readonly #misaligned = new Counter(
    'kubelet_container_aligned_compute_resources_failure_count',
    'Containers, or pods, whose resources could not be aligned, by the boundary.',
    ['scope', 'boundary'],
  );

  constructor(cpus: () => CpuState) {
    this.#cpus = cpus;
  }

  placed(pod: Pod, settings: PlacementSettings, refusal: PlacementRefusal | undefined, milliseconds: number): void {
    this.#settings = settings;
    this.#admissions.increase();
    this.#durations.observe(milliseconds);
    if (refusal) this.#refusals.increase();
    const containers: readonly Container[] = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
    const pinned = settings.isStatic ? containers.filter((one) => exclusiveCpus(pod, one) > 0).length : 0;
    const guaranteed = settings.memory ? containers.filter((one) => memoryOf(pod, one).size > 0).length : 0;
    const isOfTopology = refusal?.reason === 'TopologyAffinityError';
    const isOfMemory = refusal?.message.includes('[memorymanager]') === true;
    if (!isOfTopology) {
      this.#cpuRequests.add(pinned);
      this.#memoryRequests.add(guaranteed);
    }
    if (refusal && !isOfTopology && isOfMemory) this.#memoryErrors.increase();
    if (refusal && !isOfTopology && !isOfMemory && pinned > 0) this.#cpuErrors.increase();
    const { scope } = settings;
    const counted = scope === 'pod' ? 1 : containers.length;
    if (settings.policy === 'single-numa-node' && isOfTopology) this.#misaligned.increase(scope, NUMA_NODE);
    if (settings.policy === 'single-numa-node' && !refusal) this.#aligned.add(counted, scope, NUMA_NODE);
    if (settings.fullCores && pinned > 0 && !refusal) this.#aligned.add(pinned, 'container', PHYSICAL_CPU);
    if (settings.fullCores && refusal?.reason === 'SMTAlignmentError')
      this.#misaligned.increase('container', PHYSICAL_CPU);
  }

  write(to: Exposition): void {
    const { shared, assigned } = this.#cpus();
    const settings = this.#settings;
    const free = settings ? shared.difference(settings.reserved) : shared;
    const exclusive = new Set([...assigned.values()].flatMap((own) => [...own.values()].flatMap((cpus) => [...cpus])));
    for (const metric of [this.#cpuRequests, this.#cpuErrors, this.#memoryRequests, this.#memoryErrors])
      metric.write(to);
    to.single(
      ...(['kubelet_cpu_manager_shared_pool_size_millicores', 'gauge'] as const),
      'CPUs that are shared and that containers may be given for themselves, in millicores.',
      free.size * 1000,
    );
    to.single(
      ...(['kubelet_cpu_manager_exclusive_cpu_allocation_count', 'gauge'] as const),
      'CPUs that containers have for themselves.',
      exclusive.size,
    );
    const perNode = 'kubelet_cpu_manager_allocation_per_numa';
    to.family(perNode, 'gauge', 'CPUs that containers have for themselves, by NUMA node.');
    for (const [node, cpus] of Map.groupBy(settings?.topology ?? [], (one) => one.node))
      to.sample(perNode, { [NUMA_NODE]: String(node) }, cpus.filter(({ cpu }) => exclusive.has(cpu)).length);
    for (const metric of [this.#admissions, this.#refusals, this.#durations, this.#aligned, this.#misaligned])
      metric.write(to);
  }
}
