/**
 * The values of metrics, from the APIs for them: https://kubernetes.io/docs/reference/external-api/custom-metrics.v1beta2/ and its
 * neighbours. Who serves them may be anybody: what comes is checked before it is counted.
 */
import { groupResource } from '../../../../api/machinery/define-kind.ts';
import { parseDuration } from '../../../../api/machinery/duration.ts';
import { isJsonObject, own } from '../../../../api/machinery/own.ts';
import { quantityMilliValue } from '../../../../api/machinery/quantity.ts';
import { formatSelector, selectorFrom, type Selector } from '../../../../api/machinery/selectors.ts';
import { isNotFound } from '../../../../api/machinery/status-error.ts';
import type { CrossVersionObjectReference, MetricIdentifier } from '../../../../api/types/autoscaling/v2.gen.ts';
import type { APIGroup } from '../../../../api/types/meta/v1.gen.ts';
import type { ApiClient } from '../../../../client/api-client.ts';
import { podsMetricsV1beta1 } from '../../../../client/resources.gen.ts';
import { pathSegment, withQuery } from '../../../../client/resource.ts';
import { groupOf } from '../../framework/owner-references.ts';
import { MetricError, type PodValue, type PodValues } from './replica-count.ts';
import type { ResourceMapper } from './scale-target.ts';

/** When a custom metric does not say over how long it was measured. */
const DEFAULT_WINDOW_MS = 60_000;
const CUSTOM = 'custom.metrics.k8s.io';
const CUSTOM_VERSIONS = ['v1beta2', 'v1beta1'];
const EXTERNAL = '/apis/external.metrics.k8s.io/v1beta1';

/** What is read of a MetricValue of custom.metrics.k8s.io. */
interface MetricValue {
  readonly describedObject?: { readonly name?: string };
  readonly timestamp?: string;
  readonly windowSeconds?: number;
  readonly value?: unknown;
}

/** What is read of a PodMetrics. */
interface PodMetrics {
  readonly metadata?: { readonly name?: string };
  readonly timestamp?: string | null;
  readonly window?: string;
  readonly containers?: readonly { readonly name?: string; readonly usage?: Readonly<Record<string, unknown>> }[];
}

interface ValueList<T> {
  readonly items?: readonly T[] | null;
}

/** In which namespace, and which pods. */
export interface PodScope {
  readonly namespace: string;
  readonly selector: Selector;
}

export class MetricSource {
  readonly #client: Pick<ApiClient, 'list' | 'request'>;
  readonly #mapper: ResourceMapper;

  constructor(client: Pick<ApiClient, 'list' | 'request'>, mapper: ResourceMapper) {
    this.#client = client;
    this.#mapper = mapper;
  }

  /** Usage of a resource by pods, or by one container of each. Throws MetricError. */
  async resource(
    { namespace, selector }: PodScope,
    resource: string,
    container: string,
    signal: AbortSignal,
  ): Promise<PodValues> {
    const labelSelector = formatSelector(selector);
    const list: ValueList<PodMetrics> = await fetched('resource', () =>
      this.#client.list(podsMetricsV1beta1, { namespace, labelSelector, signal }),
    );
    const items = objectsIn(list);
    if (items.length === 0) throw new MetricError('no metrics returned from resource metrics API');
    return valuesOf(
      items,
      ({ metadata }) => metadata?.name,
      (pod) => podValue(pod, resource, container),
    );
  }

  /** A custom metric of each pod. Throws MetricError. */
  async pods(
    { namespace, selector }: PodScope,
    { name, selector: of }: MetricIdentifier,
    signal: AbortSignal,
  ): Promise<PodValues> {
    const query = {
      labelSelector: formatSelector(selector),
      metricLabelSelector: of && formatSelector(selectorFrom(of)),
    };
    const items = await this.#custom(
      withQuery(`namespaces/${pathSegment(namespace)}/pods/*/${pathSegment(name)}`, query),
      signal,
    );
    return valuesOf(items, ({ describedObject }) => describedObject?.name, metricValue);
  }

  /** A custom metric of one object. Throws MetricError. */
  async object(
    namespace: string,
    described: CrossVersionObjectReference,
    { name, selector: of }: MetricIdentifier,
    signal: AbortSignal,
  ): Promise<number> {
    const query = { metricLabelSelector: of && formatSelector(selectorFrom(of)) };
    const path = await this.#objectPath(namespace, described, signal);
    const [item] = await this.#custom(withQuery(`${path}/${pathSegment(name)}`, query), signal);
    return milliValue(item?.value, 'custom');
  }

  /** Each value of a metric that is of no object. Throws MetricError. */
  async external(namespace: string, { name, selector: of }: MetricIdentifier, signal: AbortSignal): Promise<number[]> {
    const path = `${EXTERNAL}/namespaces/${pathSegment(namespace)}/${pathSegment(name)}`;
    const query = { labelSelector: of && formatSelector(selectorFrom(of)) };
    const items = objectsIn(await this.#get<ValueList<MetricValue>>('external', withQuery(path, query), signal));
    if (items.length === 0) throw new MetricError('no metrics returned from external metrics API');
    return items.map(({ value }) => milliValue(value, 'external'));
  }

  async #objectPath(namespace: string, described: CrossVersionObjectReference, signal: AbortSignal): Promise<string> {
    const { apiVersion = 'v1', kind, name } = described;
    // An autoscaler is not to look out of its namespace: the name is not read.
    if (kind === 'Namespace' && groupOf(apiVersion) === '') return `namespaces/${pathSegment(namespace)}/metrics`;
    const resource = await fetched('custom', () => this.#mapper.find({ apiVersion, kind }, signal));
    const path = `${pathSegment(groupResource(resource))}/${pathSegment(name)}`;
    return resource.namespaced ? `namespaces/${pathSegment(namespace)}/${path}` : path;
  }

  async #custom(path: string, signal: AbortSignal): Promise<readonly MetricValue[]> {
    const version = await fetched('custom', () => this.#customVersion(signal));
    const answer = await this.#get<ValueList<MetricValue>>('custom', `/apis/${CUSTOM}/${version}/${path}`, signal);
    const items = objectsIn(answer);
    if (items.length === 0) throw new MetricError('no metrics returned from custom metrics API');
    return items;
  }

  async #customVersion(signal: AbortSignal): Promise<string> {
    const none = `no custom metrics API (${CUSTOM}) registered`;
    try {
      const { body } = await this.#client.request('GET', `/apis/${CUSTOM}`, { signal });
      const served = ((JSON.parse(body) as Partial<APIGroup>).versions ?? []).map(({ version }) => version);
      const best = CUSTOM_VERSIONS.find((version) => served.includes(version));
      if (best !== undefined) return best;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    throw new Error(none);
  }

  #get<T>(api: string, path: string, signal: AbortSignal): Promise<T> {
    return fetched(api, async () => JSON.parse((await this.#client.request('GET', path, { signal })).body) as T);
  }
}

async function fetched<T>(api: string, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new MetricError(`unable to fetch metrics from ${api} metrics API: ${message}`, { cause: error });
  }
}

/** Throws MetricError for what is no quantity. */
function milliValue(value: unknown, api: string): number {
  try {
    if (typeof value === 'string' || typeof value === 'number') return quantityMilliValue(String(value));
  } catch (error) {
    throw new MetricError(`unable to read a metric of the ${api} metrics API: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new MetricError(`unable to read a metric of the ${api} metrics API: it has no value`);
}

const objectsIn = <T>({ items }: ValueList<T>): readonly T[] => (items ?? []).filter(isJsonObject);

function valuesOf<T>(
  items: readonly T[],
  nameOf: (item: T) => string | undefined,
  valueOf: (item: T) => PodValue | undefined,
): PodValues {
  const values = new Map<string, PodValue>();
  for (const item of items) {
    const value = valueOf(item);
    if (value) values.set(nameOf(item) ?? '', value);
  }
  return values;
}

const timeIn = (text: string | null | undefined): number => (text ? Date.parse(text) || 0 : 0);

/** Undefined when a container's usage is not known. */
function podValue(
  { timestamp, window = '', containers }: PodMetrics,
  resource: string,
  container: string,
): PodValue | undefined {
  const counted = (containers ?? []).filter(({ name }) => container === '' || name === container);
  if (counted.length === 0) return undefined;
  let value = 0;
  for (const { usage } of counted) {
    const used = own(usage ?? {}, resource);
    if (used === undefined) return undefined;
    value += milliValue(used, 'resource');
  }
  return { value, atMs: timeIn(timestamp), windowMs: parseDuration(window) ?? 0 };
}

const metricValue = ({ timestamp, windowSeconds, value }: MetricValue): PodValue => ({
  value: milliValue(value, 'custom'),
  atMs: timeIn(timestamp),
  windowMs: windowSeconds === undefined ? DEFAULT_WINDOW_MS : windowSeconds * 1000,
});
