/** Finds the container of a request, with the kubelet's error messages. */
import { containerOf } from '../pods/sync/plan.ts';
import type { PodDirectory } from '../pods/sync/pod-directory.ts';
import { runtimeIdOf } from '../pods/status/container-id.ts';
import { NodeApiError } from './node-api-error.ts';
import type { ContainerStatus, Pod } from '../../api/types/core/v1.gen.ts';

/** The pod, or a 404. `uid`, when not '', must be its own. */
export function findPod(pods: PodDirectory, namespace: string, name: string, uid: string): Pod {
  const pod = pods.find(namespace, name);
  if (pod === undefined) throw new NodeApiError(404, 'pod does not exist');
  if (uid !== '' && pod.metadata?.uid !== uid) throw new NodeApiError(404, 'pod not found');
  return pod;
}

function statusOf(pod: Pod, containerName: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  const all = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses];
  return all.find(({ name }) => name === containerName);
}

/**
 * The runtime's id of the container whose log is requested: with `previous` the last one that ended, otherwise the running one or
 * else the last that ran. Throws 404 for a container that the pod does not have and 400 for one that has no log.
 */
export function findLoggedContainer(pod: Pod, containerName: string, previous: boolean): string {
  const podName = pod.metadata?.name ?? '';
  const about = `container ${JSON.stringify(containerName)} in pod ${JSON.stringify(podName)}`;
  if (containerOf(pod, containerName) === undefined)
    throw new NodeApiError(
      404,
      `container ${JSON.stringify(containerName)} not found in pod ${JSON.stringify(podName)}`,
    );
  const status = statusOf(pod, containerName);
  if (status === undefined) throw new NodeApiError(400, `${about} is not available`);
  const ended = runtimeIdOf(status.lastState?.terminated?.containerID);
  if (previous) {
    if (ended === '') throw new NodeApiError(400, `previous terminated ${about} not found`);
    return ended;
  }
  const { running, terminated } = status.state ?? {};
  const id = running ? runtimeIdOf(status.containerID) : runtimeIdOf(terminated?.containerID) || ended;
  if (id !== '') return id;
  throw new NodeApiError(400, `${about} is ${whyNone(status)}`);
}

function whyNone({ state }: ContainerStatus): string {
  if (state?.terminated || !state?.waiting) return state?.terminated ? 'terminated' : 'not available';
  const { reason } = state.waiting;
  if (reason === 'ErrImagePull') return "waiting to start: image can't be pulled";
  if (reason === 'ImagePullBackOff') return 'waiting to start: trying and failing to pull image';
  return `waiting to start: ${reason}`;
}

/** The runtime's id of the container that runs in the pod under this name. Throws when there is none. */
export function findRunningContainer(pods: PodDirectory, pod: Pod, containerName: string): string {
  const { terminated, waiting } = statusOf(pod, containerName)?.state ?? {};
  const id = terminated || waiting ? undefined : pods.containerId(pod.metadata?.uid ?? '', containerName);
  if (id === undefined) throw new NodeApiError(500, `container not found (${JSON.stringify(containerName)})`);
  return runtimeIdOf(id);
}

/** The runtime's id of the pod's sandbox. Throws when there is none. */
export function findSandbox(pods: PodDirectory, pod: Pod): string {
  const id = pods.sandboxId(pod.metadata?.uid ?? '');
  if (id === undefined) {
    const { namespace, name } = pod.metadata ?? {};
    throw new NodeApiError(500, `pod not found ("${name}_${namespace}")`);
  }
  return id;
}
