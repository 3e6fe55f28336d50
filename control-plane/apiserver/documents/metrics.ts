/** `/metrics`, with upstream's names: https://kubernetes.io/docs/reference/instrumentation/metrics/ */
import { groupResource } from '../../../api/machinery/define-kind.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { cachedKind } from '../../../api/machinery/stored-as.ts';
import { Exposition, EXPOSITION_TYPE } from '../../../daemon/metrics/exposition.ts';
import { writeProcess } from '../../../daemon/metrics/process-metrics.ts';
import { Counter, Gauge, Histogram } from '../../../daemon/metrics/series.ts';
import type { Exchange } from '../http/exchange.ts';
import type { PathHandler } from '../verbs/handlers.ts';
import type { RequestFairness } from '../fairness/request-fairness.ts';
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

/** The labels of every request. */
const LABELS = ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'component'] as const;

/** Writes some families. */
export type WriteMetrics = (to: Exposition) => void;

export interface MetricsSources {
  readonly kinds: ServedKinds;
  readonly watches: Pick<WatchServer, 'eventsSent'>;
  readonly inFlight: Pick<RequestFairness, 'counts'>;
  readonly more: readonly WriteMetrics[];
  /** Of other threads; it resolves to families in the text format, and does not reject. */
  readonly elsewhere: () => Promise<string>;
}

export class ApiServerMetrics {
  readonly #sources: MetricsSources;
  readonly #requests = new Counter('apiserver_request_total', 'Requests by verb, resource and response code.', [
    ...LABELS,
    'dry_run',
    'code',
  ]);
  readonly #durations = new Histogram(
    'apiserver_request_duration_seconds',
    'Response latency in seconds.',
    DURATION_BUCKETS_SECONDS,
    LABELS,
  );
  readonly #longRunning = new Gauge(
    'apiserver_longrunning_requests',
    'Watches, streams and proxied requests in flight.',
    LABELS,
  );

  constructor(sources: MetricsSources) {
    this.#sources = sources;
  }

  /** Counts a response. @param seconds its latency; undefined for long-running requests. */
  answered(exchange: Exchange, seconds: number | undefined): void {
    const labels = labelsOf(exchange);
    const dryRun = exchange.info.query.size > 0 ? (exchange.info.query.get('dryRun') ?? '') : '';
    const shown = dryRun === '' || dryRun === 'All' ? dryRun : 'invalid';
    this.#requests.increase(...labels, shown, String(exchange.response.statusCode));
    if (seconds !== undefined) this.#durations.observe(seconds, ...labels);
  }

  /** Returns what ends the count. */
  longRunning(exchange: Exchange): () => void {
    return this.#longRunning.count(...labelsOf(exchange));
  }

  readonly handler: PathHandler = async (exchange) => {
    if (exchange.info.path !== '/metrics') return false;
    const others = await this.#sources.elsewhere();
    exchange.write(200, EXPOSITION_TYPE, this.#text() + others);
    return true;
  };

  #text(): string {
    const to = new Exposition();
    this.#requests.write(to);
    this.#durations.write(to);
    this.#longRunning.write(to);
    this.#writeInFlight(to);
    this.#writeStorageObjects(to);
    this.#writeWatchEvents(to);
    for (const write of this.#sources.more) write(to);
    writeProcess(to);
    return to.toString();
  }

  #writeInFlight(to: Exposition): void {
    const name = 'apiserver_current_inflight_requests';
    to.family(name, 'gauge', 'Requests in flight, without long-running ones.');
    for (const [kind, count] of Object.entries(this.#sources.inFlight.counts))
      to.sample(name, { request_kind: kind }, count);
  }

  #writeStorageObjects(to: Exposition): void {
    const name = 'apiserver_storage_objects';
    to.family(name, 'gauge', 'Stored objects by resource.');
    for (const { kind, cache } of this.#sources.kinds.resources) {
      if (isStored(kind) && cachedKind(kind) === kind) to.sample(name, { resource: groupResource(kind) }, cache.size);
    }
  }

  #writeWatchEvents(to: Exposition): void {
    const name = 'apiserver_watch_events_total';
    to.family(name, 'counter', 'Events sent to watchers.');
    for (const [{ kind }, events] of this.#sources.watches.eventsSent())
      to.sample(name, { group: kind.group, version: kind.version, resource: kind.plural }, events);
  }
}

/** What has a list of its own but cannot be created is computed. */
const isStored = ({ verbs }: Kind): boolean => verbs.includes('list') && verbs.includes('create');

/** The values of `LABELS`. Only served resources become labels, not arbitrary paths. */
function labelsOf({ info, resource }: Exchange): readonly string[] {
  const { namespace, name } = info;
  const { group, version, plural } = resource?.kind ?? { group: '', version: '', plural: '' };
  const scope = !resource ? '' : name ? 'resource' : namespace ? 'namespace' : 'cluster';
  const subresource = resource?.hasSubresource(info.subresource) ? info.subresource : '';
  const verb = VERBS.get(info.verb) ?? 'other';
  return [verb, group, version, plural, subresource, scope, 'apiserver'];
}
