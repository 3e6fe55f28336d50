/** The interface of volumes for pod workers. */
import type { Container, Pod } from '../../api/types/core/v1.gen.ts';

/** The image of an image volume, on this host. */
export interface VolumeImage {
  /** By the runtime's name for it. */
  readonly id: string;
  /** As the pod names it. */
  readonly reference: string;
}

/** A mount for a container, as the CRI takes it: of a path of the host, or of an image. */
export interface ContainerMount {
  readonly containerPath: string;
  /** Empty for an image. */
  readonly hostPath: string;
  readonly image?: VolumeImage;
  readonly imageSubPath?: string;
  readonly readonly: boolean;
  readonly propagation: 'private' | 'host-to-container' | 'bidirectional';
}

/** A device for a container, as the CRI takes it. */
export interface ContainerDevice {
  readonly containerPath: string;
  readonly hostPath: string;
  /** `r`: read, `w`: write, `m`: mknod. */
  readonly permissions: string;
}

export interface PodVolumes {
  /**
   * Makes every volume of the pod ready on the host; idempotent. Throws VolumeError with the message of the pod's
   * FailedMount event when one cannot be made ready now.
   */
  setUp(pod: Pod, signal: AbortSignal): Promise<void>;
  /**
   * The mounts of one container, with subPath resolved so that it cannot leave its volume. After `setUp`. `env` is the
   * container's environment, which `subPathExpr` may name; `images` are those of the image volumes that it mounts, by volume.
   */
  mountsOf(
    pod: Pod,
    container: Container,
    signal: AbortSignal,
    env?: Readonly<Record<string, string>>,
    images?: ReadonlyMap<string, VolumeImage>,
  ): Promise<ContainerMount[]>;
  /** The devices of one container: its volumes of volumeMode Block. After `setUp`. */
  devicesOf(pod: Pod, container: Container): ContainerDevice[];
  /**
   * Ends what processes of the pod wait for in uninterruptible sleep because an NFS server does not respond. Such processes do not even
   * end when they are killed. What they have not written yet is lost, and what other pods of this node are waiting for on the same
   * export fails, too. Resolves to the exports concerned.
   */
  abortStuckRequests(podUid: string, signal: AbortSignal): Promise<string[]>;
  /** Updates configMaps, secrets, tokens and downwardAPI of running pods, atomically. */
  refresh(pod: Pod, signal: AbortSignal): Promise<void>;
  /** Unmounts and removes everything of the pod; idempotent; works without the pod's object. */
  tearDown(podUid: string, signal: AbortSignal): Promise<void>;
  /** Unstages volumes that no pod of this host uses any more. A failure is logged. */
  unstageUnused(signal: AbortSignal): Promise<void>;
  /** UIDs of the pods that have a directory on this host, for garbage collection after a restart. */
  podsOnDisk(): Promise<string[]>;
  /** `<data dir>/pods/<uid>`: /etc/hosts, termination messages and volumes live below it. */
  podDirectory(podUid: string): string;
}
