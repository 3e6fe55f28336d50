/**
 * What happens in the cluster that can make a pod schedulable that was rejected, and the queueing hints by which plugins
 * tell whether it does: https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/#queueinghint (KEP-4247).
 */
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import type { DeviceClass, ResourceClaim, ResourceSlice } from '../../../api/types/resource/v1.gen.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
} from '../../../api/types/storage/v1.gen.ts';
import type { NodeFacts } from './node-info.ts';
import type { PendingPod, PodInfo } from './pod-info.ts';

interface Update<T> {
  readonly old: T;
  readonly now: T;
}

interface NodeUpdate {
  readonly old: NodeFacts;
  readonly node: NodeFacts;
}

/** Each event with what a hint may read of it. The names are upstream's. */
interface EventFields {
  NodeAdd: { readonly node: NodeFacts };
  UpdateNodeLabel: NodeUpdate;
  UpdateNodeTaint: NodeUpdate;
  UpdateNodeAllocatable: NodeUpdate;
  /** A pod of this or another scheduler was bound. */
  AssignedPodAdd: { readonly pod: PodInfo };
  /** The labels of a bound pod have changed, or it is being deleted now. */
  UpdatePodLabel: { readonly old: PodInfo; readonly pod: PodInfo };
  /** A namespace is new or has other labels. */
  UpdateNamespaceLabel: { readonly namespace: string };
  /** A pod was deleted, has terminated, or its reservation was given back. */
  AssignedPodDelete: { readonly pod: PodInfo };
  PersistentVolumeClaimAdd: { readonly claim: PersistentVolumeClaim };
  PersistentVolumeClaimUpdate: { readonly claim: PersistentVolumeClaim };
  PersistentVolumeAdd: { readonly volume: PersistentVolume };
  PersistentVolumeUpdate: Update<PersistentVolume>;
  StorageClassAdd: { readonly storageClass: StorageClass };
  StorageClassUpdate: Update<StorageClass>;
  CSIDriverAdd: { readonly driver: CSIDriver };
  CSIDriverUpdate: Update<CSIDriver>;
  CSINodeAdd: { readonly node: CSINode };
  CSINodeUpdate: Update<CSINode>;
  CSIStorageCapacityAdd: { readonly capacity: CSIStorageCapacity };
  CSIStorageCapacityUpdate: Update<CSIStorageCapacity>;
  ResourceClaimAdd: { readonly claim: ResourceClaim };
  ResourceClaimUpdate: Update<ResourceClaim>;
  ResourceClaimDelete: { readonly claim: ResourceClaim };
  DeviceClassAdd: { readonly deviceClass: DeviceClass };
  DeviceClassUpdate: { readonly deviceClass: DeviceClass };
  /** A slice is new or has changed. */
  ResourceSliceAdd: { readonly slice: ResourceSlice };
  /** The newest generation of a pool may be complete without it. */
  ResourceSliceDelete: { readonly slice: ResourceSlice };
  VolumeAttachmentDelete: { readonly attachment: VolumeAttachment };
}

export type EventType = keyof EventFields;
export type EventOf<T extends EventType> = { [E in T]: { readonly type: E } & EventFields[E] }[T];
export type ClusterEvent = EventOf<EventType>;

/** By event: whether it can make the pod schedulable, which the plugin has rejected. Events that are not named cannot. */
export type QueueingHints = { readonly [T in EventType]?: (pod: PendingPod, event: EventOf<T>) => boolean };

/** Whether the event can make a pod schedulable that the plugin with these hints has rejected. */
export const canHelp = <T extends EventType>(hints: QueueingHints, pod: PendingPod, event: EventOf<T>): boolean =>
  hints[event.type]?.(pod, event) ?? false;

/** The events that an update of a node amounts to; none when nothing changed that scheduling depends on. */
export function nodeUpdateEvents(old: NodeFacts, node: NodeFacts): ClusterEvent[] {
  const events: ClusterEvent[] = [];
  const uncordoned = old.unschedulable && !node.unschedulable;
  if (!deepEqual(old.labels, node.labels)) events.push({ type: 'UpdateNodeLabel', old, node });
  if (uncordoned || !deepEqual(old.taints, node.taints)) events.push({ type: 'UpdateNodeTaint', old, node });
  if (old.maxPods !== node.maxPods || !deepEqual(old.allocatable, node.allocatable))
    events.push({ type: 'UpdateNodeAllocatable', old, node });
  return events;
}
