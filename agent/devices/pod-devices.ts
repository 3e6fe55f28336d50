/** The interface of pods' devices for pod workers. */
import type { Container, Pod, ResourceStatus } from '../../api/types/core/v1.gen.ts';

export interface PodDevices {
  /**
   * Has the drivers prepare every device that is allocated to the pod's ResourceClaims; idempotent. Throws with the message of the pod's
   * FailedPrepareDynamicResources event.
   */
  prepare(pod: Pod, signal: AbortSignal): Promise<void>;
  /** The ids of the CDI devices that the container gets, of claims that are prepared. Prepares them otherwise, and throws when it cannot. */
  cdiDevicesOf(pod: Pod, container: Container, signal: AbortSignal): Promise<readonly string[]>;
  /** The `allocatedResourcesStatus` of each container that claims something, by its name. */
  statusOf(pod: Pod): ReadonlyMap<string, ResourceStatus[]>;
  /** Whether a driver may have prepared something for the pod, by an earlier agent too. */
  holds(podUid: string): boolean;
  /** Has the drivers undo `prepare`, after the containers have ended; idempotent; works without the pod's object. */
  release(podUid: string, signal: AbortSignal): Promise<void>;
  /** UIDs of the pods for which something may be prepared. */
  podUids(): readonly string[];
}
