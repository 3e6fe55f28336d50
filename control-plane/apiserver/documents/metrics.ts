/** `/metrics`, with upstream's names: https://kubernetes.io/docs/reference/instrumentation/metrics/ */
import { readdirSync } from 'node:fs';
import { groupResource } from '../../../api/machinery/define-kind.ts';
import { Counter, Gauge, Histogram, Registry as MetricsRegistry } from 'prom-client';
import type { Exchange } from '../http/exchange.ts';
import type { PathHandler } from '../verbs/handlers.ts';
import type { MaxInFlight } from '../http/max-in-flight.ts';
import type { ServedKinds } from '../catalogue/served-kinds.ts';
import type { WatchServer } from '../verbs/watch.ts';

/** A subset of upstream's buckets for apiserver_request_duration_seconds. */
const DURATION_BUCKETS_SECONDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5, 10, 30, 60];
/** The `verb` label. All other verbs share one value: a client must not be able to create new series. */
const VERBS: ReadonlyMap<string, string> = new Map([
  ...['get', 'list', 'watch', 'patch', 'delete', 'deletecollection', 'post', 'put', 'head', 'options', 'connect'].map(
    (verb) => [verb, verb.toUpperCase()] as const,
  ),
  ['create', 'POST'],
  ['update', 'PUT'],
]);

export class ApiServerMetrics {
  readonly #registry = new MetricsRegistry();
  readonly #requests: Counter;
  readonly #durations: Histogram;
  readonly #longRunning: Gauge;
  readonly #startedAt = Date.now() / 1000 - process.uptime();

  constructor(kinds: ServedKinds, watches: Pick<WatchServer, 'eventsSent'>, inFlight: Pick<MaxInFlight, 'counts'>) {
    const registers = [this.#registry];
    this.#requests = new Counter({
      name: 'apiserver_request_total',
      help: 'Requests by verb, resource and response code.',
      labelNames: ['verb', 'dry_run', 'group', 'version', 'resource', 'subresource', 'scope', 'component', 'code'],
      registers,
    });
    this.#durations = new Histogram({
      name: 'apiserver_request_duration_seconds',
      help: 'Response latency in seconds.',
      labelNames: ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'component'],
      buckets: DURATION_BUCKETS_SECONDS,
      registers,
    });
    this.#longRunning = new Gauge({
      name: 'apiserver_longrunning_requests',
      help: 'Watches, streams and proxied requests in flight.',
      labelNames: ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'component'],
      registers,
    });
    this.#addInFlight(inFlight);
    this.#addStorageObjects(kinds);
    this.#addWatchEvents(watches);
    this.#addProcess();
  }

  /** Counts a response. @param seconds its latency; undefined for long-running requests. */
  answered(exchange: Exchange, seconds: number | undefined): void {
    const labels = labelsOf(exchange);
    const dryRun = exchange.info.query.size > 0 ? (exchange.info.query.get('dryRun') ?? '') : '';
    const shown = dryRun === '' || dryRun === 'All' ? dryRun : 'invalid';
    this.#requests.inc({ ...labels, dry_run: shown, code: exchange.response.statusCode });
    if (seconds !== undefined) this.#durations.observe(labels, seconds);
  }

  /** Returns what ends the count. */
  longRunning(exchange: Exchange): () => void {
    const labels = labelsOf(exchange);
    this.#longRunning.inc(labels);
    return () => this.#longRunning.dec(labels);
  }

  readonly handler: PathHandler = async (exchange) => {
    if (exchange.info.path !== '/metrics') return false;
    exchange.write(200, this.#registry.contentType, await this.#registry.metrics());
    return true;
  };

  #addInFlight(inFlight: Pick<MaxInFlight, 'counts'>): void {
    const gauge: Gauge = new Gauge({
      name: 'apiserver_current_inflight_requests',
      help: 'Requests in flight, without long-running ones.',
      labelNames: ['request_kind'],
      registers: [this.#registry],
      collect: () => {
        for (const [kind, count] of Object.entries(inFlight.counts)) gauge.set({ request_kind: kind }, count);
      },
    });
  }

  #addWatchEvents(watches: Pick<WatchServer, 'eventsSent'>): void {
    const counter: Counter = new Counter({
      name: 'apiserver_watch_events_total',
      help: 'Events sent to watchers.',
      labelNames: ['group', 'version', 'resource'],
      registers: [this.#registry],
      collect: () => {
        counter.reset();
        for (const [{ kind }, events] of watches.eventsSent()) {
          counter.inc({ group: kind.group, version: kind.version, resource: kind.plural }, events);
        }
      },
    });
  }

  #addStorageObjects(kinds: ServedKinds): void {
    const gauge = new Gauge({
      name: 'apiserver_storage_objects',
      help: 'Stored objects by resource.',
      labelNames: ['resource'],
      registers: [this.#registry],
      collect: () => {
        gauge.reset();
        for (const { kind, cache } of kinds.resources) {
          if (kind.verbs.includes('list') && !kind.storedAs) gauge.set({ resource: groupResource(kind) }, cache.size);
        }
      },
    });
  }

  #addProcess(): void {
    this.#processGauge('process_cpu_seconds_total', 'CPU time of the process.', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
    this.#processGauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
    this.#processGauge('process_start_time_seconds', 'Start of the process since the epoch.', () => this.#startedAt);
    this.#processGauge('process_open_fds', 'Open file descriptors.', () => readdirSync('/proc/self/fd').length);
    this.#processGauge('nodejs_heap_size_used_bytes', 'JavaScript heap in use.', () => process.memoryUsage().heapUsed);
  }

  #processGauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({ name, help, registers: [this.#registry], collect: () => gauge.set(read()) });
  }
}

/** Only served resources become labels, not arbitrary paths. */
function labelsOf({ info, resource }: Exchange) {
  const { namespace, name } = info;
  const { group, version, plural } = resource?.kind ?? { group: '', version: '', plural: '' };
  const scope = !resource ? '' : name ? 'resource' : namespace ? 'namespace' : 'cluster';
  const subresource = resource?.hasSubresource(info.subresource) ? info.subresource : '';
  const verb = VERBS.get(info.verb) ?? 'other';
  return { verb, group, version, resource: plural, subresource, scope, component: 'apiserver' };
}
