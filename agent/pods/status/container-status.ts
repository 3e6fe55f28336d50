/**
 * The status of one container of a pod: its current and last state, and a substitute for containers that the runtime has lost.
 */
import { isSidecar } from '../../../api/domain/pod-lifecycle.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { AnyContainer } from '../sync/actions.ts';
import { isAlive, newestContainer, type ObservedContainer } from '../sync/observed.ts';
import type { WaitingReason } from '../sync/plan.ts';
import { containerIDOf } from './container-id.ts';
import type { StatusInput } from './status-input.ts';
import type { ContainerState, ContainerStatus, Pod } from '../../../api/types/core/v1.gen.ts';

const NEVER_FOUND = {
  terminated: {
    exitCode: 137,
    reason: 'ContainerStatusUnknown',
    message: 'The container could not be located when the pod was terminated',
  },
} as const;
/** The limit of a pod's termination messages together; every container has an equal part. */
const MAX_MESSAGES_BYTES = 12 * 1024;

export function containerStatus(
  input: StatusInput,
  container: AnyContainer,
  known: readonly ContainerStatus[] | undefined,
  waitReason: string,
): ContainerStatus {
  const status = stateOf(input, container, known, waitReason);
  return { ...status, ...resourcesOf(input, container, status) };
}

/** What is allocated to the container, and what it runs with. An api-server takes a node that does not say so for one that cannot resize. */
function resourcesOf(
  { applied, runtime }: StatusInput,
  { name, resources = {} }: AnyContainer,
  { state, containerID }: ContainerStatus,
): Pick<ContainerStatus, 'allocatedResources' | 'resources'> {
  if (containerID === undefined) return {};
  const running = state?.running && newestContainer(runtime, name);
  return {
    ...(resources.requests && { allocatedResources: resources.requests }),
    resources: (running && applied?.containers.get(running.id)) ?? resources,
  };
}

function stateOf(
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
    containerID: containerIDOf(newest.id),
    restartCount: newest.restartCount,
  };
  const before = older.find(({ state }) => state === 'exited');
  const lastState: ContainerState = before
    ? { terminated: terminated(before, messageBytes) }
    : previous?.lastState &&
        previous.restartCount === newest.restartCount &&
        previous.lastState.terminated?.containerID !== containerIDOf(newest.id)
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
      // A container that waits to be restarted shows why; its exit is the last state.
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

/** Termination messages are removed with the pod's directory; the status keeps them. */
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
  // It waits forever behind an init container that did not succeed.
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

function terminated(observed: ObservedContainer, messageBytes = MAX_MESSAGES_BYTES): Terminated {
  const reason = observed.reason || (observed.exitCode === 0 ? 'Completed' : 'Error');
  return {
    exitCode: observed.exitCode,
    reason,
    ...(observed.message && { message: firstBytes(observed.message, messageBytes) }),
    startedAt: observed.startedAt ? timeOf(observed.startedAt) : timeOf(0),
    finishedAt: timeOf(observed.finishedAt),
    containerID: containerIDOf(observed.id),
  };
}

function firstBytes(text: string, limit: number): string {
  const bytes = Buffer.from(text);
  return bytes.length <= limit ? text : bytes.subarray(0, limit).toString('utf8');
}

/** How many containers, of every kind, the pod has. */
const countContainers = ({ spec }: Pod): number =>
  (spec?.containers.length ?? 0) + (spec?.initContainers?.length ?? 0) + (spec?.ephemeralContainers?.length ?? 0);
