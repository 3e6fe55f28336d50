/** What `kubectl get pods` shows. */
import { humanDuration } from '../../machinery/duration.ts';
import { ageColumn, nameColumn, wide, text } from '../../machinery/columns.ts';
import type { Column } from '../../machinery/kind.ts';
import type { ContainerStateTerminated, ContainerStatus, Pod } from '../../types/core/v1.gen.ts';

interface Summary {
  readonly ready: number;
  readonly total: number;
  readonly reason: string;
  readonly restarts: number;
  /** When the last restart was, in ms since the epoch. */
  readonly lastRestart: number;
}

const hasTrueCondition = (pod: Pod, type: string): boolean =>
  pod.status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;

const lastRestartOf = ({ lastState }: ContainerStatus): number => {
  const finishedAt = lastState?.terminated?.finishedAt;
  return finishedAt ? Date.parse(finishedAt) : 0;
};

const howItEnded = ({ reason, signal, exitCode }: ContainerStateTerminated): string =>
  reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode}`);

interface Initialization {
  /** Set until all init containers have completed. */
  readonly reason: string | undefined;
  readonly ready: number;
  readonly restarts: number;
  readonly lastRestart: number;
  /** Restarts of sidecars, which still count when the pod is initialized. */
  readonly sidecarRestarts: number;
  readonly sidecarLastRestart: number;
}

function initializationOf(pod: Pod, sidecars: ReadonlySet<string>): Initialization {
  let [ready, restarts, lastRestart, sidecarRestarts, sidecarLastRestart] = [0, 0, 0, 0, 0];
  const total = pod.spec?.initContainers?.length ?? 0;
  let reason: string | undefined;
  for (const [index, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    restarts += status.restartCount;
    lastRestart = Math.max(lastRestart, lastRestartOf(status));
    const isSidecar = sidecars.has(status.name);
    if (isSidecar) {
      sidecarRestarts += status.restartCount;
      sidecarLastRestart = Math.max(sidecarLastRestart, lastRestartOf(status));
    }
    const { terminated, waiting } = status.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (isSidecar && status.started) {
      if (status.ready) ready++;
      continue;
    }
    if (terminated) reason = `Init:${howItEnded(terminated)}`;
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') reason = `Init:${waiting.reason}`;
    else reason = `Init:${index}/${total}`;
    break;
  }
  return { reason, ready, restarts, lastRestart, sidecarRestarts, sidecarLastRestart };
}

/** What the columns Ready, Status and Restarts show, by the rules of upstream's printer. */
function summarizePod(pod: Pod): Summary {
  const { spec, status, metadata } = pod;
  const sidecars = new Set(
    spec?.initContainers?.filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name),
  );
  const total = (spec?.containers?.length ?? 0) + sidecars.size;
  const gated = status?.conditions?.some(
    (condition) => condition.type === 'PodScheduled' && condition.reason === 'SchedulingGated',
  );
  const initialization = initializationOf(pod, sidecars);
  let reason = gated ? 'SchedulingGated' : status?.reason || status?.phase || '';
  let { ready, restarts, lastRestart } = initialization;
  if (initialization.reason !== undefined) reason = initialization.reason;
  if (initialization.reason === undefined || hasTrueCondition(pod, 'Initialized')) {
    restarts = initialization.sidecarRestarts;
    lastRestart = initialization.sidecarLastRestart;
    let running = false;
    for (const container of [...(status?.containerStatuses ?? [])].reverse()) {
      restarts += container.restartCount;
      lastRestart = Math.max(lastRestart, lastRestartOf(container));
      const { waiting, terminated, running: state } = container.state ?? {};
      if (waiting?.reason) reason = waiting.reason;
      else if (terminated) reason = howItEnded(terminated);
      else if (container.ready && state) {
        running = true;
        ready++;
      }
    }
    if (reason === 'Completed' && running) reason = hasTrueCondition(pod, 'Ready') ? 'Running' : 'NotReady';
  }
  if (metadata?.deletionTimestamp) {
    if (status?.reason === 'NodeLost') reason = 'Unknown';
    else if (status?.phase !== 'Succeeded' && status?.phase !== 'Failed') reason = 'Terminating';
  }
  return { ready, total, reason, restarts, lastRestart };
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (!gates.length) return '<none>';
  return `${gates.filter(({ conditionType }) => hasTrueCondition(pod, conditionType)).length}/${gates.length}`;
}

export const podColumns: readonly Column<Pod>[] = [
  nameColumn(),
  text('Ready', (pod) => {
    const { ready, total } = summarizePod(pod);
    return `${ready}/${total}`;
  }),
  text('Status', (pod) => summarizePod(pod).reason),
  text('Restarts', (pod, now) => {
    const { restarts, lastRestart } = summarizePod(pod);
    return restarts && lastRestart ? `${restarts} (${humanDuration(now - lastRestart)} ago)` : String(restarts);
  }),
  ageColumn(),
  wide('IP', (pod) => pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || '<none>'),
  wide('Node', (pod) => pod.spec?.nodeName || '<none>'),
  wide('Nominated Node', (pod) => pod.status?.nominatedNodeName || '<none>'),
  wide('Readiness Gates', readinessGates),
];
