/** The interface of pods' devices for pod workers: those that DRA drivers prepare, and those of device plugins. */
import type { Container, Pod, ResourceStatus } from '../../api/types/core/v1.gen.ts';

/** What a container gets besides its own. */
export interface DevicesOfContainer {
  /** Ids of CDI devices: https://github.com/cncf-tags/container-device-interface */
  readonly cdiDevices: readonly string[];
  readonly envs: ReadonlyMap<string, string>;
  readonly mounts: readonly { readonly containerPath: string; readonly hostPath: string; readonly readonly: boolean }[];
  readonly devices: readonly {
    readonly containerPath: string;
    readonly hostPath: string;
    readonly permissions: string;
  }[];
  readonly annotations: ReadonlyMap<string, string>;
}

export interface PodDevices {
  /**
   * Has the drivers prepare every device that is allocated to the pod's ResourceClaims; idempotent. Throws with the message of the pod's
   * FailedPrepareDynamicResources event.
   */
  prepare(pod: Pod, signal: AbortSignal): Promise<void>;
  /** What the container gets, before each start. Allocates or prepares what is not yet, and throws when it cannot. */
  devicesOf(pod: Pod, container: Container, signal: AbortSignal): Promise<DevicesOfContainer>;
  /** The `allocatedResourcesStatus` of each container that has devices, by its name. */
  statusOf(pod: Pod): ReadonlyMap<string, ResourceStatus[]>;
  /** Whether a driver may have prepared something for the pod, by an earlier agent too. */
  holds(podUid: string): boolean;
  /** Has the drivers undo `prepare`, after the containers have ended; idempotent; works without the pod's object. */
  release(podUid: string, signal: AbortSignal): Promise<void>;
  /** UIDs of the pods for which something may be prepared. */
  podUids(): readonly string[];
}
