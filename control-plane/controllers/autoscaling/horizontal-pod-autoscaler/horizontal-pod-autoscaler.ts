/**
 * The controller of HorizontalPodAutoscalers: compares metrics with their targets, and scales what they are about. Upstream:
 * pkg/controller/podautoscaler. https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/
 */
import { deepEqual } from '../../../../api/machinery/deep-equal.ts';
import { quantityMilliValue } from '../../../../api/machinery/quantity.ts';
import { parseLabelSelector, SelectorError, type Selector } from '../../../../api/machinery/selectors.ts';
import type { HorizontalPodAutoscaler } from '../../../../api/types/autoscaling/v2.gen.ts';
import type { Pod } from '../../../../api/types/core/v1.gen.ts';
import { referenceTo, type EventRecorder } from '../../../../client/event-recorder.ts';
import { splitKey, type Informer } from '../../../../client/informer.ts';
import { horizontalPodAutoscalersAutoscalingV2 as horizontalPodAutoscalers } from '../../../../client/resources.gen.ts';
import { podCache } from '../../caches/definitions.ts';
import type { PodView } from '../../caches/pod-view.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { wholeObjects } from '../../framework/informer-factory.ts';
import { apiVersionOf } from '../../framework/owner-references.ts';
import { writeStatus } from '../../framework/status.ts';
import { watch, type Watch } from '../../framework/watch.ts';
import { firstHistory, withScaleEvent, type ScalingHistory } from './behavior.ts';
import { measure } from './metric-outcomes.ts';
import { MetricSource } from './metric-source.ts';
import {
  decideByBounds,
  decideByMetrics,
  statusOf,
  type ConditionChange,
  type Decision,
  type StatusInput,
} from './plan.ts';
import type { Tolerances } from './replica-count.ts';
import { ResourceMapper, ScaleTargets, type Target } from './scale-target.ts';
import { TargetSelectors } from './selectors.ts';

/** Upstream's `--horizontal-pod-autoscaler-sync-period` and `-tolerance`. */
const SYNC_MS = 15_000;
const TOLERANCE = 0.1;

const autoscalerCache = wholeObjects(horizontalPodAutoscalers);

/** @param syncMs how often each autoscaler looks at its metrics */
export const horizontalPodAutoscalerController = (syncMs = SYNC_MS): ControllerDescriptor => ({
  name: 'horizontal-pod-autoscaler-controller',
  workers: 5,
  create: (context) => new HorizontalPodAutoscalerController(context, syncMs),
});

/** Why no decision could be made about a target. */
interface Refusal {
  readonly event: readonly [reason: string, message: string];
  readonly condition: ConditionChange;
}

class HorizontalPodAutoscalerController implements Controller {
  readonly #context: ControllerContext;
  readonly #syncMs: number;
  readonly #autoscalers: Informer<HorizontalPodAutoscaler>;
  readonly #pods: Informer<Pod, PodView>;
  readonly #events: EventRecorder;
  readonly #targets: ScaleTargets;
  readonly #source: MetricSource;
  readonly #selectors = new TargetSelectors();
  /** By key; that of an autoscaler that is gone is not that of the next of its name. */
  readonly #histories = new Map<string, { readonly uid: string | undefined; readonly history: ScalingHistory }>();

  constructor(context: ControllerContext, syncMs: number) {
    this.#context = context;
    this.#syncMs = syncMs;
    this.#autoscalers = context.informer(autoscalerCache);
    this.#pods = context.informer(podCache);
    this.#events = context.recorder('horizontal-pod-autoscaler');
    const mapper = new ResourceMapper(context.client);
    this.#targets = new ScaleTargets(context.client, mapper);
    this.#source = new MetricSource(context.client, mapper);
  }

  watches(): Watch[] {
    const { queue } = this.#context;
    return [
      watch(this.#autoscalers, {
        onAdd: (_, key) => queue.add(key),
        // Its own writes of the status are no reason to look again.
        onUpdate: (old, { metadata, spec }, key) => {
          if (old.metadata?.uid !== metadata?.uid || !deepEqual(old.spec, spec)) queue.add(key);
        },
        // Forgotten in its turn: a round that is under way would remember it again.
        onDelete: (_, key) => queue.add(key),
      }),
      watch(this.#pods, {}),
    ];
  }

  async reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const autoscaler = this.#autoscalers.getByKey(key);
    if (!autoscaler) {
      const { namespace, name } = splitKey(key);
      this.#selectors.delete(namespace, name);
      this.#histories.delete(key);
      return undefined;
    }
    await this.#sync(autoscaler, key, signal);
    return this.#syncMs;
  }

  async #sync(autoscaler: HorizontalPodAutoscaler, key: string, signal: AbortSignal): Promise<void> {
    const target = await this.#readTarget(autoscaler, signal);
    if (!target) return;
    const current = target.scale.spec?.replicas ?? 0;
    const known = this.#histories.get(key);
    const isOwn = known?.uid === autoscaler.metadata?.uid;
    const history = (isOwn && known?.history) || firstHistory(current, performance.now());
    this.#remember(autoscaler, key, history);
    const bounds = { spec: autoscaler.spec, current, history };
    const able: ConditionChange = [
      ...(['AbleToScale', 'True', 'SucceededGetScale'] as const),
      "the HPA controller was able to get the target's current scale",
    ];
    const decision = decideByBounds(bounds) ?? (await this.#measured(autoscaler, target, bounds, signal));
    const changes = [able, ...decision.conditions];
    if (decision.error !== undefined) {
      const scale = { current, desired: undefined, metrics: decision.metrics, isRescaled: false };
      await this.#write(autoscaler, { changes, scale }, signal);
      this.#warn(autoscaler, 'FailedComputeMetricsReplicas', decision.error);
      return;
    }
    this.#remember(autoscaler, key, decision.history);
    await this.#carryOut(autoscaler, { target, decision, current, changes, key }, signal);
  }

  #remember({ metadata }: HorizontalPodAutoscaler, key: string, history: ScalingHistory): void {
    this.#histories.set(key, { uid: metadata?.uid, history });
  }

  /** Undefined when the target cannot be read; the status says so then. */
  async #readTarget(autoscaler: HorizontalPodAutoscaler, signal: AbortSignal): Promise<Target | undefined> {
    const { metadata, spec } = autoscaler;
    try {
      return await this.#targets.get(metadata?.namespace ?? '', spec.scaleTargetRef, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const message = messageOf(error);
      this.#warn(autoscaler, 'FailedGetScale', message);
      const said = `the HPA controller was unable to get the target's current scale: ${message}`;
      await this.#write(autoscaler, { changes: [['AbleToScale', 'False', 'FailedGetScale', said]] }, signal);
      return undefined;
    }
  }

  async #measured(
    autoscaler: HorizontalPodAutoscaler,
    { scale }: Target,
    bounds: Parameters<typeof decideByBounds>[0],
    signal: AbortSignal,
  ): Promise<Decision> {
    const { namespace = '', name = '' } = autoscaler.metadata ?? {};
    const { spec, current, history } = bounds;
    const selection = this.#select(namespace, name, scale.status?.selector ?? '');
    if ('event' in selection) {
      this.#warn(autoscaler, ...selection.event);
      const [, error] = selection.event;
      const conditions = [selection.condition];
      return { desired: current, rescaleReason: undefined, conditions, metrics: [], history, error };
    }
    const { selector, pods } = selection;
    const scaled = {
      ...{ pods, specReplicas: current, statusReplicas: scale.status?.replicas ?? 0 },
      ...{ tolerances: tolerancesOf(spec), now: Date.now() },
    };
    const measuring = { source: this.#source, namespace, selector, scaled, signal };
    const outcomes = await Promise.all((spec.metrics ?? []).map((metric) => measure(metric, measuring)));
    signal.throwIfAborted();
    for (const outcome of outcomes)
      if ('failure' in outcome) this.#warn(autoscaler, outcome.failure.reason, outcome.event);
    return decideByMetrics(bounds, outcomes, performance.now());
  }

  /** The pods of the target, unless it is unclear which they are. */
  #select(
    namespace: string,
    name: string,
    text: string,
  ): Refusal | { readonly selector: Selector; readonly pods: readonly PodView[] } {
    const refusal = (reason: string, event: readonly [string, string], message = event[1]): Refusal => ({
      event,
      condition: ['ScalingActive', 'False', reason, message],
    });
    if (text === '') {
      const message = "the HPA target's scale is missing a selector";
      return refusal('InvalidSelector', ['SelectorRequired', 'selector is required'], message);
    }
    const selector = parsed(text);
    if (selector instanceof SelectorError) {
      const message = `couldn't convert selector into a corresponding internal selector object: ${selector.message}`;
      return refusal('InvalidSelector', ['InvalidSelector', message]);
    }
    this.#selectors.set(namespace, name, selector);
    const pods = this.#pods.byIndex('namespace', namespace).filter(({ labels }) => selector.matches(labels));
    const selecting = this.#selectors.selecting(namespace, pods);
    if (selecting.length <= 1) return { selector, pods };
    const named = selecting.map((other) => `${namespace}/${other}`).join(' ');
    const message = `pods by selector ${text} are controlled by multiple HPAs: [${named}]`;
    return refusal('AmbiguousSelector', ['AmbiguousSelector', message]);
  }

  async #carryOut(
    autoscaler: HorizontalPodAutoscaler,
    { target, decision, current, changes, key }: Execution,
    signal: AbortSignal,
  ): Promise<void> {
    const { desired, rescaleReason, metrics } = decision;
    if (rescaleReason === undefined) {
      const scale = { current, desired: current, metrics, isRescaled: false };
      return this.#write(autoscaler, { changes, scale }, signal);
    }
    try {
      await this.#targets.setReplicas(target, desired, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const message = messageOf(error);
      this.#warn(autoscaler, 'FailedRescale', `New size: ${desired}; reason: ${rescaleReason}; error: ${message}`);
      const said = `the HPA controller was unable to update the target scale: ${message}`;
      const failed: ConditionChange = ['AbleToScale', 'False', 'FailedUpdateScale', said];
      const scale = { current, desired: undefined, metrics, isRescaled: false };
      return this.#write(autoscaler, { changes: [...changes, failed], scale }, signal);
    }
    const event = { from: current, to: desired, now: performance.now() };
    this.#remember(autoscaler, key, withScaleEvent(decision.history, autoscaler.spec.behavior, event));
    this.#record(autoscaler, 'Normal', 'SuccessfulRescale', `New size: ${desired}; reason: ${rescaleReason}`);
    const said = `the HPA controller was able to update the target scale to ${desired}`;
    const scaled: ConditionChange = ['AbleToScale', 'True', 'SucceededRescale', said];
    const scale = { current, desired, metrics, isRescaled: true };
    await this.#write(autoscaler, { changes: [...changes, scaled], scale }, signal);
  }

  async #write(
    autoscaler: HorizontalPodAutoscaler,
    input: Pick<StatusInput, 'changes' | 'scale'>,
    signal: AbortSignal,
  ): Promise<void> {
    const status = statusOf({ before: autoscaler.status, now: Date.now(), ...input });
    await writeStatus(horizontalPodAutoscalers, autoscaler, status, { client: this.#context.client, signal });
  }

  #warn(autoscaler: HorizontalPodAutoscaler, reason: string, message: string): void {
    this.#record(autoscaler, 'Warning', reason, message);
  }

  #record(autoscaler: HorizontalPodAutoscaler, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { kind } = horizontalPodAutoscalers;
    this.#events.event(referenceTo(apiVersionOf(horizontalPodAutoscalers), kind, autoscaler), type, reason, message);
  }
}

interface Execution {
  readonly target: Target;
  readonly decision: Decision;
  readonly current: number;
  readonly changes: readonly ConditionChange[];
  readonly key: string;
}

function parsed(text: string): Selector | SelectorError {
  try {
    return parseLabelSelector(text);
  } catch (error) {
    if (error instanceof SelectorError) return error;
    throw error;
  }
}

const MILLI = 1000;

function tolerancesOf({ behavior }: HorizontalPodAutoscaler['spec']): Tolerances {
  const of = (tolerance: string | undefined): number =>
    tolerance === undefined ? TOLERANCE : quantityMilliValue(tolerance) / MILLI;
  return { up: of(behavior?.scaleUp?.tolerance), down: of(behavior?.scaleDown?.tolerance) };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
