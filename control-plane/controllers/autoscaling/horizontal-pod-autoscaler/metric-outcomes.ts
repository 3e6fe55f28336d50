/** What each metric of an autoscaler proposes, and how it is shown. */
import { formatQuantity, quantityMilliValue } from '../../../../api/machinery/quantity.ts';
import { formatSelector, selectorFrom, type Selector } from '../../../../api/machinery/selectors.ts';
import type {
  ExternalMetricSource,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
  MetricValueStatus,
  ObjectMetricSource,
  PodsMetricSource,
} from '../../../../api/types/autoscaling/v2.gen.ts';
import type { MetricSource } from './metric-source.ts';
import type { MetricOutcome } from './plan.ts';
import { averageCount, MetricError, sharedCount, utilizationCount, valueCount, type Scaled } from './replica-count.ts';

const MILLI = 1_000_000n;

export interface Measuring {
  readonly source: MetricSource;
  readonly namespace: string;
  readonly selector: Selector;
  readonly scaled: Scaled;
  readonly signal: AbortSignal;
}

type Proposal = Extract<MetricOutcome, { readonly replicas: number }>;

/** How the failure of a metric is told: its condition's reason, and what is said of it beside the other metrics. */
interface Naming {
  readonly reason: string;
  readonly summary: string;
}

/** Never rejects, unless it is aborted: what fails is an outcome as well. */
export async function measure(spec: MetricSpec, measuring: Measuring): Promise<MetricOutcome> {
  const [naming, propose] = metricOf(spec, measuring);
  try {
    return await propose();
  } catch (error) {
    if (!(error instanceof MetricError)) throw error;
    const { message } = error;
    return {
      failure: { reason: naming.reason, message: `the HPA was unable to compute the replica count: ${message}` },
      event: message,
      summary: `${naming.summary}: ${message}`,
    };
  }
}

function metricOf(
  { type, resource, containerResource, pods, object, external }: MetricSpec,
  measuring: Measuring,
): readonly [Naming, () => Promise<Proposal>] {
  if (type === 'Resource' && resource) {
    const summary = `failed to get ${resource.name} resource metric value`;
    return [
      { reason: 'FailedGetResourceMetric', summary },
      () => ofResource({ ...resource, container: '' }, measuring),
    ];
  }
  if (type === 'ContainerResource' && containerResource) {
    const summary = `failed to get ${containerResource.container} container metric value`;
    return [{ reason: 'FailedGetContainerResourceMetric', summary }, () => ofResource(containerResource, measuring)];
  }
  if (type === 'Pods' && pods)
    return [
      { reason: 'FailedGetPodsMetric', summary: 'failed to get pods metric value' },
      () => ofPods(pods, measuring),
    ];
  if (type === 'Object' && object)
    return [
      { reason: 'FailedGetObjectMetric', summary: 'failed to get object metric value' },
      () => ofObject(object, measuring),
    ];
  if (type === 'External' && external) {
    const summary = `failed to get ${external.metric.name} external metric value`;
    return [{ reason: 'FailedGetExternalMetric', summary }, () => ofExternal(external, measuring)];
  }
  const unknown = `unknown metric source type ${JSON.stringify(type)}`;
  return [{ reason: 'InvalidMetricSourceType', summary: unknown }, () => Promise.reject(new MetricError(unknown))];
}

/** Adds to the message what was being done. */
async function within<T>(what: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MetricError)) throw error;
    throw new MetricError(`${what}: ${error.message}`, { cause: error });
  }
}

const quantityOf = (milli: number, format: 'DecimalSI' | 'BinarySI' = 'DecimalSI'): string =>
  formatQuantity({ nano: BigInt(milli) * MILLI, format });

/** As metrics-server writes it. */
const usageOf = (resource: string, milli: number): string =>
  quantityOf(milli, resource === 'memory' ? 'BinarySI' : 'DecimalSI');

interface ResourceTarget {
  readonly name: string;
  readonly container: string;
  readonly target: MetricTarget;
}

async function ofResource({ name, container, target }: ResourceTarget, measuring: Measuring): Promise<Proposal> {
  const shown = (current: MetricValueStatus): Proposal['status'] =>
    container === ''
      ? { type: 'Resource', resource: { name, current } }
      : { type: 'ContainerResource', containerResource: { name, container, current } };
  const { source, namespace, selector, scaled, signal } = measuring;
  const read = () =>
    within(`unable to get metrics for resource ${name}`, () =>
      source.resource({ namespace, selector }, name, container, signal),
    );
  const { averageValue, averageUtilization: percent } = target;
  if (averageValue !== undefined) {
    const { replicas, average } = await within(`failed to get ${name} usage`, async () =>
      averageCount(await read(), quantityMilliValue(averageValue), name, scaled),
    );
    return { replicas, name: `${name} resource`, status: shown({ averageValue: usageOf(name, average) }) };
  }
  if (percent === undefined)
    throw new MetricError(
      'invalid resource metric source: neither an average utilization target nor an average value (usage) target was set',
    );
  const { replicas, average, utilization } = await within(`failed to get ${name} utilization`, async () =>
    utilizationCount(await read(), { resource: name, container, percent }, scaled),
  );
  const sort = container === '' ? 'resource' : 'container resource';
  return {
    replicas,
    name: `${name} ${sort} utilization (percentage of request)`,
    status: shown({ averageUtilization: utilization, averageValue: usageOf(name, average) }),
  };
}

async function ofPods({ metric, target }: PodsMetricSource, measuring: Measuring): Promise<Proposal> {
  const { source, namespace, selector, scaled, signal } = measuring;
  const values = await within(`unable to get metric ${metric.name}`, () =>
    source.pods({ namespace, selector }, metric, signal),
  );
  const { replicas, average } = averageCount(values, quantityMilliValue(target.averageValue ?? '0'), '', scaled);
  const status = { type: 'Pods', pods: { metric, current: { averageValue: quantityOf(average) } } };
  return { replicas, name: `pods metric ${metric.name}`, status };
}

async function ofObject(spec: ObjectMetricSource, measuring: Measuring): Promise<Proposal> {
  const { describedObject, metric, target } = spec;
  const { source, namespace, scaled, signal } = measuring;
  const read = async (): Promise<number> => {
    try {
      return await source.object(namespace, describedObject, metric, signal);
    } catch (error) {
      if (!(error instanceof MetricError)) throw error;
      const where = `${describedObject.kind} ${namespace}/${describedObject.name}`;
      throw new MetricError(`unable to get metric ${metric.name}: ${error.message} on ${where}`, { cause: error });
    }
  };
  const shown = (current: MetricValueStatus) => ({ type: 'Object', object: { describedObject, metric, current } });
  if (target.type === 'Value' && target.value !== undefined) {
    const value = await read();
    const replicas = valueCount(value, quantityMilliValue(target.value), scaled);
    return {
      replicas,
      name: `${describedObject.kind} metric ${metric.name}`,
      status: shown({ value: quantityOf(value) }),
    };
  }
  if (target.type !== 'AverageValue' || target.averageValue === undefined)
    throw new MetricError('invalid object metric source: neither a value target nor an average value target was set');
  const value = await within(`failed to get ${metric.name} object metric`, read);
  const { replicas, average } = sharedCount(value, quantityMilliValue(target.averageValue), scaled);
  return { replicas, name: externalName(metric), status: shown({ averageValue: quantityOf(average) }) };
}

async function ofExternal({ metric, target }: ExternalMetricSource, measuring: Measuring): Promise<Proposal> {
  const { source, namespace, scaled, signal } = measuring;
  const read = async (): Promise<number> => {
    const values = await within(
      `unable to get external metric ${namespace}/${metric.name}/${selectorText(metric)}`,
      () => source.external(namespace, metric, signal),
    );
    return values.reduce((sum, value) => Math.min(sum + value, Number.MAX_SAFE_INTEGER), 0);
  };
  const shown = (current: MetricValueStatus) => ({ type: 'External', external: { metric, current } });
  const name = externalName(metric);
  if (target.averageValue !== undefined) {
    const value = await within(`failed to get ${metric.name} external metric`, read);
    const { replicas, average } = sharedCount(value, quantityMilliValue(target.averageValue), scaled);
    return { replicas, name, status: shown({ averageValue: quantityOf(average) }) };
  }
  if (target.value === undefined)
    throw new MetricError('invalid external metric source: neither a value target nor an average value target was set');
  const wanted = quantityMilliValue(target.value);
  const [value, replicas] = await within(`failed to get external metric ${metric.name}`, async () => {
    const sum = await read();
    return [sum, valueCount(sum, wanted, scaled)] as const;
  });
  return { replicas, name, status: shown({ value: quantityOf(value) }) };
}

const selectorText = ({ selector }: MetricIdentifier): string =>
  selector ? formatSelector(selectorFrom(selector)) : 'nil';
const externalName = (metric: MetricIdentifier): string => `external metric ${metric.name}(${selectorText(metric)})`;
