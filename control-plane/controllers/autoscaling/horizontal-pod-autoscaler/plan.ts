/** What an autoscaler does with what its metrics propose, and what it says of it in its status. Pure. */
import { timeOf } from '../../../../api/machinery/time.ts';
import type {
  HorizontalPodAutoscalerCondition as Condition,
  HorizontalPodAutoscalerSpec as Spec,
  HorizontalPodAutoscalerStatus as Status,
  MetricStatus,
} from '../../../../api/types/autoscaling/v2.gen.ts';
import { normalize, type ScalingHistory } from './behavior.ts';

export type ConditionChange = readonly [type: string, status: 'True' | 'False', reason: string, message: string];

/** One metric's outcome, in the order of the spec. */
export type MetricOutcome =
  | { readonly replicas: number; readonly name: string; readonly status: MetricStatus }
  | {
      /** The condition that it causes. */
      readonly failure: { readonly reason: string; readonly message: string };
      /** The event, of the same reason. */
      readonly event: string;
      /** What is said of it among the other metrics. */
      readonly summary: string;
    };

export interface Decision {
  readonly desired: number;
  /** Why the target is scaled; undefined when it is not. */
  readonly rescaleReason: string | undefined;
  readonly conditions: readonly ConditionChange[];
  readonly metrics: readonly MetricStatus[];
  readonly history: ScalingHistory;
  /** Set when no decision could be made. */
  readonly error?: string;
}

export interface Bounds {
  readonly spec: Spec;
  /** What the target is to have now. */
  readonly current: number;
  readonly history: ScalingHistory;
}

/** Decides what needs no metrics; undefined when they are needed. */
export function decideByBounds({ spec, current, history }: Bounds): Decision | undefined {
  const { maxReplicas, minReplicas = 1 } = spec;
  const unmeasured = { conditions: [], metrics: [], history };
  if (current === 0) {
    const message = 'scaling is disabled since the replica count of the target is zero';
    const conditions = [['ScalingActive', 'False', 'ScalingDisabled', message]] as const;
    return { ...unmeasured, desired: 0, rescaleReason: undefined, conditions };
  }
  const reason = (bound: string): string => `Current number of replicas ${bound}`;
  if (current > maxReplicas)
    return { ...unmeasured, desired: maxReplicas, rescaleReason: reason('above Spec.MaxReplicas') };
  if (current < minReplicas)
    return { ...unmeasured, desired: minReplicas, rescaleReason: reason('below Spec.MinReplicas') };
  return undefined;
}

/** A status of a metric of which nothing is known yet: its place in the list tells which it is. */
const UNKNOWN: MetricStatus = { type: '' };

interface Proposal {
  readonly replicas: number;
  readonly name: string;
}

/** The largest proposal. Metrics that have failed forbid to scale down: they might want more. */
export function decideByMetrics(bounds: Bounds, outcomes: readonly MetricOutcome[], now: number): Decision {
  const { spec, current, history } = bounds;
  const metrics = outcomes.map((outcome) => ('status' in outcome ? outcome.status : UNKNOWN));
  const failed = outcomes.flatMap((outcome) => ('failure' in outcome ? [outcome] : []));
  const proposals = outcomes.flatMap((outcome) => ('failure' in outcome ? [] : [outcome]));
  const best = proposals.reduce<Proposal>(
    (most, each) => (each.replicas > most.replicas || most.name === '' ? each : most),
    {
      ...{ replicas: 0, name: '' },
    },
  );
  const [first] = failed;
  const error =
    first && `invalid metrics (${failed.length} invalid out of ${outcomes.length}), first error is: ${first.summary}`;
  if (first && (proposals.length === 0 || best.replicas < current)) {
    const { reason, message } = first.failure;
    const conditions = [['ScalingActive', 'False', reason, message]] as const;
    return { desired: current, rescaleReason: undefined, conditions, metrics, history, error: error ?? '' };
  }
  const proposed = Math.max(best.replicas, 0);
  const normalized = normalize({
    ...{ spec, current, proposed, history, now },
    minReplicas: spec.minReplicas ?? 1,
  });
  const { replicas: desired, ableToScale, limit, isLimited } = normalized;
  const valid = `the HPA was able to successfully calculate a replica count from ${best.name}`;
  const why = proposed > current ? `${best.name} above target` : proposed < current ? 'All metrics below target' : '';
  return {
    desired,
    rescaleReason: desired === current ? undefined : why,
    conditions: [
      ['ScalingActive', 'True', 'ValidMetricFound', valid],
      ['AbleToScale', 'True', ableToScale.reason, ableToScale.message],
      ['ScalingLimited', isLimited ? 'True' : 'False', limit.reason, limit.message],
    ],
    metrics,
    history: normalized.history,
  };
}

/** The conditions after some changes; the time is that of the last change of a status. */
export function withChanges(
  conditions: readonly Condition[] | undefined,
  changes: readonly ConditionChange[],
  now: number,
): Condition[] {
  const next = new Map((conditions ?? []).map((condition) => [condition.type, condition]));
  for (const [type, status, reason, message] of changes) {
    const before = next.get(type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timeOf(now);
    next.set(type, { type, status, reason, message, ...(lastTransitionTime && { lastTransitionTime }) });
  }
  return [...next.values()];
}

export interface StatusInput {
  readonly before: Status | undefined;
  readonly changes: readonly ConditionChange[];
  /** Undefined when the target could not be read: what was known of it stays. */
  readonly scale?: {
    readonly current: number;
    /** Undefined when no decision was made. */
    readonly desired: number | undefined;
    readonly metrics: readonly MetricStatus[];
    readonly isRescaled: boolean;
  };
  readonly now: number;
}

export function statusOf({ before, changes, scale, now }: StatusInput): Status {
  const conditions = withChanges(before?.conditions, changes, now);
  if (!scale) return { desiredReplicas: 0, ...before, conditions };
  const { current, desired = before?.desiredReplicas ?? 0, metrics, isRescaled } = scale;
  const lastScaleTime = isRescaled ? timeOf(now) : before?.lastScaleTime;
  return {
    currentReplicas: current,
    desiredReplicas: desired,
    currentMetrics: metrics.length > 0 ? [...metrics] : null,
    conditions,
    ...(lastScaleTime && { lastScaleTime }),
  };
}
