/** A pod as commands on the node show it: from what the agent knows, or from what the runtime has when there is no agent. Pure. */
import type { Container, ContainerStatus as RuntimeContainer, PodSandbox, PodSandboxStatus } from '../cri/types.ts';
import { runtimeIdOf } from '../pods/status/container-id.ts';
import { observedContainer, observedSandbox, type ObservedContainer } from '../pods/sync/observed.ts';
import { timeOf } from '../../api/machinery/time.ts';
import type { ContainerState, ContainerStatus, Pod } from '../../api/types/core/v1.gen.ts';

export interface ContainerView {
  readonly name: string;
  readonly kind: 'app' | 'init' | 'ephemeral' | 'unknown';
  readonly state: 'running' | 'waiting' | 'exited' | 'created' | 'unknown';
  /** Unknown without the agent: only it probes. */
  readonly ready?: boolean;
  readonly restarts: number;
  /** Why it waits or has ended: `CrashLoopBackOff`, `Error`, ... */
  readonly reason: string;
  readonly message: string;
  readonly exitCode?: number;
  /** RFC 3339, when it last started and, of one that has ended, when. */
  readonly startedAt?: string | null;
  readonly finishedAt?: string | null;
  readonly image: string;
  /** In the runtime; '' when it has none. */
  readonly id: string;
}

export interface PodView {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The API's phase; without the agent, whether the runtime has a sandbox that is ready. */
  readonly phase: string;
  readonly ip: string;
  /** RFC 3339. */
  readonly startedAt?: string;
  readonly containers: readonly ContainerView[];
}

export const byName = (one: PodView, other: PodView): number =>
  compare(one.namespace, other.namespace) || compare(one.name, other.name) || compare(one.uid, other.uid);
const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** Of a pod with the status that the agent has observed. */
export function podView({ metadata, spec, status }: Pod): PodView {
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = status ?? {};
  const containers = (
    specs: readonly { readonly name: string; readonly image?: string }[],
    statuses: readonly ContainerStatus[],
    kind: ContainerView['kind'],
  ): ContainerView[] =>
    specs.map(({ name, image = '' }) => {
      const known = statuses.find((one) => one.name === name);
      return known ? containerView(known, kind) : unobserved(name, image, kind);
    });
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    phase: metadata?.deletionTimestamp ? 'Terminating' : (status?.reason ?? status?.phase ?? 'Pending'),
    ip: status?.podIP ?? '',
    startedAt: status?.startTime ?? undefined,
    containers: [
      ...containers(spec?.initContainers ?? [], initContainerStatuses, 'init'),
      ...containers(spec?.containers ?? [], containerStatuses, 'app'),
      ...containers(spec?.ephemeralContainers ?? [], ephemeralContainerStatuses, 'ephemeral'),
    ],
  };
}

const unobserved = (name: string, image: string, kind: ContainerView['kind']): ContainerView => ({
  ...{ name, kind, image, state: 'waiting', restarts: 0, reason: '', message: '', id: '' },
});

function containerView(status: ContainerStatus, kind: ContainerView['kind']): ContainerView {
  const { name, ready, restartCount, image = '', containerID, state = {}, lastState = {} } = status;
  const { running, waiting } = state;
  const ended = endOf(state) ?? endOf(lastState);
  return {
    ...{ name, kind, ready, image, restarts: restartCount },
    state: running ? 'running' : state.terminated ? 'exited' : 'waiting',
    reason: waiting?.reason ?? state.terminated?.reason ?? '',
    message: waiting?.message ?? state.terminated?.message ?? '',
    ...(!running && ended && { exitCode: ended.exitCode, finishedAt: ended.finishedAt }),
    startedAt: running?.startedAt ?? ended?.startedAt,
    id: runtimeIdOf(containerID),
  };
}

const endOf = ({ terminated }: ContainerState): ContainerState['terminated'] => terminated;

/** What the runtime has of this host's pods. */
export interface RuntimeState {
  readonly sandboxes: readonly PodSandbox[];
  /** By sandbox; those that are ready. */
  readonly sandboxStatuses: ReadonlyMap<string, PodSandboxStatus>;
  readonly containers: readonly Container[];
  /** By container. One that has been removed meanwhile has none. */
  readonly containerStatuses: ReadonlyMap<string, RuntimeContainer>;
}

/** Pods by what the runtime has of them: the newest sandbox of each, and the newest container of each name. */
export function podViewsOfRuntime(state: RuntimeState): PodView[] {
  const byPod = Map.groupBy(state.sandboxes, ({ metadata }) => metadata.uid);
  return [...byPod.values()].flatMap((sandboxes) => {
    const [newest] = sandboxes.toSorted((a, b) => b.metadata.attempt - a.metadata.attempt || b.createdAt - a.createdAt);
    return newest ? [viewOf(newest, new Set(sandboxes.map(({ id }) => id)), state)] : [];
  });
}

function viewOf(sandbox: PodSandbox, all: ReadonlySet<string>, state: RuntimeState): PodView {
  const { name, namespace, uid } = sandbox.metadata;
  const observed = observedSandbox(sandbox, state.sandboxStatuses.get(sandbox.id), 'IPv4');
  const containers = state.containers.flatMap(({ id, podSandboxId }) => {
    const status = state.containerStatuses.get(id);
    return all.has(podSandboxId) && status ? [observedContainer(podSandboxId, status, status.message)] : [];
  });
  const byContainer = Map.groupBy(containers, (container) => container.name);
  return {
    ...{ namespace, name, uid },
    phase: observed.ready ? 'Ready' : 'NotReady',
    ip: observed.ips[0] ?? '',
    startedAt: timeOf(observed.createdAt),
    containers: [...byContainer.values()].flatMap((ofName) => {
      const [newest] = ofName.toSorted((a, b) => b.restartCount - a.restartCount || b.createdAt - a.createdAt);
      return newest ? [observedView(newest)] : [];
    }),
  };
}

function observedView(container: ObservedContainer): ContainerView {
  const { id, name, state, restartCount, reason, message, exitCode, startedAt, finishedAt, image } = container;
  return {
    ...{ id, name, state, reason, message, image, kind: 'unknown', restarts: restartCount },
    ...(startedAt > 0 && { startedAt: timeOf(startedAt) }),
    ...(state === 'exited' && { exitCode, finishedAt: timeOf(finishedAt) }),
  };
}
