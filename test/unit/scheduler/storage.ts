/** Claims, volumes and classes for the scheduler's tests. */
import { classOf } from '../../../api/domain/storage-class.ts';
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec } from '../../../api/types/core/v1.gen.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
} from '../../../api/types/storage/v1.gen.ts';
import type { ObjectMeta } from '../../../api/types/meta/v1.gen.ts';
import { NO_STORAGE, type Storage } from '../../../control-plane/scheduler/framework/storage.ts';

export const classNamed = (name: string, changes: Partial<StorageClass> = {}): StorageClass => ({
  metadata: { name },
  provisioner: 'kubernetes.io/no-provisioner',
  volumeBindingMode: 'WaitForFirstConsumer',
  ...changes,
});

/** A volume of class `disks` on a node; anywhere when that is ''. */
export const volumeOn = (
  node: string,
  name: string,
  storage = '1Gi',
  spec: Partial<PersistentVolumeSpec> = {},
  metadata: Partial<ObjectMeta> = {},
): PersistentVolume => ({
  metadata: { name, ...metadata },
  spec: {
    capacity: { storage },
    accessModes: ['ReadWriteOnce'],
    storageClassName: 'disks',
    local: { path: `/disks/${name}` },
    ...(node && {
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In' as const, values: [node] }] },
          ],
        },
      },
    }),
    ...spec,
  },
  status: { phase: 'Available' },
});

export const claimNamed = (
  name: string,
  storage = '1Gi',
  spec: PersistentVolumeClaim['spec'] = {},
  metadata: Partial<ObjectMeta> = {},
): PersistentVolumeClaim => ({
  metadata: { name, namespace: 'default', uid: `uid-${name}`, ...metadata },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, storageClassName: 'disks', ...spec },
});

/** The claim as it is bound to the volume. */
export const boundTo = (volumeName: string, claim: PersistentVolumeClaim): PersistentVolumeClaim => ({
  ...claim,
  metadata: { ...claim.metadata, annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
  spec: { ...claim.spec, volumeName },
  status: { phase: 'Bound' },
});

export interface StorageObjects {
  readonly classes?: readonly StorageClass[];
  readonly claims?: readonly PersistentVolumeClaim[];
  readonly volumes?: readonly PersistentVolume[];
  readonly drivers?: readonly CSIDriver[];
  readonly csiNodes?: readonly CSINode[];
  readonly capacities?: readonly CSIStorageCapacity[];
  readonly attachments?: readonly VolumeAttachment[];
}

export function storageOf(objects: StorageObjects): Storage {
  const { classes = [classNamed('disks')], claims = [], volumes = [] } = objects;
  const { drivers = [], csiNodes = [], capacities = [], attachments = [] } = objects;
  return {
    ...NO_STORAGE,
    claim: (namespace, name) =>
      claims.find(({ metadata }) => metadata?.namespace === namespace && metadata.name === name),
    volume: (name) => volumes.find(({ metadata }) => metadata?.name === name),
    volumesOf: (name) => volumes.filter((volume) => classOf(volume) === name),
    storageClass: (name) => classes.find(({ metadata }) => metadata?.name === name),
    csiDriver: (name) => drivers.find(({ metadata }) => metadata?.name === name),
    csiNode: (name) => csiNodes.find(({ metadata }) => metadata?.name === name),
    capacitiesOf: (name) => capacities.filter(({ storageClassName }) => storageClassName === name),
    attachmentsOf: (name) => attachments.filter(({ spec }) => spec.nodeName === name),
  };
}
