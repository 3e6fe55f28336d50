/** Events about pods and their containers. */
import { referenceTo, type EventRecorder } from '../../../client/event-recorder.ts';
import type { ApiPods } from '../sources/api-pods.ts';
import type { RecordEvent } from './pod-dependencies.ts';
import type { PodWorkers } from './pod-workers.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

/** Events of a static pod are about its mirror, when it has one. */
export const podEvents =
  (events: EventRecorder, workers: PodWorkers, apiPods: ApiPods): RecordEvent =>
  (pod, type, reason, message, container) => {
    const source = workers.get(pod.metadata?.uid ?? '')?.source ?? 'api';
    const regarding = referenceTo('v1', 'Pod', apiPods.objectOf({ pod, source }) ?? pod);
    const fieldPath = container === undefined ? undefined : fieldPathOf(pod, container);
    events.event({ ...regarding, fieldPath }, type, reason, message);
  };

function fieldPathOf(pod: Pod, container: string): string {
  const { initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const has = (containers: readonly { name: string }[]) => containers.some(({ name }) => name === container);
  const list = has(initContainers) ? 'initContainers' : has(ephemeralContainers) ? 'ephemeralContainers' : 'containers';
  return `spec.${list}{${container}}`;
}
