/** Executes the actions of one pod's plans, in the background and one plan at a time, and keeps their outcomes. */
import { ActionFailures } from './action-failures.ts';
import type { ActionOf, PodAction, PodActionKind } from './actions.ts';
import type { ObservedContainer, PodRuntime } from './observed.ts';
import type { WaitingReason } from './plan.ts';
import type { PodSizes } from '../resize/pod-sizes.ts';
import type { PodDependencies } from './pod-dependencies.ts';
import { podExecutors } from './pod-executors.ts';
import type { PodMetrics, PodOperation } from './pod-metrics.ts';
import { podFields } from '../log-fields.ts';
import { StartError } from '../containers/start-error.ts';
import { onBehalfOf, report, type Subject } from '../../recorder/report.ts';
import { plannedActions } from './plan-reasons.ts';
import type { PodSource } from '../sources/pod-source.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface ActionRunnerOptions {
  readonly dependencies: PodDependencies;
  readonly source: PodSource;
  readonly sizes: PodSizes;
  /** The ids of containers that an earlier agent has stopped for others to take their place. */
  readonly replaced: Iterable<string>;
  readonly metrics?: PodMetrics;
  /** The actions of a plan have ended: observe and plan again. */
  readonly onDone: () => void;
}

export class ActionRunner {
  readonly #options: ActionRunnerOptions;
  readonly #failures: ActionFailures;
  /** Containers, by name, that are being started and have a postStart hook: they count as running when it is done. */
  readonly #hooked = new Set<string>();
  /** The ids of containers that were stopped for others to take their place. */
  readonly #replaced: Set<string>;
  #isBusy = false;
  #interrupt = new AbortController();
  #volumes: 'unknown' | 'up' | 'down' = 'unknown';
  #isStale = false;

  constructor(options: ActionRunnerOptions) {
    this.#options = options;
    this.#failures = new ActionFailures(options.dependencies.logger);
    this.#replaced = new Set(options.replaced);
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  get isSetUp(): boolean {
    return this.#volumes === 'up';
  }

  get isTornDown(): boolean {
    return this.#volumes === 'down';
  }

  /** Whether the content of the volumes is out of date. */
  get isStale(): boolean {
    return this.#isStale;
  }

  markStale(): void {
    this.#isStale = true;
  }

  /** Why containers are not started, by their names. */
  waiting(): Iterable<[string, WaitingReason]> {
    return this.#failures.waiting();
  }

  /** What failed before is due at once. */
  forgetFailures(): void {
    this.#failures.clear();
  }

  /** Aborts what is being executed. */
  interrupt(): void {
    this.#interrupt.abort(new Error('pod is terminating'));
  }

  /** The runtime's state as reported: a container that waits for its hook is not running yet; one that was stopped has not ended by itself. */
  shown(runtime: PodRuntime): PodRuntime {
    if (this.#hooked.size === 0 && this.#replaced.size === 0) return runtime;
    const { sandboxes, containers } = runtime;
    const shown = containers.map((container): ObservedContainer => {
      const { id, name, state } = container;
      if (state === 'running' && this.#hooked.has(name)) return { ...container, state: 'created' };
      return this.#replaced.has(id) ? { ...container, isReplaced: true } : container;
    });
    const known = new Set(containers.map(({ id }) => id));
    for (const id of this.#replaced) if (!known.has(id)) this.#replaced.delete(id);
    return { sandboxes, containers: shown };
  }

  /**
   * Starts the actions that are due, unless the runner is busy. Returns the times, in ms since the epoch, at which the others
   * are. `stop` is aborted when the agent stops.
   */
  start(
    pod: Pod,
    runtime: PodRuntime,
    actions: readonly PodAction[],
    operation: PodOperation,
    stop: AbortSignal,
  ): number[] {
    if (this.#isBusy) return [];
    const now = Date.now();
    const due: PodAction[] = [];
    const later: number[] = [];
    for (const action of actions) {
      const waitMs = this.#failures.waitMs(action);
      if (waitMs === 0) due.push(action);
      else later.push(now + waitMs);
    }
    if (due.length > 0) void this.#executeAll(pod, runtime, due, operation, stop);
    return later;
  }

  #reportFailure(action: PodAction, error: Error, about: Subject): void {
    const container = action.kind === 'startContainer' ? { container: action.container.name } : {};
    const reason = error instanceof StartError ? `${error.reason}: ` : '';
    report({ kind: 'action', action: action.kind, ...container, error: `${reason}${error.message}` }, about);
  }

  async #executeAll(
    pod: Pod,
    runtime: PodRuntime,
    actions: readonly PodAction[],
    operation: PodOperation,
    stop: AbortSignal,
  ): Promise<void> {
    const { dependencies, source, sizes, metrics, onDone } = this.#options;
    const kinds = actions.map(({ kind }) => kind);
    dependencies.logger.debug({ ...podFields(pod), operation, actions: kinds }, 'executing pod actions');
    const about = podFields(pod);
    report({ kind: 'plan', operation, actions: plannedActions(actions, runtime) }, about);
    const startedAt = performance.now();
    this.#isBusy = true;
    this.#interrupt = new AbortController();
    const signal = AbortSignal.any([stop, this.#interrupt.signal]);
    const executors = podExecutors({ pod, source }, runtime, sizes, dependencies);
    const execute = <K extends PodActionKind>(kind: K, action: ActionOf<K>) => executors[kind](action, signal);
    const run = async (action: PodAction): Promise<void> => {
      // What changes while the volumes are being refreshed makes them stale again.
      if (action.kind === 'refreshVolumes') this.#isStale = false;
      if (action.kind === 'stopContainer' && action.isReplaced) this.#replaced.add(action.observed.id);
      try {
        await onBehalfOf(about, () => execute(action.kind, action as never));
        this.#failures.delete(action, podFields(pod));
        if (action.kind === 'setUp') this.#volumes = 'up';
        if (action.kind === 'tearDown') this.#volumes = 'down';
      } catch (error) {
        if (action.kind === 'refreshVolumes') this.#isStale = true;
        this.#reportFailure(action, error as Error, about);
        if (!signal.aborted) this.#failures.add(action, error as Error, podFields(pod));
      }
    };
    // Containers start together, but those after one with a postStart hook wait for the hook: users rely on this order.
    let hook: Promise<void> | undefined;
    await Promise.all(
      actions.map((action) => {
        if (action.kind !== 'startContainer') return run(action);
        const { name, lifecycle } = action.container;
        const start = hook ? hook.then(() => (signal.aborted ? undefined : run(action))) : run(action);
        if (!lifecycle?.postStart) return start;
        this.#hooked.add(name);
        hook = start.finally(() => this.#hooked.delete(name));
        return hook;
      }),
    );
    metrics?.worked(operation, (performance.now() - startedAt) / 1000);
    this.#isBusy = false;
    onDone();
  }
}
