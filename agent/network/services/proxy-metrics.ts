/** What the service proxy counts, under the names of kube-proxy. https://kubernetes.io/docs/reference/instrumenting/metrics/ */
import type { IpFamily } from '../../../api/domain/address.ts';
import type { Exposition } from '../../../daemon/metrics/exposition.ts';
import { Counter, Histogram } from '../../../daemon/metrics/series.ts';
import type { ProxyMode } from './backends/proxy-mode.ts';
import type { ProxyState } from './service-proxy.ts';

/** Upstream's, in seconds: 1 ms to 16 s. */
const BUCKETS = Array.from({ length: 15 }, (_, index) => 2 ** index / 1000);

/** kube-proxy's, in seconds: a quarter to five minutes. */
const PROGRAMMING_BUCKETS = [
  ...[0.25, 0.5],
  ...Array.from({ length: 59 }, (_, index) => 1 + index),
  ...Array.from({ length: 12 }, (_, index) => 60 + 5 * index),
  ...Array.from({ length: 7 }, (_, index) => 120 + 30 * index),
];

/** kube-proxy counts what could not be written by mode. */
const FAILURES: Readonly<Record<ProxyMode, string>> = {
  iptables: 'kubeproxy_sync_proxy_rules_iptables_restore_failures_total',
  nftables: 'kubeproxy_sync_proxy_rules_nftables_sync_failures_total',
  // It has none for this mode: the name is that of the others.
  ipvs: 'kubeproxy_sync_proxy_rules_ipvs_sync_failures_total',
};
const PARTIAL_FAILURES = 'kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total';

export class ProxyMetrics {
  readonly #writes = new Histogram(
    'kubeproxy_sync_proxy_rules_duration_seconds',
    'Time to write changed service rules.',
    BUCKETS,
    ['ip_family'],
  );
  readonly #fullWrites = new Histogram(
    'kubeproxy_sync_full_proxy_rules_duration_seconds',
    'Time to write service rules when all of them were compared with what the kernel has.',
    BUCKETS,
    ['ip_family'],
  );
  readonly #partialWrites = new Histogram(
    'kubeproxy_sync_partial_proxy_rules_duration_seconds',
    'Time to write the rules of those Services alone that have changed.',
    BUCKETS,
    ['ip_family'],
  );
  readonly #programming = new Histogram(
    'kubeproxy_network_programming_duration_seconds',
    'Time from a change of a Service or pod in the cluster until rules of it are in force on this node.',
    PROGRAMMING_BUCKETS,
    ['ip_family'],
  );
  readonly #flowWrites = new Histogram(
    'kubeproxy_conntrack_reconciler_sync_duration_seconds',
    'Time to find and delete stale UDP flows.',
    BUCKETS,
    ['ip_family'],
  );
  readonly #flowsDeleted = new Counter(
    'kubeproxy_conntrack_reconciler_deleted_entries_total',
    'Stale UDP flows that were deleted.',
    ['ip_family'],
  );
  readonly #failures: Counter;
  /** Of mode iptables alone. */
  readonly #partialFailures: Counter | undefined;
  readonly #asked = {
    healthz: new Counter('kubeproxy_proxy_healthz_total', 'Answers to /healthz by HTTP status.', ['code']),
    livez: new Counter('kubeproxy_proxy_livez_total', 'Answers to /livez by HTTP status.', ['code']),
  };
  readonly #changes = {
    service: new Counter('kubeproxy_sync_proxy_rules_service_changes_total', 'Changes of Services.'),
    endpoint: new Counter('kubeproxy_sync_proxy_rules_endpoint_changes_total', 'Changes of EndpointSlices.'),
  };
  readonly #pendingMs = new Map<IpFamily, number>();
  readonly #writtenMs = new Map<IpFamily, number>();

  readonly #states: () => Iterable<ProxyState>;

  /** @param states what is to be said of the rules now */
  constructor(mode: ProxyMode, states: () => Iterable<ProxyState>) {
    this.#states = states;
    if (mode === 'iptables')
      this.#partialFailures = new Counter(PARTIAL_FAILURES, 'Changed service rules that could not be written.', [
        'ip_family',
      ]);
    this.#failures = new Counter(FAILURES[mode], 'Service rules that could not be written.', ['ip_family']);
  }

  changed(what: 'service' | 'endpoint'): void {
    this.#changes[what].increase();
  }

  pending(family: IpFamily): void {
    this.#pendingMs.set(family, Date.now());
  }

  wrote(family: IpFamily, seconds: number, { failed, isFull }: { failed: boolean; isFull: boolean }): void {
    for (const histogram of [this.#writes, isFull ? this.#fullWrites : this.#partialWrites])
      histogram.observe(seconds, family);
    if (failed) this.#failures.increase(family);
    else this.#writtenMs.set(family, Date.now());
    if (failed && !isFull) this.#partialFailures?.increase(family);
  }

  programmed(family: IpFamily, seconds: number): void {
    this.#programming.observe(seconds, family);
  }

  reconciledFlows(family: IpFamily, seconds: number, deleted: number): void {
    this.#flowWrites.observe(seconds, family);
    this.#flowsDeleted.add(deleted, family);
  }

  healthAsked(path: 'healthz' | 'livez', status: number): void {
    this.#asked[path].increase(String(status));
  }

  write(to: Exposition): void {
    const histograms = [this.#writes, this.#fullWrites, this.#partialWrites, this.#programming, this.#flowWrites];
    const counters = [
      this.#failures,
      this.#flowsDeleted,
      ...Object.values(this.#changes),
      ...Object.values(this.#asked),
    ];
    for (const metric of [...histograms, ...counters]) metric.write(to);
    this.#partialFailures?.write(to);
    writeStates(to, [...this.#states()]);
    writeTimes(
      to,
      'kubeproxy_sync_proxy_rules_last_timestamp_seconds',
      'When service rules were last written.',
      this.#writtenMs,
    );
    const queued = 'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds';
    writeTimes(to, queued, 'When a sync of service rules was last queued.', this.#pendingMs);
  }
}

function writeStates(to: Exposition, states: readonly ProxyState[]): void {
  for (const [kind, what] of [
    ['service', 'Services'],
    ['endpoint', 'endpoints'],
  ] as const) {
    const name = `kubeproxy_sync_proxy_rules_${kind}_changes_pending`;
    to.family(name, 'gauge', `Services with changed ${what} whose rules are not in force yet.`);
    to.sample(name, {}, Math.max(0, ...states.map(({ pending }) => pending[kind])));
  }
  const noLocal = 'kubeproxy_sync_proxy_rules_no_local_endpoints_total';
  to.family(noLocal, 'gauge', 'Ports of Services with a Local traffic policy and endpoints, but none on this node.');
  for (const { family, withoutLocalEndpoints } of states)
    for (const policy of ['internal', 'external'] as const)
      to.sample(noLocal, { ip_family: family, traffic_policy: policy }, withoutLocalEndpoints[policy]);
  const counted = states.flatMap(({ family, ruleCounts }) => (ruleCounts ? [{ family, ruleCounts }] : []));
  if (counted.length === 0) return;
  for (const [which, help] of [
    ['total', 'Rules of iptables that the kernel has of Services.'],
    ['last', 'Rules of iptables that were written last.'],
  ] as const) {
    const name = `kubeproxy_sync_proxy_rules_iptables_${which}`;
    to.family(name, 'gauge', help);
    for (const { family, ruleCounts } of counted)
      for (const [table, count] of Object.entries(ruleCounts[which]))
        to.sample(name, { ip_family: family, table }, count);
  }
}

function writeTimes(to: Exposition, name: string, help: string, timesMs: ReadonlyMap<IpFamily, number>): void {
  to.family(name, 'gauge', help);
  for (const [family, ms] of timesMs) to.sample(name, { ip_family: family }, ms / 1000);
}
