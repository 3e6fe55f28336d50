/** What the service proxy counts, under the names of kube-proxy. https://kubernetes.io/docs/reference/instrumenting/metrics/ */
import type { IpFamily } from '../../../api/domain/address.ts';
import type { Exposition } from '../../../daemon/metrics/exposition.ts';
import { Counter, Histogram } from '../../../daemon/metrics/series.ts';
import type { ProxyMode } from './backends/proxy-mode.ts';

/** Upstream's, in seconds: 1 ms to 16 s. */
const BUCKETS = Array.from({ length: 15 }, (_, index) => 2 ** index / 1000);

/** kube-proxy counts what could not be written by mode. */
const FAILURES: Readonly<Record<ProxyMode, string>> = {
  iptables: 'kubeproxy_sync_proxy_rules_iptables_restore_failures_total',
  nftables: 'kubeproxy_sync_proxy_rules_nftables_sync_failures_total',
  // It has none for this mode: the name is that of the others.
  ipvs: 'kubeproxy_sync_proxy_rules_ipvs_sync_failures_total',
};

export class ProxyMetrics {
  readonly #writes = new Histogram(
    'kubeproxy_sync_proxy_rules_duration_seconds',
    'Time to write changed service rules.',
    BUCKETS,
    ['ip_family'],
  );
  readonly #failures: Counter;
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

  constructor(mode: ProxyMode) {
    this.#failures = new Counter(FAILURES[mode], 'Service rules that could not be written.', ['ip_family']);
  }

  changed(what: 'service' | 'endpoint'): void {
    this.#changes[what].increase();
  }

  pending(family: IpFamily): void {
    this.#pendingMs.set(family, Date.now());
  }

  wrote(family: IpFamily, seconds: number, failed: boolean): void {
    this.#writes.observe(seconds, family);
    if (failed) this.#failures.increase(family);
    else this.#writtenMs.set(family, Date.now());
  }

  healthAsked(path: 'healthz' | 'livez', status: number): void {
    this.#asked[path].increase(String(status));
  }

  write(to: Exposition): void {
    for (const metric of [this.#writes, this.#failures, ...Object.values(this.#changes), ...Object.values(this.#asked)])
      metric.write(to);
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

function writeTimes(to: Exposition, name: string, help: string, timesMs: ReadonlyMap<IpFamily, number>): void {
  to.family(name, 'gauge', help);
  for (const [family, ms] of timesMs) to.sample(name, { ip_family: family }, ms / 1000);
}
