/**
 * What stock dashboards and alerts ask for: the metrics and labels in the queries of kubernetes-mixin and kube-prometheus (August 2026), by
 * the endpoint that has them. Histograms are named without `_bucket`, `_sum` and `_count`.
 *
 * Not here: `go_goroutines`, since nothing is written in Go; `kubelet_node_config_error` and `storage_operation_errors_total`,
 * `scheduler_volume_scheduling_duration_seconds` and `aggregator_unavailable_apiservice_count`, which upstream has no more either; what
 * node-exporter and kube-state-metrics measure.
 */

export interface WantedMetric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels?: readonly string[];
  /** Upper ends of buckets that queries compare with. */
  readonly buckets?: readonly string[];
  /** It has no series until something happens that does not in this test. */
  readonly isRare?: boolean;
}

const counter = (name: string, ...labels: string[]): WantedMetric => ({ name, type: 'counter', labels });
const gauge = (name: string, ...labels: string[]): WantedMetric => ({ name, type: 'gauge', labels });
const histogram = (name: string, ...labels: string[]): WantedMetric => ({ name, type: 'histogram', labels });
const rare = (metric: WantedMetric): WantedMetric => ({ ...metric, isRare: true });

const PROCESS = [counter('process_cpu_seconds_total'), gauge('process_resident_memory_bytes')];
const REST_CLIENT = [
  counter('rest_client_requests_total', 'code', 'method', 'host'),
  histogram('rest_client_request_duration_seconds', 'verb', 'host'),
];
const REQUEST = ['verb', 'group', 'version', 'resource', 'subresource', 'scope'];
const CONTAINER = ['namespace', 'pod', 'container', 'image', 'id', 'name'];
const WORK_QUEUE = [
  counter('workqueue_adds_total', 'name'),
  gauge('workqueue_depth', 'name'),
  histogram('workqueue_queue_duration_seconds', 'name'),
];
const network = ['receive_bytes', 'receive_packets', 'receive_packets_dropped'].flatMap((what) =>
  [what, what.replace('receive', 'transmit')].map((each) =>
    counter(`container_network_${each}_total`, 'namespace', 'pod', 'interface'),
  ),
);
const disks = ['reads', 'reads_bytes', 'writes', 'writes_bytes'].map((what) =>
  // A kernel that does not count, or a container that has not touched a disk, has no series.
  rare(counter(`container_fs_${what}_total`, 'namespace', 'pod', 'container', 'device')),
);
const claims = ['available_bytes', 'capacity_bytes', 'used_bytes', 'inodes', 'inodes_free', 'inodes_used'].map((what) =>
  rare(gauge(`kubelet_volume_stats_${what}`, 'namespace', 'persistentvolumeclaim')),
);

export const DASHBOARDS = {
  apiserver: [
    ...PROCESS,
    ...WORK_QUEUE,
    counter('apiserver_request_total', ...REQUEST, 'code'),
    { ...histogram('apiserver_request_duration_seconds', ...REQUEST), buckets: ['0.05', '1', '5', '30', '60'] },
    { ...histogram('apiserver_request_sli_duration_seconds', ...REQUEST), buckets: ['0.05', '1', '5', '30', '60'] },
    rare(counter('apiserver_request_terminations_total', ...REQUEST, 'code')),
    gauge('apiserver_current_inflight_requests', 'request_kind'),
    { ...histogram('apiserver_client_certificate_expiration_seconds'), buckets: ['86400', '604800'] },
    rare(gauge('aggregator_unavailable_apiservice', 'name')),
    rare(counter('aggregator_unavailable_apiservice_total', 'name', 'reason')),
    counter('authentication_attempts', 'result'),
    counter('authorization_attempts_total', 'result'),
    gauge('apiserver_storage_objects', 'resource'),
    gauge('kubernetes_build_info', 'git_version'),
  ],
  kubelet: [
    ...PROCESS,
    ...REST_CLIENT,
    gauge('kubelet_node_name', 'node'),
    gauge('kubelet_running_pods'),
    gauge('kubelet_running_containers', 'container_state'),
    gauge('volume_manager_total_volumes', 'plugin_name', 'state'),
    counter('kubelet_runtime_operations_total', 'operation_type'),
    rare(counter('kubelet_runtime_operations_errors_total', 'operation_type')),
    histogram('kubelet_runtime_operations_duration_seconds', 'operation_type'),
    histogram('kubelet_pod_start_duration_seconds'),
    { ...histogram('kubelet_pod_worker_duration_seconds', 'operation_type'), buckets: ['0.005', '1', '10'] },
    histogram('storage_operation_duration_seconds', 'operation_name', 'volume_plugin', 'status'),
    histogram('kubelet_cgroup_manager_duration_seconds', 'operation_type'),
    histogram('kubelet_pleg_relist_duration_seconds'),
    rare(histogram('kubelet_pleg_relist_interval_seconds')),
    rare(counter('kubelet_evictions', 'eviction_signal')),
    gauge('kubelet_certificate_manager_client_ttl_seconds'),
    gauge('kubelet_certificate_manager_server_ttl_seconds'),
    rare(counter('kubelet_certificate_manager_client_expiration_renew_errors')),
    rare(counter('kubelet_server_expiration_renew_errors')),
    gauge('kubernetes_build_info', 'git_version'),
    ...claims,
  ],
  cadvisor: [
    counter('container_cpu_usage_seconds_total', ...CONTAINER),
    counter('container_cpu_cfs_periods_total', ...CONTAINER),
    counter('container_cpu_cfs_throttled_periods_total', ...CONTAINER),
    ...['working_set_bytes', 'rss', 'cache', 'swap', 'usage_bytes'].map((what) =>
      gauge(`container_memory_${what}`, ...CONTAINER),
    ),
    ...network,
    ...disks,
    gauge('machine_memory_bytes'),
    gauge('machine_cpu_cores'),
  ],
  resource: [
    counter('container_cpu_usage_seconds_total', 'namespace', 'pod', 'container'),
    gauge('container_memory_working_set_bytes', 'namespace', 'pod', 'container'),
    counter('pod_cpu_usage_seconds_total', 'namespace', 'pod'),
    counter('node_cpu_usage_seconds_total'),
    gauge('node_memory_working_set_bytes'),
  ],
  scheduler: [
    ...PROCESS,
    ...REST_CLIENT,
    histogram('scheduler_scheduling_attempt_duration_seconds', 'result', 'profile'),
    histogram('scheduler_scheduling_algorithm_duration_seconds'),
    histogram('scheduler_pod_scheduling_sli_duration_seconds', 'attempts'),
    counter('scheduler_schedule_attempts_total', 'result', 'profile'),
    gauge('scheduler_pending_pods', 'queue'),
  ],
  controllers: [...PROCESS, ...REST_CLIENT, ...WORK_QUEUE],
  proxy: [
    ...PROCESS,
    ...REST_CLIENT,
    histogram('kubeproxy_sync_proxy_rules_duration_seconds'),
    rare(histogram('kubeproxy_network_programming_duration_seconds')),
  ],
} satisfies Readonly<Record<string, readonly WantedMetric[]>>;

/** Counters and gauges whose names promtool finds odd: they are upstream's. */
export const UPSTREAM_NAMES: ReadonlySet<string> = new Set([
  ...['authentication_attempts', 'authenticated_user_requests'],
  ...['kubelet_evictions', 'kubelet_server_expiration_renew_errors'],
  'kubelet_certificate_manager_client_expiration_renew_errors',
  ...['kubelet_cpu_manager_exclusive_cpu_allocation_count', 'kubelet_topology_manager_admission_duration_ms'],
  'kubeproxy_sync_proxy_rules_no_local_endpoints_total',
]);

/** What is missing of a text in Prometheus' format. Pure. */
export function missingOf(text: string, wanted: readonly WantedMetric[]): string[] {
  const types = new Map(Array.from(text.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, name, type]) => [name, type] as const));
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return wanted.flatMap(({ name, type, labels = [], buckets = [], isRare = false }) => {
    if (types.get(name) !== type) return [`${name} is no ${type} but ${types.get(name) ?? 'missing'}`];
    const sampled = type === 'histogram' ? `${name}_bucket` : name;
    const own = samples.filter((line) => line.startsWith(`${sampled}{`) || line.startsWith(`${sampled} `));
    if (own.length === 0) return isRare ? [] : [`${name} has no series`];
    const lacking = labels.filter((label) => !own.some((line) => new RegExp(`[{,]${label}="`).test(line)));
    const bounds = buckets.filter((bound) => !own.some((line) => line.includes(`le="${bound}"`)));
    return [
      ...lacking.map((label) => `${name} has no label ${label}`),
      ...bounds.map((bound) => `${name} has no bucket ${bound}`),
    ];
  });
}

/** Series that a text has twice, which Prometheus would reject. Pure. */
export function repeatedIn(text: string): string[] {
  const seen = new Set<string>();
  return text.split('\n').flatMap((line) => {
    const series = /^([a-zA-Z_:][^{ ]*(?:\{.*\})?) /.exec(line)?.[1];
    if (series === undefined) return [];
    const isRepeated = seen.has(series);
    seen.add(series);
    return isRepeated ? [series] : [];
  });
}
