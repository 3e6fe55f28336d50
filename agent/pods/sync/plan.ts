/**
 * What to do next for a pod: a pure function of its spec, what is observed and the time. No state is kept from
 * one plan to the next except in the runtime.
 */
import { DEFAULT_GRACE_SECONDS, isSidecar } from '../../../api/domain/pod-lifecycle.ts';
import type { AnyContainer, ContainerRole, PodAction } from './actions.ts';
import { containerHash } from '../labels.ts';
import { planResize, type AppliedSizes, type ResizePlan } from '../resize/resize-plan.ts';
import {
  isAlive,
  liveSandbox,
  newestContainer,
  type ObservedContainer,
  type ObservedSandbox,
  type PodRuntime,
} from './observed.ts';
import { isRestartingAll, ruleFor } from './restart-all.ts';
import { areSameLimits } from '../resize/sizes.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

/** Why a running container is to be replaced. */
export interface RestartOrder {
  /** `liveness` or `startup`, for the Killing event. */
  readonly probe: 'liveness' | 'startup';
  /** The probe's own terminationGracePeriodSeconds. */
  readonly graceSeconds?: number;
}

/** The termination of a pod. */
export interface Ending {
  readonly graceSeconds: number;
  /** For how long it has been terminating, in milliseconds. */
  readonly elapsedMs: number;
  /** The pod is deleted and will be removed. Otherwise (evicted, past its deadline) its containers are kept for their logs. */
  readonly remove: boolean;
}

export interface PodView {
  readonly pod: Pod;
  readonly runtime: PodRuntime;
  /** Whether `setUp` has succeeded in this life of the agent, and nothing was torn down since. */
  readonly isSetUp: boolean;
  /** Whether `tearDown` has succeeded in this life of the agent, and nothing was set up since. */
  readonly isTornDown: boolean;
  /** Drivers may have prepared devices for it. */
  readonly holdsDevices: boolean;
  /** What the volumes show of other objects has changed. */
  readonly isStale: boolean;
  /** The pod's phase was Succeeded or Failed already: it does not run again. */
  readonly isFinished: boolean;
  readonly ending?: Ending;
  /** By container id. */
  readonly restartOrders: ReadonlyMap<string, RestartOrder>;
  /** Containers (by id) that have started as far as their startup probe is concerned. */
  readonly started: ReadonlySet<string>;
  /** What the containers run with, as far as it may not be what the spec says. */
  readonly applied?: AppliedSizes;
}

export interface WaitingReason {
  readonly reason: string;
  readonly message?: string;
}

export interface PodPlan {
  readonly actions: readonly PodAction[];
  /** When to observe again although nothing has happened. */
  readonly wakeAt?: number;
  /** Containers in back-off, by name. */
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  /** Everything that runs has the CPU and memory that are allocated to it. */
  readonly isResized: boolean;
  /** Nothing of the pod is left on this host. */
  readonly isGone: boolean;
}

/** The kubelet gives a container at least this long, even past the pod's grace period. */
const MIN_GRACE_SECONDS = 2;
/** The kubelet's container back-off: from 10 s, doubling, to 5 min. */
const INITIAL_BACK_OFF_SECONDS = 10;
const MAX_BACK_OFF_SECONDS = 300;
/** A container that ran for so long starts without waiting, and with a fresh back-off. */
const BACK_OFF_RESET_MS = 2 * MAX_BACK_OFF_SECONDS * 1000;
/** How many dead containers of each name are kept for `kubectl logs --previous`. */
const DEAD_CONTAINERS_KEPT = 1;

export function planPod(view: PodView, now: number): PodPlan {
  const { pod, runtime, ending } = view;
  if (ending) return planEnd(view, ending);
  if (view.isFinished || hasFinished(pod, runtime)) {
    return planEnd(view, { graceSeconds: graceOf(pod), elapsedMs: 0, remove: false });
  }
  const draft = new Draft(view.applied && planResize(pod, runtime, view.applied));
  if (!view.isSetUp) draft.actions.push({ kind: 'setUp' });
  else if (view.isStale) draft.actions.push({ kind: 'refreshVolumes' });
  const sandbox = liveSandbox(runtime);
  if (sandbox === undefined) {
    const [newest] = runtime.sandboxes;
    draft.actions.push({
      kind: 'createSandbox',
      attempt: newest === undefined ? 0 : newest.attempt + 1,
      replaces: runtime.sandboxes.map(({ id }) => id),
    });
    return draft.plan();
  }
  if (stopFormer(pod, runtime, draft)) return draft.plan();
  // Volumes and sandbox are set up concurrently; containers follow.
  if (view.isSetUp) planContainers(view, sandbox, draft, now);
  if (view.applied) draft.resize(view.applied);
  planLeftovers(view, sandbox, draft);
  return draft.plan();
}

class Draft {
  readonly resizing: ResizePlan | undefined;
  readonly actions: PodAction[] = [];
  readonly waiting = new Map<string, WaitingReason>();
  wakeAt: number | undefined;

  constructor(resizing?: ResizePlan) {
    this.resizing = resizing;
  }

  resize(applied: AppliedSizes): void {
    if (!this.resizing) return;
    const { updates, limits } = this.resizing;
    if (updates.length > 0 || !areSameLimits(limits, applied.limits))
      this.actions.push({ kind: 'resize', updates, limits, applied });
  }

  wake(at: number): void {
    this.wakeAt = this.wakeAt === undefined ? at : Math.min(this.wakeAt, at);
  }

  plan(isGone = false): PodPlan {
    const isResized = this.resizing?.isDone ?? true;
    return { actions: this.actions, waiting: this.waiting, wakeAt: this.wakeAt, isResized, isGone };
  }
}

/** Before any container starts again, all of before the restart end, without a grace period. Returns whether one still runs. */
function stopFormer(pod: Pod, { containers }: PodRuntime, draft: Draft): boolean {
  const alive = containers.filter((observed) => observed.former !== undefined && isAlive(observed));
  for (const observed of alive) {
    draft.actions.push({
      ...{ kind: 'stopContainer', observed, container: containerOf(pod, observed.name), graceSeconds: 0 },
      ...{ isLast: false, isReplaced: true },
      message: `Container ${observed.name} will be restarted with all containers of the pod`,
    });
  }
  return alive.length > 0;
}

function planContainers(view: PodView, sandbox: ObservedSandbox, draft: Draft, now: number): void {
  const { pod, runtime } = view;
  const containers = pod.spec?.containers ?? [];
  const appsHaveRun = containers.some(({ name }) => {
    const observed = newestContainer(runtime, name, sandbox.id);
    return observed !== undefined && observed.former === undefined;
  });
  for (const container of pod.spec?.initContainers ?? []) {
    const sidecar = isSidecar(container);
    const observed = newestContainer(runtime, container.name, sandbox.id);
    // Once the containers have run in this sandbox its init containers have succeeded, even when they are gone by now.
    if (!sidecar && appsHaveRun) continue;
    if (!sidecar && observed?.state === 'exited' && observed.exitCode === 0 && !observed.isReplaced) continue;
    planContainer(view, sandbox, container, sidecar ? 'sidecar' : 'init', draft, now);
    const passed = sidecar && observed?.state === 'running' && view.started.has(observed.id);
    if (!passed && !appsHaveRun) return;
  }
  for (const container of containers) planContainer(view, sandbox, container, 'app', draft, now);
  for (const container of pod.spec?.ephemeralContainers ?? []) {
    planContainer(view, sandbox, container, 'ephemeral', draft, now);
  }
}

function planContainer(
  view: PodView,
  sandbox: ObservedSandbox,
  container: AnyContainer,
  role: ContainerRole,
  draft: Draft,
  now: number,
): void {
  const { pod, runtime } = view;
  const observed = newestContainer(runtime, container.name);
  if (observed?.state === 'created') {
    // Created and never started: the agent was stopped in between.
    draft.actions.push({ kind: 'removeContainer', observed });
    return;
  }
  if (observed && isAlive(observed)) {
    planRunning(view, container, observed, draft);
    return;
  }
  if (observed && !mayRunAgain(pod, container, role, observed, sandbox)) return;
  const backOff = nextBackOff(container, observed);
  // What has ended in the future ended before the clock was set back, by how much nobody knows: it has waited long enough.
  if (observed && observed.finishedAt <= now && now < observed.finishedAt + backOff.waitMs) {
    draft.wake(observed.finishedAt + backOff.waitMs);
    draft.waiting.set(container.name, {
      reason: 'CrashLoopBackOff',
      message: `back-off ${goDuration(backOff.waitMs / 1000)} restarting failed container=${container.name} pod=${podFullName(pod)}`,
    });
    return;
  }
  // The kernel refuses a cgroup more than the one above it has; the plan after the resize starts the container.
  if (draft.resizing?.needsRoom) return;
  draft.actions.push({
    kind: 'startContainer',
    container,
    role,
    sandboxId: sandbox.id,
    podIPs: sandbox.ips,
    restartCount: nextRestartCount(pod, container.name, observed),
    backOffSeconds: backOff.nextSeconds,
  });
}

function planRunning(view: PodView, container: AnyContainer, observed: ObservedContainer, draft: Draft): void {
  const { pod } = view;
  const mayRestart = pod.spec?.restartPolicy !== 'Never';
  const stop = (graceSeconds: number, message: string, isReplaced = mayRestart) =>
    draft.actions.push({
      kind: 'stopContainer',
      observed,
      container,
      graceSeconds,
      isLast: false,
      isReplaced,
      message,
    });
  const order = view.restartOrders.get(observed.id);
  if (observed.state === 'unknown') {
    stop(graceOf(pod), `Container ${container.name} is in an unknown state, try killing it before restart`);
  } else if (isChanged(container, observed)) {
    stop(graceOf(pod), `Container ${container.name} definition changed, will be restarted`, true);
  } else if (order) {
    const what = mayRestart ? ', will be restarted' : '';
    stop(order.graceSeconds ?? graceOf(pod), `Container ${container.name} failed ${order.probe} probe${what}`);
  } else if (draft.resizing?.restarts.has(observed.id)) {
    stop(graceOf(pod), `Container ${container.name} resize requires restart`);
  }
}

/** Dead containers beyond those kept for their logs, and sandboxes that are empty and replaced. */
function planLeftovers({ pod, runtime }: PodView, sandbox: ObservedSandbox, draft: Draft): void {
  const kept = new Map<string, number>();
  const isRestarting = isRestartingAll(pod, runtime);
  const stays = new Set<string>();
  for (const observed of runtime.containers) {
    const count = kept.get(observed.name) ?? 0;
    kept.set(observed.name, count + 1);
    const isNeeded = isRestarting && observed.former === 'source';
    if (observed.state === 'exited' && count > DEAD_CONTAINERS_KEPT && !isNeeded) {
      draft.actions.push({ kind: 'removeContainer', observed });
    } else {
      stays.add(observed.sandboxId);
    }
  }
  for (const { id, ready } of runtime.sandboxes) {
    if (id === sandbox.id || stays.has(id)) continue;
    draft.actions.push(ready ? { kind: 'stopSandbox', sandboxId: id } : { kind: 'removeSandbox', sandboxId: id });
  }
}

/** Containers first, then sidecars from the last to the first, then the sandbox, then everything else. */
function planEnd(view: PodView, ending: Ending): PodPlan {
  const { pod, runtime } = view;
  const draft = new Draft();
  const alive = runtime.containers.filter(isAlive);
  if (alive.length > 0) {
    const sidecars = (pod.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name);
    const others = alive.filter(({ name }) => !sidecars.includes(name));
    const last = sidecars.findLast((name) => alive.some((observed) => observed.name === name));
    const next = others.length > 0 ? others : alive.filter(({ name }) => name === last);
    const elapsedSeconds = Math.floor(ending.elapsedMs / 1000);
    const graceSeconds = graceLeft(ending.graceSeconds, elapsedSeconds);
    for (const observed of next) {
      draft.actions.push({
        kind: 'stopContainer',
        observed,
        container: containerOf(pod, observed.name),
        graceSeconds,
        isLast: true,
        isReplaced: false,
        message: `Stopping container ${observed.name}`,
      });
    }
    return draft.plan();
  }
  const ready = runtime.sandboxes.filter((sandbox) => sandbox.ready);
  if (ready.length > 0) {
    for (const { id } of ready) draft.actions.push({ kind: 'stopSandbox', sandboxId: id });
    return draft.plan();
  }
  if (view.holdsDevices) draft.actions.push({ kind: 'releaseDevices' });
  if (!view.isTornDown) draft.actions.push({ kind: 'tearDown' });
  if (ending.remove) {
    for (const { id } of runtime.sandboxes) draft.actions.push({ kind: 'removeSandbox', sandboxId: id });
  }
  return draft.plan(ending.remove && draft.actions.length === 0);
}

/** Whether every container has finished, or an init container has failed for good. */
function hasFinished(pod: Pod, runtime: PodRuntime): boolean {
  const policy = pod.spec?.restartPolicy ?? 'Always';
  if (policy === 'Always' && !(pod.spec?.containers ?? []).every((container) => container.restartPolicy)) return false;
  const isDone = (container: AnyContainer): boolean => {
    const observed = newestContainer(runtime, container.name);
    return observed?.state === 'exited' && !comesBack(policy, container, observed);
  };
  const containers = pod.spec?.containers ?? [];
  if (containers.length > 0 && containers.every(isDone)) return true;
  return (pod.spec?.initContainers ?? []).some((container) => {
    if (isSidecar(container)) return false;
    const observed = newestContainer(runtime, container.name);
    return observed?.state === 'exited' && observed.exitCode !== 0 && !comesBack(policy, container, observed);
  });
}

/** Whether a container that ended with `exitCode` is started again: its rules decide, then its policy, then the pod's. */
export function restarts(policy: string, container: AnyContainer, exitCode: number): boolean {
  if (ruleFor(container, exitCode)) return true;
  switch (container.restartPolicy ?? policy) {
    case 'Always':
      return true;
    case 'OnFailure':
      return exitCode !== 0;
    default:
      return false;
  }
}

/** Whether another one is started in the place of a container that has ended. */
export const comesBack = (policy: string, container: AnyContainer, observed: ObservedContainer): boolean =>
  observed.isReplaced === true || restarts(policy, container, observed.exitCode);

function mayRunAgain(
  pod: Pod,
  container: AnyContainer,
  role: ContainerRole,
  observed: ObservedContainer,
  sandbox: ObservedSandbox,
): boolean {
  const isWanted = comesBack(pod.spec?.restartPolicy ?? 'Always', container, observed);
  switch (role) {
    case 'ephemeral':
      return false;
    case 'sidecar':
      return true;
    case 'init':
      // A new sandbox is a new start: init containers run again whatever they did in the old one.
      if (observed.sandboxId !== sandbox.id) return true;
      return observed.isReplaced === true || (observed.exitCode !== 0 && isWanted);
    case 'app':
      return isWanted;
  }
}

/** Whether the container's spec has changed in a way that needs another container: its image, most likely. */
const isChanged = (container: AnyContainer, { hash }: ObservedContainer): boolean =>
  hash !== '' && hash !== containerHash(container);

/**
 * How long the next attempt waits after the last one's end, and what the one after it will wait. A changed container
 * starts with a fresh back-off.
 */
function nextBackOff(
  container: AnyContainer,
  observed: ObservedContainer | undefined,
): { waitMs: number; nextSeconds: number } {
  if (observed === undefined) return { waitMs: 0, nextSeconds: 0 };
  // It did not crash: another one has asked for its restart.
  if (observed.former === 'other') return { waitMs: 0, nextSeconds: INITIAL_BACK_OFF_SECONDS };
  const ranMs = observed.finishedAt - observed.createdAt;
  if (isChanged(container, observed) || observed.backOffSeconds === 0 || ranMs > BACK_OFF_RESET_MS) {
    return { waitMs: 0, nextSeconds: INITIAL_BACK_OFF_SECONDS };
  }
  return {
    waitMs: observed.backOffSeconds * 1000,
    nextSeconds: Math.min(MAX_BACK_OFF_SECONDS, observed.backOffSeconds * 2),
  };
}

/** Continues from the runtime's last container, or from the status where that one has been removed. */
function nextRestartCount(pod: Pod, name: string, observed: ObservedContainer | undefined): number {
  if (observed) return observed.restartCount + 1;
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const known = statuses.find((status) => status.name === name);
  if (!known) return 0;
  // One that was created and never ran does not count.
  const ran = known.state?.running ?? known.state?.terminated ?? known.lastState?.terminated;
  return ran ? known.restartCount + 1 : known.restartCount;
}

/** What is left of a grace period after `usedSeconds` of it. */
export const graceLeft = (graceSeconds: number, usedSeconds: number): number =>
  graceSeconds === 0 ? 0 : Math.max(MIN_GRACE_SECONDS, graceSeconds - usedSeconds);
export const graceOf = (pod: Pod): number => pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;

export function containerOf(pod: Pod, name: string): AnyContainer | undefined {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {};
  return [...containers, ...initContainers, ...ephemeralContainers].find((container) => container.name === name);
}

export const podFullName = ({ metadata }: Pod): string => `${metadata?.name}_${metadata?.namespace}(${metadata?.uid})`;

/** Whole seconds as Go prints a duration: 10s, 1m20s, 5m0s. */
const goDuration = (seconds: number): string =>
  seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
