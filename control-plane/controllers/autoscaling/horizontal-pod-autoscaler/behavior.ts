/**
 * What becomes of a proposal: stabilization windows, the limits of rates, and of the spec. Pure.
 * https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#configurable-scaling-behavior
 */
import { MAX_INT32 } from '../../../../api/machinery/schema.ts';
import type {
  HorizontalPodAutoscalerBehavior,
  HorizontalPodAutoscalerSpec,
  HPAScalingPolicy,
  HPAScalingRules,
} from '../../../../api/types/autoscaling/v2.gen.ts';

/** Upstream's `--horizontal-pod-autoscaler-downscale-stabilization`. */
const DOWNSCALE_STABILIZATION_SECONDS = 300;
/** Without a behavior, replicas are doubled at most; a few may always be added. */
const SCALE_UP_FACTOR = 2;
const SCALE_UP_MINIMUM = 4;
const SECOND_MS = 1000;

/** Times are in ms of the monotonic clock. */
export interface Recommendation {
  readonly replicas: number;
  readonly atMs: number;
}

/** By how many replicas the target was scaled. */
export interface ScaleEvent {
  readonly change: number;
  readonly atMs: number;
}

/** What is remembered of an autoscaler. */
export interface ScalingHistory {
  readonly recommendations: readonly Recommendation[];
  readonly ups: readonly ScaleEvent[];
  readonly downs: readonly ScaleEvent[];
}

export const firstHistory = (replicas: number, now: number): ScalingHistory => ({
  recommendations: [{ replicas, atMs: now }],
  ups: [],
  downs: [],
});

/** What a condition says. */
export interface Verdict {
  readonly reason: string;
  readonly message: string;
}

export interface Normalized {
  readonly replicas: number;
  readonly ableToScale: Verdict;
  readonly limit: Verdict;
  readonly isLimited: boolean;
  readonly history: ScalingHistory;
}

export interface ProposalInput {
  readonly spec: Pick<HorizontalPodAutoscalerSpec, 'behavior' | 'maxReplicas'>;
  readonly minReplicas: number;
  readonly current: number;
  readonly proposed: number;
  readonly history: ScalingHistory;
  readonly now: number;
}

const STEADY: Verdict = { reason: 'ReadyForNewScale', message: 'recommended size matches current size' };
const UP_STABILIZED: Verdict = {
  reason: 'ScaleUpStabilized',
  message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
};
const DOWN_STABILIZED: Verdict = {
  reason: 'ScaleDownStabilized',
  message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
};
const WITHIN: Verdict = { reason: 'DesiredWithinRange', message: 'the desired count is within the acceptable range' };
const TOO_FEW: Verdict = {
  reason: 'TooFewReplicas',
  message: 'the desired replica count is less than the minimum replica count',
};
const TOO_MANY: Verdict = {
  reason: 'TooManyReplicas',
  message: 'the desired replica count is more than the maximum replica count',
};
const UP_LIMIT: Verdict = {
  reason: 'ScaleUpLimit',
  message: 'the desired replica count is increasing faster than the maximum scale rate',
};
const DOWN_LIMIT: Verdict = {
  reason: 'ScaleDownLimit',
  message: 'the desired replica count is decreasing faster than the maximum scale rate',
};

/** Replicas within a limit, and the verdict on those that are not. */
type Bounded = readonly [replicas: number, limit: Verdict];

export function normalize(input: ProposalInput): Normalized {
  const { spec, current, proposed } = input;
  const { behavior } = spec;
  const stable = behavior ? stabilized(input, behavior) : highestRecent(input);
  const [replicas, limit] = behavior ? withinRates(input, behavior, stable) : withinRange(input, stable);
  const stabilization = behavior && proposed >= current ? UP_STABILIZED : DOWN_STABILIZED;
  return {
    replicas,
    ableToScale: stable === proposed ? STEADY : stabilization,
    limit,
    isLimited: replicas !== stable,
    history: withRecommendation(input),
  };
}

const windowsOf = (
  behavior: HorizontalPodAutoscalerBehavior | undefined,
): { readonly up: number; readonly down: number } => ({
  up: (behavior?.scaleUp?.stabilizationWindowSeconds ?? 0) * SECOND_MS,
  down: (behavior?.scaleDown?.stabilizationWindowSeconds ?? DOWNSCALE_STABILIZATION_SECONDS) * SECOND_MS,
});

/** Forgets the recommendations that no window reaches. */
function withRecommendation({ spec, proposed, history, now }: ProposalInput): ScalingHistory {
  const { up, down } = windowsOf(spec.behavior);
  const recent = history.recommendations.filter(({ atMs }) => atMs >= now - Math.max(up, down));
  return { ...history, recommendations: [...recent, { replicas: proposed, atMs: now }] };
}

function highestRecent({ proposed, history, now }: ProposalInput): number {
  const recent = history.recommendations.filter(({ atMs }) => atMs >= now - windowsOf(undefined).down);
  return recent.reduce((highest, { replicas }) => Math.max(highest, replicas), proposed);
}

function stabilized(
  { current, proposed, history, now }: ProposalInput,
  behavior: HorizontalPodAutoscalerBehavior,
): number {
  const { up, down } = windowsOf(behavior);
  let [lowest, highest] = [proposed, proposed];
  for (const { replicas, atMs } of history.recommendations) {
    if (atMs > now - up) lowest = Math.min(lowest, replicas);
    if (atMs > now - down) highest = Math.max(highest, replicas);
  }
  return Math.min(Math.max(current, lowest), highest);
}

function withinRange({ spec: { maxReplicas }, minReplicas, current }: ProposalInput, desired: number): Bounded {
  const upLimit = Math.max(SCALE_UP_FACTOR * current, SCALE_UP_MINIMUM);
  const [most, limit] = maxReplicas > upLimit ? [upLimit, UP_LIMIT] : [maxReplicas, TOO_MANY];
  if (desired < minReplicas) return [minReplicas, TOO_FEW];
  return desired > most ? [most, limit] : [desired, WITHIN];
}

function withinRates(
  { spec: { maxReplicas }, minReplicas, current, history, now }: ProposalInput,
  { scaleUp, scaleDown }: HorizontalPodAutoscalerBehavior,
  desired: number,
): Bounded {
  if (desired > current) {
    const upLimit = Math.max(rateLimit(current, history, scaleUp, now, 1), current);
    const [most, limit] = maxReplicas > upLimit ? [upLimit, UP_LIMIT] : [maxReplicas, TOO_MANY];
    if (desired > most) return [most, limit];
  } else if (desired < current) {
    const downLimit = Math.min(rateLimit(current, history, scaleDown, now, -1), current);
    const [least, limit] = minReplicas < downLimit ? [downLimit, DOWN_LIMIT] : [minReplicas, TOO_FEW];
    if (desired < least) return [least, limit];
  }
  return [desired, WITHIN];
}

const changeWithin = (events: readonly ScaleEvent[], seconds: number, now: number): number =>
  events.reduce((sum, { change, atMs }) => (atMs > now - seconds * SECOND_MS ? sum + change : sum), 0);

/** How far the policies let the target be scaled. @param sign 1 for up, -1 for down */
function rateLimit(
  current: number,
  { ups, downs }: ScalingHistory,
  { policies = [], selectPolicy }: HPAScalingRules = {},
  now: number,
  sign: 1 | -1,
): number {
  if (selectPolicy === 'Disabled') return current;
  const limits = policies.map((policy) => {
    const { periodSeconds } = policy;
    const atStart = current - changeWithin(ups, periodSeconds, now) + changeWithin(downs, periodSeconds, now);
    return policyLimit(atStart, policy, sign);
  });
  // The largest change is up to the highest number, or down to the lowest.
  const isHighest = (selectPolicy === 'Min') === (sign === -1);
  return isHighest ? Math.max(-MAX_INT32, ...limits) : Math.min(MAX_INT32, ...limits);
}

function policyLimit(atStart: number, { type, value }: HPAScalingPolicy, sign: 1 | -1): number {
  if (type === 'Pods') return atStart + sign * value;
  const limit = atStart * (1 + (sign * value) / 100);
  // Rounded up, so that one replica can become two by 10 %.
  return sign === 1 ? Math.ceil(limit) : Math.trunc(limit);
}

/** The history after the target was scaled. Events are of use to policies only. */
export function withScaleEvent(
  history: ScalingHistory,
  behavior: HorizontalPodAutoscalerBehavior | undefined,
  { from, to, now }: { readonly from: number; readonly to: number; readonly now: number },
): ScalingHistory {
  if (!behavior) return history;
  const event = { change: Math.abs(to - from), atMs: now };
  const periods = [behavior.scaleUp, behavior.scaleDown].flatMap((rules) => rules?.policies ?? []);
  const longestMs = Math.max(0, ...periods.map(({ periodSeconds }) => periodSeconds)) * SECOND_MS;
  const recent = (events: readonly ScaleEvent[]) => events.filter(({ atMs }) => atMs >= now - longestMs);
  return to > from
    ? { ...history, ups: [...recent(history.ups), event] }
    : { ...history, downs: [...recent(history.downs), event] };
}
