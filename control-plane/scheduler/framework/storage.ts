/**
 * Claims, volumes and classes as the scheduler sees them: what the api-server has, and what has been decided for pods whose volumes
 * are about to be bound, so that the next pod does not get the same volume.
 */
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
} from '../../../api/types/storage/v1.gen.ts';

export interface Storage {
  /** Undefined when there is none of that name; so are volumes and classes. */
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  /** The volumes of a class. */
  volumesOf(storageClass: string): Iterable<PersistentVolume>;
  storageClass(name: string): StorageClass | undefined;
  csiDriver(name: string): CSIDriver | undefined;
  /** The CSI drivers of a node; undefined while it has not said which they are. */
  csiNode(nodeName: string): CSINode | undefined;
  /** What drivers say of the room that is left for volumes of the class. */
  capacitiesOf(storageClass: string): Iterable<CSIStorageCapacity>;
  /** The volumes that are attached to a node, or about to be. */
  attachmentsOf(nodeName: string): Iterable<VolumeAttachment>;
  /** Shows the changed objects instead of those that they are made of, until `forget` or until those have changed. */
  assume(changes: StorageChanges): void;
  forget(changes: StorageChanges): void;
  /** The same without what is assumed. */
  readonly stored: Pick<Storage, 'claim' | 'volume'>;
  /** Write objects unless somebody else has changed them since they were read: then they reject with a conflict. */
  updateVolume(volume: PersistentVolume, signal: AbortSignal): Promise<PersistentVolume>;
  updateClaim(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<PersistentVolumeClaim>;
  /** Resolves when any claim or volume has changed. Rejects with the signal's reason. */
  changed(signal: AbortSignal): Promise<void>;
}

export interface StorageChanges {
  readonly volumes: readonly PersistentVolume[];
  readonly claims: readonly PersistentVolumeClaim[];
}

const none = (): undefined => undefined;
const cannotWrite = (): Promise<never> => Promise.reject(new Error('there is no storage'));

/** The storage of a cluster that has none. */
export const NO_STORAGE: Storage = {
  claim: none,
  volume: none,
  volumesOf: () => [],
  storageClass: none,
  csiDriver: none,
  csiNode: none,
  capacitiesOf: () => [],
  attachmentsOf: () => [],
  assume: none,
  forget: none,
  stored: { claim: none, volume: none },
  updateVolume: cannotWrite,
  updateClaim: cannotWrite,
  changed: cannotWrite,
};
