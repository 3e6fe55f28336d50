/**
 * Metrics as annotations of autoscaling/v1 objects have them, which is not among the published types: the target and the current value
 * are fields of the source. Upstream's pkg/apis/autoscaling/v1/conversion.go.
 */
import { isJsonObject, own } from '../../machinery/own.ts';
import { parseQuantity, QuantityError } from '../../machinery/quantity.ts';
import type { CrossVersionObjectReference, MetricSpec, MetricStatus } from '../../types/autoscaling/v2.gen.ts';

type Json = Readonly<Record<string, unknown>>;

/** Upstream's struct has no pointer there. */
const ZERO = '0';

const reference = ({ kind, name, apiVersion }: CrossVersionObjectReference): Json => ({ kind, name, apiVersion });

/** As JSON, with the fields in upstream's order. */
export function toAnnotatedSpec(spec: MetricSpec): Json {
  const { type, object, pods, resource, containerResource, external } = spec;
  const resourceTarget = (source: MetricSpec['resource']): Json | undefined =>
    source && {
      name: source.name,
      targetAverageUtilization: source.target.averageUtilization,
      targetAverageValue: source.target.averageValue,
    };
  return {
    type,
    object: object && {
      target: reference(object.describedObject),
      metricName: object.metric.name,
      targetValue: object.target.value ?? ZERO,
      selector: object.metric.selector,
      averageValue: object.target.averageValue,
    },
    pods: pods && {
      metricName: pods.metric.name,
      targetAverageValue: pods.target.averageValue ?? ZERO,
      selector: pods.metric.selector,
    },
    resource: resourceTarget(resource),
    containerResource: containerResource && {
      ...resourceTarget(containerResource),
      container: containerResource.container,
    },
    external: external && {
      metricName: external.metric.name,
      metricSelector: external.metric.selector,
      targetValue: external.target.value,
      targetAverageValue: external.target.averageValue,
    },
  };
}

export function toAnnotatedStatus(status: MetricStatus): Json {
  const { type, object, pods, resource, containerResource, external } = status;
  const resourceValue = (source: MetricStatus['resource']): Json | undefined =>
    source && {
      name: source.name,
      currentAverageUtilization: source.current.averageUtilization,
      currentAverageValue: source.current.averageValue ?? ZERO,
    };
  return {
    type,
    object: object && {
      target: reference(object.describedObject),
      metricName: object.metric.name,
      currentValue: object.current.value ?? ZERO,
      selector: object.metric.selector,
      averageValue: object.current.averageValue,
    },
    pods: pods && {
      metricName: pods.metric.name,
      currentAverageValue: pods.current.averageValue ?? ZERO,
      selector: pods.metric.selector,
    },
    resource: resourceValue(resource),
    containerResource: containerResource && {
      ...resourceValue(containerResource),
      container: containerResource.container,
    },
    external: external && {
      metricName: external.metric.name,
      metricSelector: external.metric.selector,
      currentValue: external.current.value ?? ZERO,
      currentAverageValue: external.current.averageValue,
    },
  };
}

/** A member that is an object; what else it is, the decoding of the result refuses. */
function member<T>(json: Json, name: string, convert: (source: Json) => T): T | undefined {
  const source = own(json, name);
  return isJsonObject(source) ? convert(source) : undefined;
}

const metricOf = (source: Json, selector = 'selector'): Json => ({
  name: own(source, 'metricName') ?? '',
  selector: own(source, selector),
});

function isZero(quantity: unknown): boolean {
  try {
    return typeof quantity === 'string' && parseQuantity(quantity).nano === 0n;
  } catch (error) {
    if (error instanceof QuantityError) return false;
    throw error;
  }
}

/** To the JSON of a v2 MetricSpec, which is to be decoded. */
export function fromAnnotatedSpec(json: Json): Json {
  const get = (source: Json, name: string): unknown => own(source, name) ?? undefined;
  const resource = (source: Json): Json => {
    const averageUtilization = get(source, 'targetAverageUtilization');
    const averageValue = get(source, 'targetAverageValue');
    const type = averageUtilization === undefined ? 'AverageValue' : 'Utilization';
    return { name: get(source, 'name'), target: { type, averageValue, averageUtilization } };
  };
  return {
    type: get(json, 'type'),
    object: member(json, 'object', (source) => {
      const averageValue = get(source, 'averageValue');
      const value = get(source, 'targetValue');
      const isAverage = averageValue !== undefined;
      return {
        describedObject: get(source, 'target'),
        metric: metricOf(source),
        target: isAverage
          ? { type: 'AverageValue', averageValue, value: isZero(value) ? undefined : value }
          : { type: 'Value', value },
      };
    }),
    pods: member(json, 'pods', (source) => ({
      metric: metricOf(source),
      target: { type: 'AverageValue', averageValue: get(source, 'targetAverageValue') },
    })),
    resource: member(json, 'resource', resource),
    containerResource: member(json, 'containerResource', (source) => ({
      ...resource(source),
      container: get(source, 'container'),
    })),
    external: member(json, 'external', (source) => {
      const [value, averageValue] = [get(source, 'targetValue'), get(source, 'targetAverageValue')];
      const type = value === undefined ? 'AverageValue' : 'Value';
      return { metric: metricOf(source, 'metricSelector'), target: { type, value, averageValue } };
    }),
  };
}

/** To the JSON of a v2 MetricStatus, which is to be decoded. */
export function fromAnnotatedStatus(json: Json): Json {
  const get = (source: Json, name: string): unknown => own(source, name) ?? undefined;
  const resource = (source: Json): Json => ({
    name: get(source, 'name'),
    current: {
      averageValue: get(source, 'currentAverageValue'),
      averageUtilization: get(source, 'currentAverageUtilization'),
    },
  });
  return {
    type: get(json, 'type'),
    object: member(json, 'object', (source) => ({
      describedObject: get(source, 'target'),
      metric: metricOf(source),
      current: { value: get(source, 'currentValue'), averageValue: get(source, 'averageValue') },
    })),
    pods: member(json, 'pods', (source) => ({
      metric: metricOf(source),
      current: { averageValue: get(source, 'currentAverageValue') },
    })),
    resource: member(json, 'resource', resource),
    containerResource: member(json, 'containerResource', (source) => ({
      ...resource(source),
      container: get(source, 'container'),
    })),
    external: member(json, 'external', (source) => ({
      metric: metricOf(source, 'metricSelector'),
      current: { value: get(source, 'currentValue'), averageValue: get(source, 'currentAverageValue') },
    })),
  };
}
