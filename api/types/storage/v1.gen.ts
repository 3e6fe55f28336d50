// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, int32, int64, list, mapOf, oneOf, optional, quantity, required, string, struct, time } from '../../machinery/schema.ts';
import { LabelSelector, ObjectMeta } from '../meta/v1.gen.ts';
import { PersistentVolumeSpec, TopologySelectorTerm } from '../core/v1.gen.ts';

export const CSIDriver = struct('io.k8s.api.storage.v1.CSIDriver', () => ({
  spec: required(2, CSIDriverSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type CSIDriver = {
  spec: CSIDriverSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
};

export const CSIDriverSpec = struct('io.k8s.api.storage.v1.CSIDriverSpec', () => ({
  attachRequired: optional(1, boolean, { pointer: true }),
  fsGroupPolicy: optional(5, string, { pointer: true, goType: 'v1.FSGroupPolicy' }),
  nodeAllocatableUpdatePeriodSeconds: optional(9, int64, { pointer: true }),
  podInfoOnMount: optional(2, boolean, { pointer: true }),
  preventPodSchedulingIfMissing: optional(11, boolean, { pointer: true }),
  requiresRepublish: optional(7, boolean, { pointer: true }),
  seLinuxMount: optional(8, boolean, { pointer: true }),
  serviceAccountTokenInSecrets: optional(10, boolean, { pointer: true }),
  storageCapacity: optional(4, boolean, { pointer: true }),
  tokenRequests: optional(6, list(TokenRequest), { listType: 'atomic' }),
  volumeLifecycleModes: optional(3, list(string), { listType: 'set', goType: '[]v1.VolumeLifecycleMode' }),
}));
export type CSIDriverSpec = {
  attachRequired?: boolean;
  fsGroupPolicy?: string;
  nodeAllocatableUpdatePeriodSeconds?: number;
  podInfoOnMount?: boolean;
  preventPodSchedulingIfMissing?: boolean;
  requiresRepublish?: boolean;
  seLinuxMount?: boolean;
  serviceAccountTokenInSecrets?: boolean;
  storageCapacity?: boolean;
  tokenRequests?: TokenRequest[];
  volumeLifecycleModes?: string[];
};

export const CSINode = struct('io.k8s.api.storage.v1.CSINode', () => ({
  spec: required(2, CSINodeSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type CSINode = {
  spec: CSINodeSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
};

export const CSINodeDriver = struct('io.k8s.api.storage.v1.CSINodeDriver', () => ({
  name: required(1, string),
  nodeID: required(2, string),
  allocatable: optional(4, VolumeNodeResources),
  topologyKeys: optional(3, list(string), { always: true, listType: 'atomic' }),
}));
export type CSINodeDriver = {
  name: string;
  nodeID: string;
  allocatable?: VolumeNodeResources;
  topologyKeys?: string[] | null;
};

export const CSINodeSpec = struct('io.k8s.api.storage.v1.CSINodeSpec', () => ({
  drivers: required(1, list(CSINodeDriver), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
}));
export type CSINodeSpec = {
  drivers: CSINodeDriver[];
};

export const CSIStorageCapacity = struct('io.k8s.api.storage.v1.CSIStorageCapacity', () => ({
  storageClassName: required(3, string),
  apiVersion: optional(undefined, string),
  capacity: optional(4, quantity),
  kind: optional(undefined, string),
  maximumVolumeSize: optional(5, quantity),
  metadata: optional(1, ObjectMeta, { always: true }),
  nodeTopology: optional(2, LabelSelector),
}));
export type CSIStorageCapacity = {
  storageClassName: string;
  apiVersion?: string;
  capacity?: string;
  kind?: string;
  maximumVolumeSize?: string;
  metadata?: ObjectMeta;
  nodeTopology?: LabelSelector;
};

export const StorageClass = struct('io.k8s.api.storage.v1.StorageClass', () => ({
  provisioner: required(2, string),
  allowVolumeExpansion: optional(6, boolean, { pointer: true }),
  allowedTopologies: optional(8, list(TopologySelectorTerm), { listType: 'atomic' }),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  mountOptions: optional(5, list(string), { listType: 'atomic' }),
  parameters: optional(3, mapOf(string)),
  reclaimPolicy: optional(4, oneOf('Delete', 'Recycle', 'Retain'), { pointer: true, goType: 'v1.PersistentVolumeReclaimPolicy' }),
  volumeBindingMode: optional(7, oneOf('Immediate', 'WaitForFirstConsumer'), { pointer: true, goType: 'v1.VolumeBindingMode' }),
}));
export type StorageClass = {
  provisioner: string;
  allowVolumeExpansion?: boolean;
  allowedTopologies?: TopologySelectorTerm[];
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  mountOptions?: string[];
  parameters?: Record<string, string>;
  reclaimPolicy?: 'Delete' | 'Recycle' | 'Retain';
  volumeBindingMode?: 'Immediate' | 'WaitForFirstConsumer';
};

export const TokenRequest = struct('io.k8s.api.storage.v1.TokenRequest', () => ({
  audience: required(1, string),
  expirationSeconds: optional(2, int64, { pointer: true }),
}));
export type TokenRequest = {
  audience: string;
  expirationSeconds?: number;
};

export const VolumeAttachment = struct('io.k8s.api.storage.v1.VolumeAttachment', () => ({
  spec: required(2, VolumeAttachmentSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  status: optional(3, VolumeAttachmentStatus, { always: true }),
}));
export type VolumeAttachment = {
  spec: VolumeAttachmentSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  status?: VolumeAttachmentStatus;
};

export const VolumeAttachmentSource = struct('io.k8s.api.storage.v1.VolumeAttachmentSource', () => ({
  inlineVolumeSpec: optional(2, PersistentVolumeSpec),
  persistentVolumeName: optional(1, string, { pointer: true }),
}));
export type VolumeAttachmentSource = {
  inlineVolumeSpec?: PersistentVolumeSpec;
  persistentVolumeName?: string;
};

export const VolumeAttachmentSpec = struct('io.k8s.api.storage.v1.VolumeAttachmentSpec', () => ({
  attacher: required(1, string),
  nodeName: required(3, string),
  source: required(2, VolumeAttachmentSource),
}));
export type VolumeAttachmentSpec = {
  attacher: string;
  nodeName: string;
  source: VolumeAttachmentSource;
};

export const VolumeAttachmentStatus = struct('io.k8s.api.storage.v1.VolumeAttachmentStatus', () => ({
  attached: required(1, boolean),
  attachError: optional(3, VolumeError),
  attachmentMetadata: optional(2, mapOf(string)),
  detachError: optional(4, VolumeError),
}));
export type VolumeAttachmentStatus = {
  attached: boolean;
  attachError?: VolumeError;
  attachmentMetadata?: Record<string, string>;
  detachError?: VolumeError;
};

export const VolumeAttributesClass = struct('io.k8s.api.storage.v1.VolumeAttributesClass', () => ({
  driverName: required(2, string),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  parameters: optional(3, mapOf(string)),
}));
export type VolumeAttributesClass = {
  driverName: string;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  parameters?: Record<string, string>;
};

export const VolumeError = struct('io.k8s.api.storage.v1.VolumeError', () => ({
  errorCode: optional(3, int32, { pointer: true }),
  message: optional(2, string),
  time: optional(1, time, { always: true }),
}));
export type VolumeError = {
  errorCode?: number;
  message?: string;
  time?: string | null;
};

export const VolumeNodeResources = struct('io.k8s.api.storage.v1.VolumeNodeResources', () => ({
  count: optional(1, int32, { pointer: true }),
}));
export type VolumeNodeResources = {
  count?: number;
};
