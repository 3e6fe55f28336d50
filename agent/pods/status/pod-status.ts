/** A pod's status as kubectl shows it: a pure function of its spec, what is observed and the previous status. */
import { isPodTerminal, isSidecar } from '../../../api/domain/pod-lifecycle.ts';
import { qosClassOf } from '../../../api/domain/pod-resources.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { AnyContainer } from '../sync/actions.ts';
import { containerStatus } from './container-status.ts';
import { liveSandbox, newestContainer } from '../sync/observed.ts';
import { restarts } from '../sync/plan.ts';
import { conditionsOf } from './pod-conditions.ts';
import type { StatusInput } from './status-input.ts';
import type { ContainerStatus, PodStatus } from '../../../api/types/core/v1.gen.ts';

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
  const containerStatuses = statusesOf(spec.containers, previous?.containerStatuses, waitReason).map((status) => {
    const allocatedResourcesStatus = input.devices?.get(status.name);
    return allocatedResourcesStatus ? { ...status, allocatedResourcesStatus } : status;
  });
  const ephemeralContainerStatuses = statusesOf(
    spec.ephemeralContainers ?? [],
    previous?.ephemeralContainerStatuses,
    'ContainerCreating',
  );
  const phase = phaseOf(input, initContainerStatuses, containerStatuses, initialized);
  const podIPs = podIPsOf(input);
  const isFinished = isPodTerminal({ phase });
  const isHeld = isFinished && input.holdsDevices && !isPodTerminal(previous);
  const said = isHeld ? undefined : (verdict ?? (isFinished ? previous : undefined));
  return {
    phase: isHeld ? (previous?.phase ?? 'Pending') : phase,
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
    qosClass: previous?.qosClass ?? qosClassOf(pod.spec),
    ...podResourcesOf(input),
  };

  function podIPsOf({ previous }: StatusInput): readonly string[] {
    if (spec.hostNetwork) return runtime.sandboxes.length > 0 ? hostIPs : [];
    const live = liveSandbox(runtime);
    if (live) return live.ips;
    // The address stays in the status of a pod that has ended.
    return (previous?.podIPs ?? []).map(({ ip }) => ip);
  }
}

function podResourcesOf({ pod, applied }: StatusInput): Pick<PodStatus, 'allocatedResources' | 'resources'> {
  const resources = pod.spec?.resources;
  if (!resources) return {};
  return {
    ...(resources.requests && { allocatedResources: resources.requests }),
    resources: applied?.pod ?? resources,
  };
}

/** A rejected pod has no container statuses. */
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
    qosClass: previous?.qosClass ?? qosClassOf(pod.spec),
  };
}

/** Whether every init container has succeeded, and every sidecar has started. */
function hasInitialized({ pod, runtime, started }: StatusInput): boolean {
  const sandbox = runtime.sandboxes[0];
  const apps = pod.spec?.containers ?? [];
  const inSandbox = (name: string) =>
    runtime.containers.find(
      ({ name: found, sandboxId, former }) => found === name && sandboxId === sandbox?.id && former === undefined,
    );
  if (apps.some(({ name }) => inSandbox(name))) return true;
  return (pod.spec?.initContainers ?? []).every((container) => {
    const observed = inSandbox(container.name);
    if (isSidecar(container)) return observed !== undefined && started.has(observed.id);
    return observed?.state === 'exited' && observed.exitCode === 0 && !observed.isReplaced;
  });
}

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
  if (previous?.phase && isPodTerminal(previous)) return previous.phase;
  const policy = pod.spec?.restartPolicy ?? 'Always';
  const isFollowed = (container: AnyContainer, exitCode: number): boolean =>
    newestContainer(input.runtime, container.name)?.isReplaced === true || restarts(policy, container, exitCode);

  const failedInit = inits.some(({ state }, index) => {
    const container = pod.spec?.initContainers?.[index];
    const end = state?.terminated;
    if (!container || isSidecar(container) || !end || end.exitCode === 0) return false;
    return input.isEnding || !isFollowed(container, end.exitCode);
  });
  if (failedInit) return 'Failed';
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
    // What never ran has failed; what is being stopped still runs.
    if (running > 0) return 'Running';
    if (sidecarsRun(input)) return previous?.phase ?? 'Running';
    if (waiting > 0 && stopped === 0) return initialized || previous?.phase === 'Running' ? 'Failed' : 'Pending';
    return stopped === succeeded && stopped === containers.length ? 'Succeeded' : 'Failed';
  }
  if (waiting > 0) return 'Pending';
  if (running > 0) return 'Running';
  if (stopped === 0) return 'Pending';
  const comesBack = containers.some(({ state, lastState }, index) => {
    const container = pod.spec?.containers[index];
    const end = state?.terminated ?? lastState?.terminated;
    return container && end && isFollowed(container, end.exitCode);
  });
  if (sidecarsRun(input) || comesBack) return 'Running';
  return stopped === succeeded ? 'Succeeded' : 'Failed';
}

const sidecarsRun = ({ pod, runtime }: StatusInput): boolean =>
  (pod.spec?.initContainers ?? []).some(
    (container) =>
      isSidecar(container) &&
      runtime.containers.some(({ name, state }) => name === container.name && state === 'running'),
  );
