/** Labels and annotations of pods and containers in the runtime: the kubelet's, which other tools read, too. */
import { DEFAULT_TERMINATION_MESSAGE_PATH } from '../../api/kinds/core/container-defaults.ts';
import { fnvHash } from '../../api/machinery/fnv-hash.ts';
import { isJsonObject } from '../../api/machinery/own.ts';
import { POD_UID_LABEL } from '../cri/client.ts';
import type { StringMap } from '../cri/types.ts';
import type { Container, Pod, ResourceRequirements } from '../../api/types/core/v1.gen.ts';

export const POD_NAME = 'io.kubernetes.pod.name';
export const POD_NAMESPACE = 'io.kubernetes.pod.namespace';
export const CONTAINER_NAME = 'io.kubernetes.container.name';

export const CONTAINER_HASH = 'io.kubernetes.container.hash';
export const RESTART_COUNT = 'io.kubernetes.container.restartCount';
export const TERMINATION_MESSAGE_PATH = 'io.kubernetes.container.terminationMessagePath';
export const TERMINATION_MESSAGE_POLICY = 'io.kubernetes.container.terminationMessagePolicy';
const PRE_STOP_HANDLER = 'io.kubernetes.container.preStopHandler';
export const GRACE_PERIOD = 'io.kubernetes.pod.terminationGracePeriod';
/** Seconds to wait after this container has ended before the next attempt: back-off survives a restart of the agent. */
export const BACK_OFF = 'kedge.io/container.backOffSeconds';
/** The container's requests and limits when it was created: a resize survives a restart of the agent. */
export const RESOURCES = 'kedge.io/container.resources';

/** Where a pod comes from: `api`, `file`. */
export const CONFIG_SOURCE = 'kubernetes.io/config.source';
export const CONFIG_SEEN = 'kubernetes.io/config.seen';
export const CONFIG_HASH = 'kubernetes.io/config.hash';

export const podLabels = (pod: Pod): StringMap => ({
  ...pod.metadata?.labels,
  [POD_NAME]: pod.metadata?.name ?? '',
  [POD_NAMESPACE]: pod.metadata?.namespace ?? '',
  [POD_UID_LABEL]: pod.metadata?.uid ?? '',
});

export const containerLabels = (pod: Pod, container: Container): StringMap => ({
  [CONTAINER_NAME]: container.name,
  [POD_NAME]: pod.metadata?.name ?? '',
  [POD_NAMESPACE]: pod.metadata?.namespace ?? '',
  [POD_UID_LABEL]: pod.metadata?.uid ?? '',
});

export function containerAnnotations(
  pod: Pod,
  container: Container,
  restartCount: number,
  backOffSeconds: number,
): StringMap {
  const { terminationGracePeriodSeconds } = pod.spec ?? {};
  const preStop = container.lifecycle?.preStop;
  return {
    [CONTAINER_HASH]: containerHash(container),
    [RESTART_COUNT]: String(restartCount),
    [TERMINATION_MESSAGE_PATH]: container.terminationMessagePath ?? DEFAULT_TERMINATION_MESSAGE_PATH,
    [TERMINATION_MESSAGE_POLICY]: container.terminationMessagePolicy ?? 'File',
    [BACK_OFF]: String(backOffSeconds),
    [RESOURCES]: JSON.stringify(container.resources ?? {}),
    ...(terminationGracePeriodSeconds !== undefined && { [GRACE_PERIOD]: String(terminationGracePeriodSeconds) }),
    ...(preStop && { [PRE_STOP_HANDLER]: JSON.stringify(preStop) }),
  };
}

/** Changes with the fields that need another container: the image. In hex. */
export const containerHash = ({ name, image }: Pick<Container, 'name' | 'image'>): string =>
  fnvHash(JSON.stringify({ name, image })).toString(16);

/** What `RESOURCES` says; undefined when the container has none, and when it is damaged: the spec counts then. */
export function resourcesIn(annotation = ''): ResourceRequirements | undefined {
  try {
    const resources: unknown = JSON.parse(annotation);
    return isJsonObject(resources) ? resources : undefined;
  } catch {
    return undefined;
  }
}
