/**
 * Owns the state of one pod: observes what runs, plans, reports the status, executes the plan, and observes again. It is
 * level-triggered: a wake-up says that something may have changed, never what.
 */
import { timeIn } from '../../../client/clock.ts';
import { isPodTerminal } from '../../../api/domain/pod-lifecycle.ts';
import { Outage } from '../../../client/outage.ts';
import { PodProbes } from '../../probes/pod-probes.ts';
import { RETRY_MAX_MS } from './action-failures.ts';
import { ActionRunner } from './action-runner.ts';
import { newestContainer, NOTHING_RUNS, type PodRuntime } from './observed.ts';
import { PendingEvents } from './pending-events.ts';
import type { LifecycleEvents, RuntimeEvent } from './lifecycle-events.ts';
import type { PodMetrics } from './pod-metrics.ts';
import { planPod, podFullName, type Ending, type PodPlan } from './plan.ts';
import { withFormer } from './restart-all.ts';
import { PodObserver } from './pod-observer.ts';
import { PodSizes, type ResizeState } from '../resize/pod-sizes.ts';
import { resizeOperations } from '../resize/resize-observer.ts';
import { resizeMessage, type PendingResize, type ResizeRefusal, type ResizeTrigger } from '../resize/resize-review.ts';
import type { PodSource, SourcedPod } from '../sources/pod-source.ts';
import type { PodDependencies } from './pod-dependencies.ts';
import type { Verdict } from '../status/status-input.ts';
import type { StatusSink } from '../status/status-manager.ts';
import { runtimeIdOf } from '../status/container-id.ts';
import { podStatus } from '../status/pod-status.ts';
import { WakeUp } from './wake-up.ts';
import { podFields } from '../log-fields.ts';
import { report } from '../../recorder/report.ts';
import { changesBetween, foundAtStart } from './observed-changes.ts';
import type { Pod, PodStatus } from '../../../api/types/core/v1.gen.ts';

export interface PodWorkerOptions {
  readonly dependencies: PodDependencies;
  readonly hostIPs: readonly string[];
  /** Nothing runs of it yet: the first plan needs no observation. */
  readonly isNew: boolean;
  readonly source: PodSource;
  readonly statuses: StatusSink;
  /** Learns which sandboxes and containers are the pod's. */
  readonly lifecycle: Pick<LifecycleEvents, 'own'>;
  readonly metrics?: PodMetrics;
}

export class PodWorker implements SourcedPod {
  readonly #options: PodWorkerOptions;
  readonly #observer: PodObserver;
  readonly #probes: PodProbes;
  /** When a pod that has not run yet was first seen. */
  #seenAtMs: number | undefined;
  readonly #actions: ActionRunner;
  readonly #wakeUp: WakeUp;
  readonly #sizes: PodSizes;
  #runtime: PodRuntime = NOTHING_RUNS;
  #status: PodStatus | undefined;
  /** `since`: when the termination began, by the monotonic clock. */
  #ending: (Omit<Ending, 'elapsedMs'> & { readonly since: number }) | undefined;
  #verdict: Verdict | undefined;
  readonly #pending = new PendingEvents();
  /** By container name, the id of the ended container whose back-off has been recorded. */
  readonly #backOffsRuntimeEvent = new Map<string, string>();
  #isReported = false;
  #observingSince: number | undefined;
  readonly #observed = Promise.withResolvers<void>();

  constructor(pod: Pod, options: PodWorkerOptions) {
    this.#sizes = new PodSizes(pod);
    this.#options = options;
    const uid = pod.metadata?.uid ?? '';
    const { cri, volumes, record } = options.dependencies;
    const { hostIPs, metrics } = options;
    this.#actions = new ActionRunner({
      dependencies: options.dependencies,
      source: options.source,
      sizes: this.#sizes,
      replaced: comingBack(pod.status),
      metrics,
      onDone: () => this.wake(),
    });
    this.#wakeUp = new WakeUp(() => this.#actions.isBusy);
    this.#observer = new PodObserver(cri, uid, volumes.podDirectory(uid), hostIPs[0]?.includes(':') ? 'IPv6' : 'IPv4');
    this.#probes = new PodProbes(pod, { cri, record, metrics, hostIPs, onChange: () => this.wake() });
    this.#seenAtMs = options.isNew ? performance.now() : undefined;
    if (options.isNew) this.#observed.resolve();
    this.#status = pod.status;
  }

  /** As the node runs it: with the CPU and memory that are allocated to it. */
  get pod(): Pod {
    return this.#pod;
  }

  get #pod(): Pod {
    return this.#sizes.pod;
  }

  /** What its spec asks for and is not allocated to it. */
  get pendingResize(): PendingResize | undefined {
    return this.#ending || this.#isFinished() ? undefined : this.#sizes.pending;
  }

  get runtime(): PodRuntime {
    return this.#runtime;
  }

  /** Resolves when `runtime` has what an earlier agent has started of the pod, or the pod is gone. */
  get observed(): Promise<void> {
    return this.#observed.promise;
  }

  /** The status as observed, which may be ahead of the API's. */
  get status(): PodStatus | undefined {
    return this.#status;
  }

  get source(): PodSource {
    return this.#options.source;
  }

  /** When it began to observe and plan, while it does, by the monotonic clock. */
  get observingSince(): number | undefined {
    return this.#observingSince;
  }

  get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  /** Replaces the pod's spec and metadata. */
  update(pod: Pod): void {
    const { resizes } = this.#options.dependencies;
    for (const operation of resizes ? resizeOperations(this.#sizes.wanted, pod) : []) resizes?.requested(operation);
    this.#sizes.update(pod);
    this.wake();
  }

  get resizeState(): ResizeState {
    return this.#sizes.state;
  }

  /** Answers the pending resize: it is allocated, unless it is refused. `trigger`: why it is looked at. */
  answerResize(refusal: ResizeRefusal | undefined, trigger: ResizeTrigger): void {
    const { record, resizes } = this.#options.dependencies;
    const wanted = this.#sizes.pending?.wanted;
    if (!wanted) return;
    if (!refusal) {
      if (this.#sizes.state.pending?.reason === 'Deferred') resizes?.acceptedLate(trigger);
      this.#sizes.allocate();
      // The downward API shows requests and limits.
      this.#actions.markStale();
      record(wanted, 'Normal', 'ResizeStarted', resizeMessage('started', wanted));
    } else if (this.#sizes.refuse(refusal)) {
      const { reason, message, detail } = refusal;
      if (detail !== undefined) resizes?.infeasible(detail);
      record(wanted, 'Warning', `Resize${reason}`, resizeMessage(reason, wanted, message));
    }
    this.wake();
  }

  /** The pod was started at `time` or before: known from its mirror. */
  startedBy(time: string): void {
    const known = this.#status?.startTime;
    if (known === undefined || Date.parse(time) < Date.parse(known))
      this.#status = { ...this.#status, startTime: time };
  }

  /** Terminates the pod; a shorter grace period than before takes effect at once. `verdict` is the reason in the status. */
  end(graceSeconds: number, remove: boolean, verdict?: Verdict): void {
    const before = this.#ending;
    if (before && before.graceSeconds <= graceSeconds && (before.remove || !remove)) return;
    this.#ending = {
      graceSeconds: Math.min(graceSeconds, before?.graceSeconds ?? graceSeconds),
      since: before?.since ?? performance.now(),
      remove: remove || (before?.remove ?? false),
    };
    this.#verdict ??= verdict;
    this.#options.dependencies.logger.debug(
      { ...podFields(this.#pod), graceSeconds, reason: verdict?.reason },
      'terminating pod',
    );
    const why = verdict ? `: ${verdict.reason}` : remove ? ': it is deleted' : '';
    report({ kind: 'seen', what: `is terminated within ${graceSeconds} s${why}` }, podFields(this.#pod));
    this.#actions.forgetFailures();
    if (before === undefined || graceSeconds < before.graceSeconds) this.#actions.interrupt();
    this.wake();
  }

  /**
   * Something has happened to a container or sandbox. containerd's CRI plugin handles the same event and may show it a moment later:
   * the worker observes until it does.
   */
  expect(event: RuntimeEvent): void {
    // Its sandbox has an event of its own for the same.
    if (event.type === 'oom' && !this.#runtime.sandboxes.some(({ id }) => id === event.id))
      report({ kind: 'seen', what: 'ran out of memory', id: event.id }, podFields(this.#pod));
    this.#pending.add(event);
  }

  /** Something may have changed: observe again. */
  wake(): void {
    this.#wakeUp.call();
  }

  /** The content of the pod's volumes is out of date. */
  refreshVolumes(): void {
    this.#actions.markStale();
    this.wake();
  }

  /** Resolves when the pod has been removed from this host, or when the agent stops (which leaves it running). */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#sync(signal);
    } finally {
      this.#observed.resolve();
      this.#probes[Symbol.dispose]();
    }
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const outage = new Outage(this.#options.dependencies);
    let observes = !this.#options.isNew;
    while (!signal.aborted) {
      this.#wakeUp.begin();
      let nextAt: number | undefined;
      try {
        this.#observingSince = performance.now();
        for (const id of this.#pending.killedByKernel()) this.#observer.askAgain(id);
        const before = this.#runtime;
        if (observes) this.#runtime = await this.#observer.observe(signal);
        observes = true;
        this.#observed.resolve();
        const plan = this.#plan();
        this.#reportSeen(before, plan);
        if (plan.isGone) return;
        nextAt = this.#execute(plan, signal);
        outage.ended(podFields(this.#pod), 'pod sync recovered');
      } catch (error) {
        if (signal.aborted) return;
        outage.failed(error, podFields(this.#pod), 'failed to sync pod');
        nextAt = timeIn(RETRY_MAX_MS);
      }
      this.#observingSince = undefined;
      await this.#wakeUp.sleep(nextAt, signal);
    }
  }

  /** Tells the flight recorder what has happened to the pod. */
  #reportSeen(before: PodRuntime, plan: PodPlan): void {
    const seen = this.#isReported
      ? changesBetween(before, this.#runtime, plan, Date.now())
      : foundAtStart(this.#runtime);
    this.#isReported = true;
    for (const one of seen) report(one, podFields(this.#pod));
  }

  /** Plans from what was observed, and reports the status. */
  #plan(): PodPlan {
    const { lifecycle, statuses, hostIPs } = this.#options;
    const { record } = this.#options.dependencies;
    const probes = this.#probes;
    const actions = this.#actions;
    const now = Date.now();
    for (const event of lifecycle.own(this.#pod.metadata?.uid ?? '', this.#runtime)) this.expect(event);
    const holdsDevices = this.#options.dependencies.devices.holds(this.#pod.metadata?.uid ?? '');
    const isEnding = this.#ending !== undefined || this.#isFinished();
    const runtime = withFormer(this.#pod, actions.shown(this.#runtime));
    probes.follow(this.#pod, runtime, isEnding);
    this.#enforceDeadline(now);
    const plan = planPod(
      {
        pod: this.#pod,
        runtime,
        isSetUp: actions.isSetUp,
        ...{ holdsDevices, isStale: actions.isStale },
        isTornDown: actions.isTornDown,
        isFinished: this.#isFinished(),
        ...(this.#ending && { ending: { ...this.#ending, elapsedMs: performance.now() - this.#ending.since } }),
        restartOrders: probes.restartOrders,
        started: probes.started,
        applied: this.#sizes.applied(runtime),
      },
      now,
    );
    if (plan.isResized && !isEnding && this.#sizes.isDone(runtime))
      record(this.#pod, 'Normal', 'ResizeCompleted', resizeMessage('completed', this.#pod));
    this.#recordBackOffs(plan);
    this.#status = podStatus(
      {
        pod: this.#pod,
        runtime,
        previous: this.#status,
        waiting: new Map([...actions.waiting(), ...plan.waiting]),
        started: probes.started,
        ready: probes.ready,
        hostIPs,
        verdict: this.#verdict,
        ...{ isEnding, holdsDevices },
        devices: this.#options.dependencies.devices.statusOf(this.#pod),
        applied: this.#sizes.applied(runtime),
        resize: this.#sizes.state,
      },
      now,
    );
    this.#countStart(this.#status);
    statuses.report(this, this.#status);
    return plan;
  }

  #countStart({ phase }: PodStatus): void {
    if (this.#seenAtMs === undefined || phase !== 'Running') return;
    this.#options.metrics?.started((performance.now() - this.#seenAtMs) / 1000);
    this.#seenAtMs = undefined;
  }

  #recordBackOffs({ waiting }: PodPlan): void {
    for (const name of waiting.keys()) {
      const ended = newestContainer(this.#runtime, name)?.id;
      if (ended === undefined || this.#backOffsRuntimeEvent.get(name) === ended) continue;
      this.#backOffsRuntimeEvent.set(name, ended);
      const message = `Back-off restarting failed container ${name} in pod ${podFullName(this.#pod)}`;
      this.#options.dependencies.record(this.#pod, 'Warning', 'BackOff', message, name);
    }
  }

  #isFinished(): boolean {
    return isPodTerminal(this.#status);
  }

  #enforceDeadline(now: number): void {
    const deadline = this.#deadline();
    if (deadline === undefined || now < deadline || this.#ending || this.#isFinished()) return;
    this.end(this.#pod.spec?.terminationGracePeriodSeconds ?? 0, false, {
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    });
  }

  #deadline(): number | undefined {
    const { activeDeadlineSeconds } = this.#pod.spec ?? {};
    const startTime = this.#status?.startTime;
    if (activeDeadlineSeconds === undefined || startTime === undefined) return undefined;
    return Date.parse(startTime) + activeDeadlineSeconds * 1000;
  }

  /** Starts what the plan says, in the background; returns the time to observe again, in ms since the epoch. */
  #execute(plan: PodPlan, signal: AbortSignal): number | undefined {
    const operation = this.#ending ? 'terminating' : this.#runtime.sandboxes.length === 0 ? 'create' : 'sync';
    const times = [
      plan.wakeAt,
      this.#isFinished() ? undefined : this.#deadline(),
      ...this.#actions.start(this.#pod, this.#runtime, plan.actions, operation, signal),
      this.#pending.nextAt(this.#runtime, Date.now()),
    ].filter((time) => time !== undefined);
    return times.length > 0 ? Math.min(...times) : undefined;
  }
}

/** The containers that an earlier agent would have started again when their back-off was over. */
function* comingBack({ containerStatuses = [], initContainerStatuses = [] }: PodStatus = {}): Iterable<string> {
  for (const { state, lastState } of [...containerStatuses, ...initContainerStatuses])
    if (state?.waiting?.reason === 'CrashLoopBackOff') yield runtimeIdOf(lastState?.terminated?.containerID);
}
