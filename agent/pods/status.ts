/** A pod's status as kubectl shows it: a pure function of what is wanted, what is observed and what was said before. */
import type { Pod } from '../../api/core/pod.ts';
import type { ContainerState, ContainerStatus, PodCondition, PodStatus } from '../../api/core/pod-status.ts';
import { timeOf } from '../../api/machinery/time.ts';
import { qosClass } from '../resources/qos.ts';
import type { AnyContainer } from './actions.ts';
import { isAlive, liveSandbox, type ObservedContainer, type PodRuntime } from './observed.ts';
import { isSidecar, type WaitingReason } from './plan.ts';

/** Why the agent itself ended the pod: evicted, past its deadline, not admitted. */
export interface Verdict {
  readonly reason: string;
  readonly message: string;
  /** The pod did nothing wrong by its own spec: whoever made it may want it again elsewhere. */
  readonly disrupts?: boolean;
  /** Nothing of the pod was ever started. */
  readonly rejects?: boolean;
}

export interface StatusInput {
  readonly pod: Pod;
  readonly runtime: PodRuntime;
  /** What was published last, or what the API has. */
  readonly previous: PodStatus | undefined;
  /** Why containers wait, by name: back-off, image pulls, configuration. */
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  /** By container id: whether the startup probe has passed, and the readiness probe. */
  readonly started: ReadonlySet<string>;
  readonly ready: ReadonlySet<string>;
  readonly hostIPs: readonly string[];
  readonly verdict?: Verdict;
  /** The pod is wound down: its containers do not start again. */
  readonly isEnding: boolean;
}

const RUNTIME_PREFIX = 'containerd://';
const NEVER_FOUND = {
  terminated: {
    exitCode: 137,
    reason: 'ContainerStatusUnknown',
    message: 'The container could not be located when the pod was terminated',
  },
} as const;
/** What the termination messages of a pod may take together; every container has an equal part. */
const MAX_MESSAGES_BYTES = 12 * 1024;

export function podStatus(input: StatusInput, now: number): PodStatus {
  if (wasRejected(input)) return rejectedStatus(input, now);
  const { pod, runtime, previous, hostIPs, verdict } = input;
  const spec = pod.spec ?? { containers: [] };
  const inits = spec.initContainers ?? [];
  const initialized = hasInitialized(input);
  const waitReason = initialized || inits.length === 0 ? 'ContainerCreating' : 'PodInitializing';
  const statusesOf = (
    containers: readonly AnyContainer[],
    known: readonly ContainerStatus[] | undefined,
    wait: string,
  ) => containers.map((container) => containerStatus(input, container, known, wait));
  const initContainerStatuses = statusesOf(inits, previous?.initContainerStatuses, 'PodInitializing');
  const containerStatuses = statusesOf(spec.containers, previous?.containerStatuses, waitReason);
  const ephemeralContainerStatuses = statusesOf(
    spec.ephemeralContainers ?? [],
    previous?.ephemeralContainerStatuses,
    'ContainerCreating',
  );
  const phase = phaseOf(input, initContainerStatuses, containerStatuses, initialized);
  const podIPs = podIPsOf(input);
  const isOver = phase === 'Succeeded' || phase === 'Failed';
  const said = verdict ?? (isOver ? previous : undefined);
  return {
    phase,
    conditions: conditionsOf(input, phase, initContainerStatuses, containerStatuses, initialized, now),
    ...(said?.reason && { reason: said.reason, message: said.message }),
    observedGeneration: pod.metadata?.generation,
    ...(hostIPs[0] !== undefined && { hostIP: hostIPs[0], hostIPs: hostIPs.map((ip) => ({ ip })) }),
    ...(podIPs[0] !== undefined && { podIP: podIPs[0], podIPs: podIPs.map((ip) => ({ ip })) }),
    startTime: previous?.startTime ?? timeOf(now),
    ...(initContainerStatuses.length > 0 && { initContainerStatuses }),
    // As the kubelet orders them; init containers keep the order in which they run.
    containerStatuses: containerStatuses.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    ...(ephemeralContainerStatuses.length > 0 && { ephemeralContainerStatuses }),
    qosClass: previous?.qosClass ?? qosClass(pod),
  };

  function podIPsOf({ previous }: StatusInput): readonly string[] {
    if (spec.hostNetwork) return runtime.sandboxes.length > 0 ? hostIPs : [];
    const live = liveSandbox(runtime);
    if (live) return live.ips;
    // The address stays in the status of a pod that has ended.
    return (previous?.podIPs ?? []).map(({ ip }) => ip);
  }
}

/** What was turned away has no containers to tell of. */
const wasRejected = ({ previous, verdict, runtime }: StatusInput): boolean =>
  verdict?.rejects ??
  (previous?.phase === 'Failed' && previous.containerStatuses === undefined && runtime.sandboxes.length === 0);

function rejectedStatus({ pod, previous, verdict }: StatusInput, now: number): PodStatus {
  return {
    phase: 'Failed',
    ...(previous?.conditions && { conditions: previous.conditions }),
    reason: verdict?.reason ?? previous?.reason,
    message: verdict ? `Pod was rejected: ${verdict.message}` : previous?.message,
    observedGeneration: pod.metadata?.generation,
    startTime: previous?.startTime ?? timeOf(now),
    qosClass: previous?.qosClass ?? qosClass(pod),
  };
}

/** Whether every init container has succeeded, and every sidecar has started. */
function hasInitialized({ pod, runtime, started }: StatusInput): boolean {
  const sandbox = runtime.sandboxes[0];
  const apps = pod.spec?.containers ?? [];
  const inSandbox = (name: string) =>
    runtime.containers.find((observed) => observed.name === name && observed.sandboxId === sandbox?.id);
  if (apps.some(({ name }) => inSandbox(name))) return true;
  return (pod.spec?.initContainers ?? []).every((container) => {
    const observed = inSandbox(container.name);
    if (isSidecar(container)) return observed !== undefined && started.has(observed.id);
    return observed?.state === 'exited' && observed.exitCode === 0;
  });
}

function containerStatus(
  input: StatusInput,
  container: AnyContainer,
  known: readonly ContainerStatus[] | undefined,
  waitReason: string,
): ContainerStatus {
  const [newest, ...older] = input.runtime.containers.filter(({ name }) => name === container.name);
  const previous = known?.find(({ name }) => name === container.name);
  const waiting = input.waiting.get(container.name);
  const messageBytes = Math.floor(MAX_MESSAGES_BYTES / countContainers(input.pod));
  const unchanged = { name: container.name, image: container.image ?? '', imageID: '', ready: false, started: false };
  if (newest === undefined) {
    if (previous?.containerID === undefined && wasNeverStarted(input, container)) {
      return { ...unchanged, restartCount: previous?.restartCount ?? 0, state: NEVER_FOUND, lastState: {} };
    }
    return previous?.containerID !== undefined
      ? lostStatus(input, previous, waiting ?? { reason: waitReason })
      : {
          ...unchanged,
          restartCount: previous?.restartCount ?? 0,
          state: { waiting: waiting ?? { reason: waitReason } },
          lastState: {},
        };
  }
  const described = {
    name: container.name,
    image: newest.image || (container.image ?? ''),
    imageID: newest.imageId,
    containerID: RUNTIME_PREFIX + newest.id,
    restartCount: newest.restartCount,
  };
  const before = older.find(({ state }) => state === 'exited');
  const lastState: ContainerState = before
    ? { terminated: terminated(before, messageBytes) }
    : previous?.lastState &&
        previous.restartCount === newest.restartCount &&
        previous.lastState.terminated?.containerID !== RUNTIME_PREFIX + newest.id
      ? previous.lastState
      : {};
  switch (newest.state) {
    case 'running': {
      const ready = input.ready.has(newest.id);
      const started = input.started.has(newest.id);
      return { ...described, lastState, state: { running: { startedAt: timeOf(newest.startedAt) } }, ready, started };
    }
    case 'created':
    case 'unknown':
      return {
        ...described,
        lastState,
        state: wasNeverStarted(input, container) ? NEVER_FOUND : { waiting: waiting ?? { reason: waitReason } },
        ready: false,
        started: false,
      };
    case 'exited': {
      // What waits to be started again shows why; the end that it waits after is its last state.
      if (waiting && !input.isEnding) {
        return {
          ...described,
          state: { waiting },
          lastState: { terminated: terminated(newest, messageBytes) },
          ready: false,
          started: false,
        };
      }
      // An init container that has done its work is `ready`.
      const ready = newest.exitCode === 0 && isInitContainer(input.pod, container);
      return {
        ...described,
        lastState,
        state: { terminated: withKnownMessage(terminated(newest, messageBytes), previous) },
        ready,
        started: false,
      };
    }
  }
}

/** Termination messages go with the pod's directory; what was said once stays. */
function withKnownMessage(end: Terminated, previous: ContainerStatus | undefined): Terminated {
  const known = previous?.state?.terminated;
  return end.message === undefined && known?.message !== undefined && known.containerID === end.containerID
    ? { ...end, message: known.message }
    : end;
}

/** The pod ended before the container could be started, which counts as a failure of it. */
const wasNeverStarted = ({ pod, runtime, isEnding }: StatusInput, container: AnyContainer): boolean =>
  isEnding &&
  !runtime.containers.some(isAlive) &&
  // Behind an init container that did not succeed it waits for ever.
  !pod.spec?.initContainers?.length &&
  (pod.spec?.containers ?? []).some(({ name }) => name === container.name);

/** The container has run, and the runtime does not know it any more. */
function lostStatus(input: StatusInput, previous: ContainerStatus, waiting: WaitingReason): ContainerStatus {
  if (previous.state?.terminated) return previous;
  const ended: ContainerState = {
    terminated: {
      ...NEVER_FOUND.terminated,
      ...(previous.containerID && { containerID: previous.containerID }),
    },
  };
  return input.isEnding
    ? { ...previous, state: ended, ready: false, started: false }
    : {
        ...previous,
        state: { waiting },
        lastState: previous.state?.running ? ended : previous.lastState,
        ready: false,
        started: false,
      };
}

const isInitContainer = (pod: Pod, container: AnyContainer): boolean =>
  !isSidecar(container) && (pod.spec?.initContainers ?? []).some(({ name }) => name === container.name);

type Terminated = NonNullable<ContainerState['terminated']>;

export function terminated(observed: ObservedContainer, messageBytes = MAX_MESSAGES_BYTES): Terminated {
  const reason = observed.reason || (observed.exitCode === 0 ? 'Completed' : 'Error');
  return {
    exitCode: observed.exitCode,
    reason,
    ...(observed.message && { message: firstBytes(observed.message, messageBytes) }),
    startedAt: observed.startedAt ? timeOf(observed.startedAt) : timeOf(0),
    finishedAt: timeOf(observed.finishedAt),
    containerID: RUNTIME_PREFIX + observed.id,
  };
}

function firstBytes(text: string, limit: number): string {
  const bytes = Buffer.from(text);
  return bytes.length <= limit ? text : bytes.subarray(0, limit).toString('utf8');
}

/** How many containers, of every kind, the pod has. */
const countContainers = ({ spec }: Pod): number =>
  (spec?.containers.length ?? 0) + (spec?.initContainers?.length ?? 0) + (spec?.ephemeralContainers?.length ?? 0);

type Phase = NonNullable<PodStatus['phase']>;

/** https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase */
function phaseOf(
  input: StatusInput,
  inits: readonly ContainerStatus[],
  containers: readonly ContainerStatus[],
  initialized: boolean,
): Phase {
  const { pod, previous, verdict } = input;
  if (verdict) return 'Failed';
  if (previous?.phase === 'Succeeded' || previous?.phase === 'Failed') return previous.phase;
  const policy = pod.spec?.restartPolicy ?? 'Always';
  const endOf = ({ state, lastState }: ContainerStatus) =>
    state?.terminated ?? (state?.waiting ? lastState?.terminated : undefined);

  const failedInit = inits.some((status, index) => {
    const container = pod.spec?.initContainers?.[index];
    const end = endOf(status);
    return container && !isSidecar(container) && end !== undefined && end.exitCode !== 0 && status.state?.terminated;
  });
  if (failedInit && (policy === 'Never' || input.isEnding)) return 'Failed';
  if (!initialized && !input.isEnding) return 'Pending';

  let running = 0;
  let waiting = 0;
  let stopped = 0;
  let succeeded = 0;
  for (const status of containers) {
    if (status.state?.running) running++;
    else if (status.state?.terminated) {
      stopped++;
      if (status.state.terminated.exitCode === 0) succeeded++;
    } else if (status.lastState?.terminated) stopped++;
    else waiting++;
  }
  if (input.isEnding) {
    // What never ran can only have failed; what is being stopped still runs.
    if (running > 0) return 'Running';
    if (sidecarsRun(input)) return previous?.phase ?? 'Running';
    if (waiting > 0 && stopped === 0) return initialized || previous?.phase === 'Running' ? 'Failed' : 'Pending';
    return stopped === succeeded && stopped === containers.length ? 'Succeeded' : 'Failed';
  }
  if (waiting > 0) return 'Pending';
  if (running > 0) return 'Running';
  if (stopped === 0) return 'Pending';
  if (sidecarsRun(input) || policy === 'Always') return 'Running';
  if (stopped === succeeded) return 'Succeeded';
  return policy === 'Never' ? 'Failed' : 'Running';
}

const sidecarsRun = ({ pod, runtime }: StatusInput): boolean =>
  (pod.spec?.initContainers ?? []).some(
    (container) =>
      isSidecar(container) &&
      runtime.containers.some(({ name, state }) => name === container.name && state === 'running'),
  );

function conditionsOf(
  input: StatusInput,
  phase: Phase,
  inits: readonly ContainerStatus[],
  containers: readonly ContainerStatus[],
  initialized: boolean,
  now: number,
): PodCondition[] {
  const { pod, previous, runtime } = input;
  const isOver = phase === 'Succeeded' || phase === 'Failed';
  const unready = containers.filter((status) => !status.ready).map(({ name }) => name);
  const sidecars = new Set((pod.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  unready.push(...inits.filter(({ name, ready }) => sidecars.has(name) && !ready).map(({ name }) => name));
  const notReady = isOver
    ? { reason: phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' }
    : unready.length > 0
      ? { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` }
      : undefined;
  const closedGates = (pod.spec?.readinessGates ?? []).filter(
    ({ conditionType }) =>
      !pod.status?.conditions?.some(({ type, status }) => type === conditionType && status === 'True'),
  );
  const gate =
    closedGates[0] &&
    gateProblem(
      input.pod,
      closedGates.map(({ conditionType }) => conditionType),
    );
  const uninitialized = inits.filter(({ name, state }) =>
    sidecars.has(name) ? !inits.find((status) => status.name === name)?.started : state?.terminated?.exitCode !== 0,
  );
  const notInitialized =
    initialized || (isOver && phase === 'Succeeded')
      ? undefined
      : {
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${uninitialized.map(({ name }) => name).join(' ')}]`,
        };
  const wanted: [string, { reason?: string; message?: string } | undefined][] = [
    ['PodReadyToStartContainers', liveSandbox(runtime) ? undefined : {}],
    ['Initialized', initialized && isOver && phase === 'Succeeded' ? { reason: 'PodCompleted' } : notInitialized],
    ['Ready', notReady ?? gate],
    ['ContainersReady', notReady],
    ['PodScheduled', undefined],
  ];
  const conditions = wanted.map(([type, problem]): PodCondition => {
    // A pod that has completed was initialized: only the reason says more.
    const holds = problem === undefined || (type === 'Initialized' && problem.reason === 'PodCompleted');
    const status = holds ? 'True' : 'False';
    const known = previous?.conditions?.find((condition) => condition.type === type);
    const lastTransitionTime = known?.status === status ? known.lastTransitionTime : timeOf(now);
    return {
      type,
      status,
      ...(problem?.reason && { reason: problem.reason }),
      ...(problem?.message && { message: problem.message }),
      lastTransitionTime,
      observedGeneration: pod.metadata?.generation,
    };
  });
  const disruption = disruptionOf(input, now);
  return disruption ? [...conditions, disruption] : conditions;
}

/** That the pod was ended for the sake of the node, once said, stays. */
function disruptionOf({ pod, previous, verdict }: StatusInput, now: number): PodCondition | undefined {
  const type = 'DisruptionTarget';
  if (!verdict?.disrupts) return previous?.conditions?.find((condition) => condition.type === type);
  const known = previous?.conditions?.find((condition) => condition.type === type);
  return {
    type,
    status: 'True',
    reason: 'TerminationByKubelet',
    message: verdict.message,
    lastTransitionTime: known?.lastTransitionTime ?? timeOf(now),
    observedGeneration: pod.metadata?.generation,
  };
}

function gateProblem(pod: Pod, closed: readonly string[]): { reason: string; message: string } {
  const words = closed.map((type) =>
    pod.status?.conditions?.some((condition) => condition.type === type)
      ? `the status of pod readiness gate "${type}" is not "True", but False`
      : `corresponding condition of pod readiness gate "${type}" does not exist.`,
  );
  return { reason: 'ReadinessGatesNotReady', message: words.join(', ') };
}
