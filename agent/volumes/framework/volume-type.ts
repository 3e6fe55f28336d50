/**
 * The contract of a volume type: one file per type. A volume passes these steps, those without a function being skipped:
 *
 *     resolve -> stage -> publish -> (expand, refresh, stats)* -> unpublish -> unstage
 *
 * Staging is per node and shared by all pods that use the same device or export; publishing is per pod. The steps are those of
 * the kubelet's volume plugins (MountDevice, SetUp, TearDown, UnmountDevice) and of CSI
 * (https://github.com/container-storage-interface/spec/blob/master/spec.md#rpc-interface: NodeStageVolume and so on).
 *
 * The agent may be killed within any step, and a step that failed or timed out may have done any part of its work. So every
 * step is idempotent: it is repeated until it succeeds, or undone by its counterpart, which copes with a half-done step. A record
 * on disk (`mount-records.ts`) is written before `stage` and before `publish`, and removed after their counterparts.
 *
 * No step accesses the contents of a volume in this process: `ask` a volume helper, which may hang instead of the agent. All
 * throw an Error whose message is the reason alone; it reaches the pod's event FailedMount.
 */
import type { VolumeHelper } from '../../host/volume-helper/requests.ts';
import type { Pod, Volume } from '../../../api/types/core/v1.gen.ts';

/** A volume cannot be made ready, or taken down, now. The message is that of the pod's event. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError';
}

export interface ResolvedVolume {
  /** What the later steps need to know. Kept in the volume's record, because those steps run without the pod's object, too. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Which device or export it is, for types with `staging`: volumes with the same key are staged once on the node. */
  readonly stageKey?: string;
  /** Bytes that the volume holds as far as is known, for volumes that can be expanded. */
  readonly capacityBytes?: number;
  /** Containers see it read-only whatever their volumeMount says. */
  readonly isReadOnly?: boolean;
}

/** A place where a volume is, or is to be, mounted. */
export interface MountTarget {
  /** Its directory exists; the type makes the target itself. */
  readonly path: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Whether something was mounted at `path` when the step began; from mountinfo, never by accessing the path. */
  readonly isMounted: boolean;
  /** Unmounts `path`; lazily when it is busy or does not respond. Does nothing when nothing is mounted there. */
  readonly unmount: () => Promise<void>;
  /** Requests that are made at the same time share one helper process. */
  readonly helper: VolumeHelper;
  readonly signal: AbortSignal;
}

/** Where a volume of a pod is, or is to be. */
export type Placement = Pick<PublishTarget, 'path' | 'podUid' | 'attributes'>;

/** A volume of a pod: `path` is `<pods>/<uid>/volumes/<directory of the type>/<volume>`. */
export interface PublishTarget extends MountTarget {
  readonly podUid: string;
  /** Where the volume is staged, for types with `staging`. */
  readonly stagingPath?: string;
}

/** The same while the pod's object is at hand. */
export interface PodVolume extends PublishTarget {
  readonly pod: Pod;
  readonly volume: Volume;
}

export interface VolumeUsage {
  readonly bytes: number;
  readonly inodes: number;
  /** Of the file system, or of the part of it that the volume may use. */
  readonly capacityBytes?: number;
  readonly availableBytes?: number;
  readonly totalInodes?: number;
  readonly freeInodes?: number;
}

/** What is done once per node, for all pods that use the same device or export. */
export interface Staging {
  /** Types that stage the same things have the same name for them. */
  readonly kind: string;
  stage(target: MountTarget): Promise<void>;
  unstage(target: MountTarget): Promise<void>;
}

/** How volumes grow while they are in use. */
export interface Expansion {
  /** Bytes that the volume is to hold now. */
  wanted(volume: Volume, pod: Pod, signal: AbortSignal): Promise<number>;
  /** Grows a published volume. Resolves to whether it has grown; it never will where it has not. */
  grow(target: PodVolume, capacityBytes: number): Promise<boolean>;
}

export interface VolumeType {
  /** The field of the Volume that this type reads. */
  readonly source: Exclude<keyof Volume, 'name'>;
  /** The type's directory below `volumes`, as the kubelet names it: `kubernetes.io~configmap`. */
  readonly directory: string;
  /** Whether containers see it read-only whatever their volumeMount says, and only the agent writes its content. */
  readonly agentWritten: boolean;
  /** What containers mount, given what was resolved and where the volume is published; undefined for a device. */
  hostPath(volume: Volume, target: Placement): string | undefined;
  /** The device that containers have; undefined for a volume with files. */
  devicePath?(target: Placement): string | undefined;
  /** What is to be mounted. Not repeated for a volume that has a record. */
  resolve(volume: Volume, pod: Pod, signal: AbortSignal): ResolvedVolume | Promise<ResolvedVolume>;
  /** Makes a device or export available on the node, and undoes that once no pod uses it any more. */
  readonly staging?: Staging;
  /** Makes the volume ready for the pod. */
  publish(volume: PodVolume): Promise<void>;
  /**
   * Mounts the image of that id at `path`, for types whose content is an image's: when a container that mounts the volume starts, and the
   * image is on this host. Does nothing when one is mounted there. Resolves to false where the runtime mounts it into the container by itself.
   */
  mountImage?(target: PublishTarget, id: string): Promise<boolean>;
  /** Undoes `publish` and `mountImage`. Absent for types that leave nothing but files in the pod's directory: these have no record. */
  unpublish?(target: PublishTarget): Promise<void>;
  /** Brings a published volume up to date with the objects that it shows. */
  refresh?(volume: PodVolume): Promise<void>;
  /**
   * Where a volume is mounted when it has been published; undefined when that cannot be seen in the mount table. A volume that a former
   * agent has published and that is mounted there is not published again: who mounts it may be away.
   */
  mountPoint?(target: Placement): string | undefined;
  /** Of volumes that were resolved with `capacityBytes`. */
  readonly expansion?: Expansion;
  /** Whether the volume is refreshed from time to time, and not only when the objects that it shows have changed. */
  isRefreshed?(attributes: Readonly<Record<string, string>>): boolean;
  /** The usage of the volume; undefined when it cannot be measured now. */
  stats?(target: PublishTarget): Promise<VolumeUsage | undefined>;
}
