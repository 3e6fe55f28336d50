import { test } from 'tap';
import { PlacementMetrics } from '../../../agent/stats/placement-metrics.ts';
import { ResizeMetrics } from '../../../agent/stats/resize-metrics.ts';
import { resizeOperations } from '../../../agent/pods/resize/resize-observer.ts';
import type { ResizeState } from '../../../agent/pods/resize/pod-sizes.ts';
import { placePod, type Placement, type PlacementSettings } from '../../../agent/topology/place-pod.ts';
import { hostMemory } from '../../../agent/topology/memory-settings.ts';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import type { Container, Pod, ResourceRequirements } from '../../../api/types/core/v1.gen.ts';

const GI = 2 ** 30;
const shown = (part: { write(to: Exposition): void }): string[] => {
  const to = new Exposition();
  part.write(to);
  return to
    .toString()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
};
const container = (cpu: string, memory: string): Container => {
  const all = { cpu, memory };
  return { name: 'main', image: 'app:1', resources: { requests: all, limits: all } };
};
const podOf = (uid: string, ...containers: Container[]): Pod => ({ metadata: { uid }, spec: { containers } });

test('the managers count what is asked of them and what they cannot give', async (t) => {
  const nodes = [0, 1].map((node) => ({ node, memoryBytes: 4 * GI, hugePages: new Map(), distances: [] }));
  const settings: PlacementSettings = {
    ...{ policy: 'single-numa-node', scope: 'container', isStatic: true, fullCores: false, distributed: false },
    topology: [0, 1, 2, 3].map((cpu) => ({ cpu, core: cpu, socket: 0, node: cpu < 2 ? 0 : 1 })),
    ...{ reserved: new Set([0]), memory: hostMemory(nodes, []) },
  };
  let state: Placement = {
    cpus: { shared: new Set([0, 1, 2, 3]), assigned: new Map() },
    ...{ memory: { host: hostMemory(nodes, []), assigned: new Map() }, promised: [] },
  };
  const metrics = new PlacementMetrics(() => state.cpus);
  const ask = (pod: Pod): void => {
    const placed = placePod(pod, state, settings);
    metrics.placed(pod, settings, 'reason' in placed ? placed : undefined, 3);
    if (!('reason' in placed)) state = placed;
  };
  ask(podOf('a', container('2', '1Gi')));
  ask(podOf('b', container('2', '1Gi')));
  ask(podOf('c', container('100m', '5Gi')));
  const lines = shown(metrics);
  for (const line of [
    'kubelet_cpu_manager_pinning_requests_total 1',
    'kubelet_cpu_manager_pinning_errors_total 0',
    'kubelet_memory_manager_pinning_requests_total 2',
    'kubelet_memory_manager_pinning_errors_total 1',
    'kubelet_cpu_manager_shared_pool_size_millicores 1000',
    'kubelet_cpu_manager_exclusive_cpu_allocation_count 2',
    'kubelet_cpu_manager_allocation_per_numa{numa_node="0"} 0',
    'kubelet_cpu_manager_allocation_per_numa{numa_node="1"} 2',
    'kubelet_topology_manager_admission_requests_total 3',
    'kubelet_topology_manager_admission_errors_total 2',
    'kubelet_topology_manager_admission_duration_ms_count 3',
    'kubelet_container_aligned_compute_resources_count{scope="container",boundary="numa_node"} 1',
    'kubelet_container_aligned_compute_resources_failure_count{scope="container",boundary="numa_node"} 1',
  ])
    t.ok(lines.includes(line), `${line} is in\n${lines.join('\n')}`);
  const none = { ...settings, policy: 'none' } as const;
  const refusal = placePod(podOf('d', container('100m', '9Gi')), state, none);
  metrics.placed(podOf('d', container('100m', '9Gi')), none, 'reason' in refusal ? refusal : undefined, 1);
  t.ok(shown(metrics).includes('kubelet_memory_manager_pinning_errors_total 2'));
  t.ok(shown(metrics).includes('kubelet_cpu_manager_pinning_errors_total 0'), 'it was the memory');
});

test('resizes are counted by what they ask for, and what becomes of them', async (t) => {
  const sized = (resources: ResourceRequirements): Pod => podOf('a', { name: 'main', image: 'app:1', resources });
  const before = sized({ requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '1' } });
  const after = sized({ requests: { cpu: '2', memory: '1024Mi' }, limits: { cpu: '0', memory: '2Gi' } });
  t.same(resizeOperations(before, after), [
    { resource: 'memory', requirement: 'limits', operation: 'add' },
    { resource: 'cpu', requirement: 'requests', operation: 'increase' },
    { resource: 'cpu', requirement: 'limits', operation: 'remove' },
  ]);
  t.match(resizeOperations(after, before), [{ operation: 'remove' }, { operation: 'decrease' }, { operation: 'add' }]);
  const deferred = { reason: 'Deferred', message: 'later', generation: 1 } as const;
  const states: ResizeState[] = [{ pending: deferred }, { pending: deferred }, { inProgress: { generation: 1 } }, {}];
  const metrics = new ResizeMetrics(() => states);
  for (const operation of resizeOperations(before, after)) metrics.requested(operation);
  metrics.infeasible('swap_limitation');
  metrics.acceptedLate('pods_removed');
  metrics.carriedOut(40, true);
  const lines = shown(metrics);
  for (const line of [
    'kubelet_pod_pending_resizes{reason="deferred"} 2',
    'kubelet_pod_in_progress_resizes 1',
    'kubelet_container_requested_resizes_total{resource="cpu",requirement="requests",operation="increase"} 1',
    'kubelet_pod_infeasible_resizes_total{reason_detail="swap_limitation"} 1',
    'kubelet_pod_deferred_accepted_resizes_total{retry_trigger="pods_removed"} 1',
    'kubelet_pod_resize_duration_milliseconds_bucket{success="true",le="50"} 1',
  ])
    t.ok(lines.includes(line), `${line} is in\n${lines.join('\n')}`);
});
