/** What a runtime that runs nothing says of a pod, as pure functions: containers that have started, or have ended well. */
import { isSidecar } from '../../api/domain/pod-lifecycle.ts';
import { podStatus } from '../pods/status/pod-status.ts';
import type { ObservedContainer, PodRuntime } from '../pods/sync/observed.ts';
import type { Container, Pod, PodStatus } from '../../api/types/core/v1.gen.ts';

/** What has become of a pod's containers. Times are in milliseconds since the epoch. */
export interface HollowRun {
  readonly startedAt: number;
  /** Present once its containers have ended. */
  readonly endedAt?: number;
  readonly nodeAddress: string;
  readonly podAddress: string;
}

/** Whether a pod's containers are expected to end by themselves: those of a Job do. */
export const runsToCompletion = ({ spec }: Pod): boolean => (spec?.restartPolicy ?? 'Always') !== 'Always';

/** The status that an agent reports of a pod in this state. */
export function hollowStatus(pod: Pod, run: HollowRun, now: number): PodStatus {
  const runtime = hollowRuntime(pod, run);
  const live = new Set(runtime.containers.filter(({ state }) => state === 'running').map(({ id }) => id));
  return podStatus(
    {
      pod,
      runtime,
      previous: pod.status,
      waiting: new Map(),
      started: live,
      ready: live,
      hostIPs: [run.nodeAddress],
      isEnding: pod.metadata?.deletionTimestamp !== undefined,
      holdsDevices: false,
    },
    now,
  );
}

function hollowRuntime({ metadata, spec }: Pod, run: HollowRun): PodRuntime {
  const { startedAt, endedAt, podAddress } = run;
  const uid = metadata?.uid ?? '';
  const observed = (container: Container, end: number | undefined): ObservedContainer => ({
    id: `hollow-${uid}-${container.name}`,
    name: container.name,
    sandboxId: uid,
    state: end === undefined ? 'running' : 'exited',
    restartCount: 0,
    createdAt: startedAt,
    startedAt,
    finishedAt: end ?? 0,
    exitCode: 0,
    reason: end === undefined ? '' : 'Completed',
    message: '',
    image: container.image ?? '',
    imageId: container.image ?? '',
    hash: '',
    backOffSeconds: 0,
  });
  const ended = endedAt !== undefined;
  return {
    sandboxes: [
      { id: uid, attempt: 0, ready: !ended, createdAt: startedAt, ips: spec?.hostNetwork ? [] : [podAddress] },
    ],
    containers: [
      ...(spec?.initContainers ?? []).map((init) => observed(init, isSidecar(init) ? endedAt : (endedAt ?? startedAt))),
      ...(spec?.containers ?? []).map((container) => observed(container, endedAt)),
    ],
  };
}
