/**
 * Conversion between autoscaling/v1 and v2. What v1 has no fields for is in annotations, which only v1 objects have; one that cannot be
 * read counts as absent, as upstream.
 */
import type { Decoder, KubeObject } from '../../machinery/kind.ts';
import { DecodeError, decoderOf } from '../../machinery/schema-decoder.ts';
import { isJsonObject, own, setOwn } from '../../machinery/own.ts';
import { applyAutoscalerDefaults, cpuMetric } from './horizontal-pod-autoscaler.ts';
import { fromAnnotatedSpec, fromAnnotatedStatus, toAnnotatedSpec, toAnnotatedStatus } from './metric-conversion.ts';
import type { HorizontalPodAutoscaler as AutoscalerV1 } from '../../types/autoscaling/v1.gen.ts';
import {
  HorizontalPodAutoscalerBehavior,
  HorizontalPodAutoscalerCondition,
  MetricSpec,
  MetricStatus,
  type HorizontalPodAutoscaler,
} from '../../types/autoscaling/v2.gen.ts';

const PREFIX = 'autoscaling.alpha.kubernetes.io/';
const METRICS = `${PREFIX}metrics`;
const STATUSES = `${PREFIX}current-metrics`;
const CONDITIONS = `${PREFIX}conditions`;
const BEHAVIOR = `${PREFIX}behavior`;
/** What they hold belongs to the spec, or to the status. */
const OF_SPEC = [METRICS, BEHAVIOR];
const OF_STATUS = [STATUSES, CONDITIONS];
const ANNOTATIONS = new Set([...OF_SPEC, ...OF_STATUS, `${PREFIX}scale-down-tolerance`, `${PREFIX}scale-up-tolerance`]);

type Annotations = Readonly<Record<string, string>>;
type Json = Readonly<Record<string, unknown>>;

/** The value of an annotation that is JSON. */
function parse(annotations: Annotations | undefined, key: string): unknown {
  const text = own(annotations, key);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const decodeMetricSpec = decoderOf<MetricSpec>(MetricSpec);
const decodeMetricStatus = decoderOf<MetricStatus>(MetricStatus);
const decodeCondition = decoderOf<HorizontalPodAutoscalerCondition>(HorizontalPodAutoscalerCondition);
const decodeBehavior = decoderOf<HorizontalPodAutoscalerBehavior>(HorizontalPodAutoscalerBehavior);

function decodeBy<T>(decode: Decoder<T>, value: unknown): T | undefined {
  try {
    return decode(value).object;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** A list of which one item cannot be read cannot be read. */
function readList<T>(value: unknown, decode: Decoder<T>, convert: (item: Json) => Json): T[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const items = value.map((item) => (isJsonObject(item) ? decodeBy(decode, convert(item)) : undefined));
  return items.some((item) => item === undefined) ? undefined : (items as T[]);
}

/** Of a behavior: rules, their policies, and the fields of these. What is below comes from a client and is none. */
const BEHAVIOR_DEPTH = 4;

/** Upstream writes the field names of its own struct (`ScaleUp`), and reads them in any case. */
function withKeys(value: unknown, first: (letter: string) => string, depth = BEHAVIOR_DEPTH): unknown {
  if (depth === 0) return value;
  if (Array.isArray(value)) return value.map((item) => withKeys(item, first, depth - 1));
  if (!isJsonObject(value)) return value;
  const result: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    setOwn(result, first(key.slice(0, 1)) + key.slice(1), withKeys(member, first, depth - 1));
  }
  return result;
}

const isCpu = ({ type, resource }: MetricSpec | MetricStatus): boolean =>
  type === 'Resource' && resource?.name === 'cpu';

const isCpuUtilization = (metric: MetricSpec): boolean =>
  isCpu(metric) && metric.resource?.target.averageUtilization !== undefined;

const withoutOurs = (annotations: Annotations | undefined): Record<string, string> | undefined =>
  annotations && Object.fromEntries(Object.entries(annotations).filter(([key]) => !ANNOTATIONS.has(key)));

const cpuStatus = (averageUtilization: number): MetricStatus => ({
  type: 'Resource',
  resource: { name: 'cpu', current: { averageUtilization } },
});

const asItIs = (item: Json): Json => item;

function keep(keys: readonly string[], object: KubeObject, old: KubeObject | undefined): void {
  const kept = { ...object.metadata?.annotations };
  for (const key of keys) {
    const value = own(old?.metadata?.annotations, key);
    if (value === undefined) delete kept[key];
    else setOwn(kept, key, value);
  }
  if (object.metadata?.annotations || Object.keys(kept).length > 0) (object.metadata ??= {}).annotations = kept;
}

/** A write of the status leaves the spec as it is, its annotations included. */
export const keepSpecAnnotations = (object: KubeObject, old: KubeObject): void => keep(OF_SPEC, object, old);

/** Writes of the whole object leave the status as it is. @param old undefined on create: there is none yet */
export const keepStatusAnnotations = (object: KubeObject, old: KubeObject | undefined): void =>
  keep(OF_STATUS, object, old);

export function toV2({ metadata, spec, status }: AutoscalerV1): HorizontalPodAutoscaler {
  const { annotations } = metadata ?? {};
  const others = readList(parse(annotations, METRICS), decodeMetricSpec, fromAnnotatedSpec) ?? [];
  const utilization = spec?.targetCPUUtilizationPercentage;
  const currentUtilization = status?.currentCPUUtilizationPercentage;
  const statuses = readList(parse(annotations, STATUSES), decodeMetricStatus, fromAnnotatedStatus);
  const behavior = parse(annotations, BEHAVIOR);
  const autoscaler: HorizontalPodAutoscaler = {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { ...metadata, annotations: withoutOurs(annotations) },
    spec: {
      scaleTargetRef: spec?.scaleTargetRef ?? { kind: '', name: '' },
      minReplicas: spec?.minReplicas,
      maxReplicas: spec?.maxReplicas ?? 0,
      metrics: [...others, ...(utilization === undefined ? [] : [cpuMetric(utilization)])],
      behavior: isJsonObject(behavior)
        ? decodeBy(
            decodeBehavior,
            withKeys(behavior, (letter) => letter.toLowerCase()),
          )
        : undefined,
    },
    status: {
      observedGeneration: status?.observedGeneration,
      lastScaleTime: status?.lastScaleTime,
      currentReplicas: status?.currentReplicas,
      desiredReplicas: status?.desiredReplicas ?? 0,
      currentMetrics: statuses ?? (currentUtilization === undefined ? undefined : [cpuStatus(currentUtilization)]),
      conditions: readList(parse(annotations, CONDITIONS), decodeCondition, asItIs),
    },
  };
  applyAutoscalerDefaults(autoscaler);
  return autoscaler;
}

export function fromV2({ metadata, spec, status }: HorizontalPodAutoscaler): AutoscalerV1 {
  const { metrics = [], behavior } = spec ?? {};
  const { currentMetrics, conditions = [] } = status ?? {};
  const annotations = { ...withoutOurs(metadata?.annotations) };
  const annotate = (key: string, value: unknown): void => setOwn(annotations, key, JSON.stringify(value));
  const others = metrics.filter((metric) => !isCpuUtilization(metric));
  if (others.length > 0) annotate(METRICS, others.map(toAnnotatedSpec));
  if (currentMetrics?.length) annotate(STATUSES, currentMetrics.map(toAnnotatedStatus));
  if (behavior)
    annotate(
      BEHAVIOR,
      withKeys(behaviorInOrder(behavior), (letter) => letter.toUpperCase()),
    );
  if (conditions.length > 0) {
    annotate(
      CONDITIONS,
      conditions.map(({ type, status: value, lastTransitionTime = null, reason, message }) => {
        return { type, status: value, lastTransitionTime, reason, message };
      }),
    );
  }
  const cpu = currentMetrics?.findLast((metric) => isCpu(metric) && metric.resource?.current.averageUtilization);
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { ...metadata, ...(Object.keys(annotations).length > 0 && { annotations }) },
    spec: {
      scaleTargetRef: spec?.scaleTargetRef ?? { kind: '', name: '' },
      minReplicas: spec?.minReplicas,
      maxReplicas: spec?.maxReplicas ?? 0,
      targetCPUUtilizationPercentage: metrics.find(isCpuUtilization)?.resource?.target.averageUtilization,
    },
    status: {
      observedGeneration: status?.observedGeneration,
      lastScaleTime: status?.lastScaleTime,
      currentReplicas: status?.currentReplicas ?? 0,
      desiredReplicas: status?.desiredReplicas ?? 0,
      currentCPUUtilizationPercentage: cpu?.resource?.current.averageUtilization,
    },
  };
}

/** With the members that upstream's struct has, which are null when they are not set. */
function behaviorInOrder({ scaleUp, scaleDown }: HorizontalPodAutoscalerBehavior): Json {
  const rules = (side: HorizontalPodAutoscalerBehavior['scaleUp']): Json | null =>
    side
      ? {
          stabilizationWindowSeconds: side.stabilizationWindowSeconds ?? null,
          selectPolicy: side.selectPolicy ?? null,
          policies: side.policies?.map(({ type, value, periodSeconds }) => ({ type, value, periodSeconds })) ?? null,
          tolerance: side.tolerance ?? null,
        }
      : null;
  return { scaleUp: rules(scaleUp), scaleDown: rules(scaleDown) };
}
