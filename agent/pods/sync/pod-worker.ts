/**
 * Owns the state of one pod: looks at what runs, plans, publishes the status, carries the plan out, looks again. Wake-ups
 * carry no truth; whatever has happened is found by looking.
 */
import { MAX_TIMER_MS } from '../../../client/deadline.ts';
import { logFailure, Outage } from '../../../client/outage.ts';
import { PodProbes } from '../../probes/pod-probes.ts';
import type { ActionOf, PodAction, PodActionKind } from './actions.ts';
import { newestContainer, NOTHING_RUNS, type ObservedContainer, type PodRuntime } from './observed.ts';
import { ExpectedSigns } from './expected-signs.ts';
import type { LifecycleEvents, Told } from './lifecycle-events.ts';
import type { PodMetrics } from './pod-metrics.ts';
import { planPod, podFullName, type Ending, type PodPlan, type WaitingReason } from './plan.ts';
import { podExecutors } from './pod-executors.ts';
import { PodObserver } from './pod-observer.ts';
import type { PodSource, SourcedPod } from '../sources/pod-source.ts';
import type { PodDependencies } from './pod-dependencies.ts';
import { StartError } from '../containers/start-error.ts';
import type { Verdict } from '../status/status-input.ts';
import type { StatusSink } from '../status/status-manager.ts';
import { podStatus } from '../status/pod-status.ts';
import type { Pod, PodStatus } from '../../../api/types/core/v1.gen.ts';

export interface PodWorkerOptions {
  readonly dependencies: PodDependencies;
  readonly hostIPs: readonly string[];
  /** Nothing runs of it yet: there is no need to look before the first plan. */
  readonly isNew: boolean;
  readonly source: PodSource;
  readonly statuses: StatusSink;
  /** Learns which sandboxes and containers are the pod's. */
  readonly lifecycle: Pick<LifecycleEvents, 'own'>;
  readonly metrics?: PodMetrics;
}

interface Failure {
  readonly count: number;
  readonly retryAt: number;
  readonly waiting?: WaitingReason;
}

/** What has failed is tried again after this, doubling to the kubelet's 10 s. */
const RETRY_INITIAL_MS = 1_000;
const RETRY_MAX_MS = 10_000;
/** While something is carried out, changes are shown this often at most; its end is shown at once. */
const LOOK_WHILE_BUSY_MS = 1_000;

export class PodWorker implements SourcedPod {
  readonly #options: PodWorkerOptions;
  readonly #observer: PodObserver;
  readonly #probes: PodProbes;
  /** Of a pod that has not been seen running. */
  #seenAtMs: number | undefined;
  readonly #failures = new Map<string, Failure>();
  #pod: Pod;
  #runtime: PodRuntime = NOTHING_RUNS;
  #status: PodStatus | undefined;
  #ending: Ending | undefined;
  #verdict: Verdict | undefined;
  #setUp: 'unknown' | 'up' | 'down' = 'unknown';
  #isStale = false;
  readonly #expected = new ExpectedSigns();
  /** By container name, the end (by container id) whose back-off has been told of. */
  readonly #backOffsTold = new Map<string, string>();
  /** Containers, by name, that are being started and have a postStart hook: they count as started when it is done. */
  readonly #hooked = new Set<string>();
  #busySince: number | undefined;
  #lookingSince: number | undefined;
  #interrupt = new AbortController();
  #isDirty = true;
  #wake: (() => void) | undefined;

  constructor(pod: Pod, options: PodWorkerOptions) {
    this.#pod = pod;
    this.#options = options;
    const uid = pod.metadata?.uid ?? '';
    const { cri, volumes, record } = options.dependencies;
    const { hostIPs, metrics } = options;
    this.#observer = new PodObserver(cri, uid, volumes.podDirectory(uid));
    this.#probes = new PodProbes(pod, { cri, record, metrics, hostIPs, onChange: () => this.wake() });
    this.#seenAtMs = options.isNew ? Date.now() : undefined;
    this.#status = pod.status;
  }

  get pod(): Pod {
    return this.#pod;
  }

  get runtime(): PodRuntime {
    return this.#runtime;
  }

  /** What the agent sees now, which may be ahead of what the API says. */
  get status(): PodStatus | undefined {
    return this.#status;
  }

  get source(): PodSource {
    return this.#options.source;
  }

  /** When it began to look at what runs, while it does. */
  get lookingSince(): number | undefined {
    return this.#lookingSince;
  }

  get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  /** The pod as it is wanted now. */
  update(pod: Pod): void {
    this.#pod = pod;
    this.wake();
  }

  /** The pod was there at `time` already, whatever this agent has seen of it. */
  startedBy(time: string): void {
    const known = this.#status?.startTime;
    if (known === undefined || Date.parse(time) < Date.parse(known))
      this.#status = { ...this.#status, startTime: time };
  }

  /** Ends the pod; a shorter grace than before takes effect at once. `verdict` is what the status gives as the reason. */
  end(graceSeconds: number, remove: boolean, verdict?: Verdict): void {
    const before = this.#ending;
    if (before && before.graceSeconds <= graceSeconds && (before.remove || !remove)) return;
    this.#ending = {
      graceSeconds: Math.min(graceSeconds, before?.graceSeconds ?? graceSeconds),
      since: before?.since ?? Date.now(),
      remove: remove || (before?.remove ?? false),
    };
    this.#verdict ??= verdict;
    this.#failures.clear();
    if (before === undefined || graceSeconds < before.graceSeconds)
      this.#interrupt.abort(new Error('pod is terminating'));
    this.wake();
  }

  /**
   * Something has happened to a container or sandbox. The runtime's own CRI part learns of it by the same event and may show it
   * a moment later: it is looked for until it is seen.
   */
  expect(told: Told): void {
    this.#expected.add(told);
  }

  /** Something may have changed: look again. */
  wake(): void {
    this.#isDirty = true;
    this.#wake?.();
  }

  /** What the pod's volumes show of other objects has changed. */
  refreshVolumes(): void {
    this.#isStale = true;
    this.wake();
  }

  /** Resolves when nothing of the pod is left on this host, or the agent stops (and leaves it running). */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#sync(signal);
    } finally {
      this.#probes[Symbol.dispose]();
    }
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const outage = new Outage(this.#options.dependencies);
    let look = !this.#options.isNew;
    while (!signal.aborted) {
      this.#isDirty = false;
      let nextLookAt: number | undefined;
      try {
        this.#lookingSince = Date.now();
        for (const id of this.#expected.killedByKernel()) this.#observer.askAgain(id);
        if (look) this.#runtime = await this.#observer.observe(signal);
        look = true;
        const plan = this.#look();
        if (plan.isGone) return;
        nextLookAt = this.#execute(plan, signal);
        outage.ended({ pod: this.#name() }, 'pod sync recovered');
      } catch (error) {
        if (signal.aborted) return;
        outage.failed(error, { pod: this.#name() }, 'failed to sync pod');
        nextLookAt = Date.now() + RETRY_MAX_MS;
      }
      this.#lookingSince = undefined;
      await this.#pause(nextLookAt, signal);
    }
  }

  #look(): PodPlan {
    const { lifecycle, statuses, hostIPs } = this.#options;
    const probes = this.#probes;
    const now = Date.now();
    for (const told of lifecycle.own(this.#pod.metadata?.uid ?? '', this.#runtime)) this.expect(told);
    const isEnding = this.#ending !== undefined || this.#isOver();
    const runtime = this.#shown();
    probes.follow(this.#pod, runtime, isEnding);
    this.#enforceDeadline(now);
    const plan = planPod(
      {
        pod: this.#pod,
        runtime,
        isSetUp: this.#setUp === 'up',
        isStale: this.#isStale,
        isTornDown: this.#setUp === 'down',
        isOver: this.#isOver(),
        ending: this.#ending,
        restartOrders: probes.restartOrders,
        started: probes.started,
      },
      now,
    );
    this.#tellOfBackOffs(plan);
    this.#status = podStatus(
      {
        pod: this.#pod,
        runtime,
        previous: this.#status,
        waiting: new Map([...this.#waiting(), ...plan.waiting]),
        started: probes.started,
        ready: probes.ready,
        hostIPs,
        verdict: this.#verdict,
        isEnding,
      },
      now,
    );
    this.#countStart(this.#status);
    statuses.report(this, this.#status);
    return plan;
  }

  #countStart({ phase }: PodStatus): void {
    if (this.#seenAtMs === undefined || phase !== 'Running') return;
    this.#options.metrics?.started((Date.now() - this.#seenAtMs) / 1000);
    this.#seenAtMs = undefined;
  }

  /** What runs, as others are to see it: not yet running is what waits for its hook. Only while a plan is carried out. */
  #shown(): PodRuntime {
    if (this.#hooked.size === 0) return this.#runtime;
    const { sandboxes, containers } = this.#runtime;
    const shown = containers.map((container): ObservedContainer =>
      container.state === 'running' && this.#hooked.has(container.name)
        ? { ...container, state: 'created' }
        : container,
    );
    return { sandboxes, containers: shown };
  }

  #tellOfBackOffs({ waiting }: PodPlan): void {
    for (const name of waiting.keys()) {
      const ended = newestContainer(this.#runtime, name)?.id;
      if (ended === undefined || this.#backOffsTold.get(name) === ended) continue;
      this.#backOffsTold.set(name, ended);
      const message = `Back-off restarting failed container ${name} in pod ${podFullName(this.#pod)}`;
      this.#options.dependencies.record(this.#pod, 'Warning', 'BackOff', message, name);
    }
  }

  #isOver(): boolean {
    return this.#status?.phase === 'Succeeded' || this.#status?.phase === 'Failed';
  }

  #enforceDeadline(now: number): void {
    const deadline = this.#deadline();
    if (deadline === undefined || now < deadline || this.#ending || this.#isOver()) return;
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

  *#waiting(): Iterable<[string, WaitingReason]> {
    for (const [name, { waiting }] of this.#failures) if (waiting) yield [name, waiting];
  }

  /** Starts what is to be done, in the background; gives the time to look again. */
  #execute(plan: PodPlan, signal: AbortSignal): number | undefined {
    const times = [plan.wakeAt, this.#isOver() ? undefined : this.#deadline()];
    if (this.#busySince === undefined) {
      const now = Date.now();
      const due: PodAction[] = [];
      for (const action of plan.actions) {
        const retryAt = this.#failures.get(keyOf(action))?.retryAt ?? 0;
        if (retryAt <= now) due.push(action);
        else times.push(retryAt);
      }
      if (due.length > 0) void this.#carryOut(due, signal);
    }
    times.push(this.#expected.nextLookAt(this.#runtime, Date.now()));
    const known = times.filter((time) => time !== undefined);
    return known.length > 0 ? Math.min(...known) : undefined;
  }

  async #carryOut(actions: readonly PodAction[], stop: AbortSignal): Promise<void> {
    const startedAt = Date.now();
    const operation = this.#ending ? 'terminating' : this.#runtime.sandboxes.length === 0 ? 'create' : 'sync';
    this.#busySince = startedAt;
    this.#interrupt = new AbortController();
    const signal = AbortSignal.any([stop, this.#interrupt.signal]);
    const executors = podExecutors(this.#pod, this.#runtime, this.#options.dependencies);
    const execute = <K extends PodActionKind>(kind: K, action: ActionOf<K>) => executors[kind](action, signal);
    const carryOut = async (action: PodAction): Promise<void> => {
      // What changes while the volumes are being refreshed makes them stale again.
      if (action.kind === 'refreshVolumes') this.#isStale = false;
      try {
        await execute(action.kind, action as never);
        this.#failures.delete(keyOf(action));
        if (action.kind === 'setUp') this.#setUp = 'up';
        if (action.kind === 'tearDown') this.#setUp = 'down';
      } catch (error) {
        if (action.kind === 'refreshVolumes') this.#isStale = true;
        if (!signal.aborted) this.#failed(action, error as Error);
      }
    };
    // Containers start together, but those behind one with a postStart hook when the hook is done: people rely on it.
    let hook: Promise<void> | undefined;
    await Promise.all(
      actions.map((action) => {
        if (action.kind !== 'startContainer') return carryOut(action);
        const { name, lifecycle } = action.container;
        const start = hook ? hook.then(() => (signal.aborted ? undefined : carryOut(action))) : carryOut(action);
        if (!lifecycle?.postStart) return start;
        this.#hooked.add(name);
        hook = start.finally(() => this.#hooked.delete(name));
        return hook;
      }),
    );
    this.#options.metrics?.worked(operation, (Date.now() - startedAt) / 1000);
    this.#busySince = undefined;
    this.wake();
  }

  #failed(action: PodAction, error: Error): void {
    const key = keyOf(action);
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const backOffMs = Math.min(RETRY_MAX_MS, RETRY_INITIAL_MS * 2 ** (count - 1));
    const known = error instanceof StartError;
    const retryAt = (known ? error.retryAt : undefined) ?? Date.now() + backOffMs;
    // A failed pull is seen as such before it is seen as waiting.
    const shownAt = known && error.reason === 'ErrImagePull' ? Date.now() + RETRY_INITIAL_MS : retryAt;
    this.#failures.set(key, {
      count,
      retryAt: shownAt,
      ...(action.kind === 'startContainer' && {
        waiting: { reason: known ? error.reason : 'CreateContainerError', message: error.message },
      }),
    });
    const { logger } = this.#options.dependencies;
    if (!known) logFailure(logger, error, { pod: this.#name(), action: action.kind }, 'pod sync step failed');
  }

  /** Waits until woken, or until `until`; while busy no more often than is worth showing. */
  async #pause(until: number | undefined, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wasBusy = this.#busySince !== undefined;
    const busyLook = Date.now() + LOOK_WHILE_BUSY_MS;
    let timer: NodeJS.Timeout | undefined;
    const arm = (at: number | undefined): void => {
      clearTimeout(timer);
      if (at !== undefined) timer = setTimeout(resolve, Math.min(MAX_TIMER_MS, Math.max(0, at - Date.now())));
    };
    this.#wake = () => {
      if (wasBusy && this.#busySince !== undefined) arm(busyLook);
      else resolve();
    };
    const stop = () => resolve();
    signal.addEventListener('abort', stop, { once: true });
    arm(until);
    if (this.#isDirty) this.#wake();
    await promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    this.#wake = undefined;
  }

  #name(): string {
    return `${this.#pod.metadata?.namespace}/${this.#pod.metadata?.name}`;
  }
}

/** What failures are remembered by: a container's name, or the step. */
function keyOf(action: PodAction): string {
  switch (action.kind) {
    case 'startContainer':
      return action.container.name;
    case 'stopContainer':
    case 'removeContainer':
      return `${action.kind}:${action.observed.id}`;
    case 'stopSandbox':
    case 'removeSandbox':
      return `${action.kind}:${action.sandboxId}`;
    case 'setUp':
    case 'refreshVolumes':
    case 'createSandbox':
    case 'tearDown':
      return `${action.kind}:`;
  }
}
