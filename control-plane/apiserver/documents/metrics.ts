/** `/metrics`, with upstream's names: https://kubernetes.io/docs/reference/instrumentation/metrics/ */
import { groupResource } from '../../../api/machinery/define-kind.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { cachedKind } from '../../../api/machinery/stored-as.ts';
import { Exposition, EXPOSITION_TYPE } from '../../../daemon/metrics/exposition.ts';
import { writeBuildInfo } from '../../../daemon/metrics/build-info.ts';
import { writeProcess } from '../../../daemon/metrics/process-metrics.ts';
import { Counter, Gauge, Histogram } from '../../../daemon/metrics/series.ts';
import type { Exchange } from '../http/exchange.ts';
import type { PathHandler } from '../verbs/handlers.ts';
import type { RequestFairness } from '../fairness/request-fairness.ts';
import type { ServedKinds } from '../catalogue/served-kinds.ts';
import type { WatchServer } from '../verbs/watch.ts';

/** Upstream's. */
const SLI_BUCKETS_SECONDS = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
const DURATION_BUCKETS_SECONDS = [0.005, 0.025, ...SLI_BUCKETS_SECONDS];
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

/** What responses with the same labels are counted and observed by, so that their series are looked up once. */
interface Answers {
  readonly count: () => void;
  readonly whole: (seconds: number) => void;
  readonly own: (seconds: number) => void;
}

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

/** Too many requests, or one that took too long: as upstream counts terminations. */
const TERMINATED: ReadonlySet<number> = new Set([429, 504]);

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
    [...LABELS, 'dry_run'],
  );
  readonly #ownDurations = new Histogram(
    'apiserver_request_sli_duration_seconds',
    'Response latency in seconds, without the time spent on webhooks, authenticators and authorizers elsewhere, and in queues.',
    SLI_BUCKETS_SECONDS,
    LABELS,
  );
  readonly #terminations = new Counter(
    'apiserver_request_terminations_total',
    'Requests that the server has given up to protect itself.',
    [...LABELS, 'code'],
  );
  readonly #answers = new Map<string, Answers>();
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
    const { statusCode } = exchange.response;
    const { count, whole, own } = this.#answersOf(labels, shown, statusCode);
    count();
    if (TERMINATED.has(statusCode)) this.#terminations.increase(...labels, String(statusCode));
    if (seconds === undefined) return;
    whole(seconds);
    own(Math.max(0, seconds - exchange.awaited.ms / 1000));
  }

  #answersOf(labels: readonly string[], dryRun: string, statusCode: number): Answers {
    const key = `${labels.join()},${dryRun},${statusCode}`;
    let answers = this.#answers.get(key);
    if (!answers) {
      answers = {
        count: this.#requests.series(...labels, dryRun, String(statusCode)),
        whole: this.#durations.series(...labels, dryRun),
        own: this.#ownDurations.series(...labels),
      };
      this.#answers.set(key, answers);
    }
    return answers;
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
    writeBuildInfo(to);
    this.#requests.write(to);
    this.#durations.write(to);
    this.#ownDurations.write(to);
    this.#terminations.write(to);
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
    const stored = Array.from(this.#sources.kinds.resources).filter(
      ({ kind }) => isStored(kind) && cachedKind(kind) === kind,
    );
    const name = 'apiserver_storage_objects';
    to.family(name, 'gauge', 'Stored objects by resource.');
    for (const { kind, cache } of stored) to.sample(name, { resource: groupResource(kind) }, cache.size);
    const grouped = 'apiserver_resource_objects';
    to.family(grouped, 'gauge', 'Stored objects by group and resource.');
    for (const { kind, cache } of stored) to.sample(grouped, { group: kind.group, resource: kind.plural }, cache.size);
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
