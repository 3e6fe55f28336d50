// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, int32, int64, list, mapOf, namedObject, optional, required, string, struct, time } from '../../machinery/schema.ts';

export const APIGroup = struct('io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup', () => ({
  name: required(1, string),
  versions: required(2, list(GroupVersionForDiscovery), { listType: 'atomic' }),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  preferredVersion: optional(3, GroupVersionForDiscovery, { always: true }),
  serverAddressByClientCIDRs: optional(4, list(ServerAddressByClientCIDR), { listType: 'atomic' }),
}));
export type APIGroup = {
  name: string;
  versions: GroupVersionForDiscovery[];
  apiVersion?: string;
  kind?: string;
  preferredVersion?: GroupVersionForDiscovery;
  serverAddressByClientCIDRs?: ServerAddressByClientCIDR[];
};

export const APIGroupList = struct('io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList', () => ({
  groups: required(1, list(APIGroup), { listType: 'atomic' }),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
}));
export type APIGroupList = {
  groups: APIGroup[];
  apiVersion?: string;
  kind?: string;
};

export const APIResource = struct('io.k8s.apimachinery.pkg.apis.meta.v1.APIResource', () => ({
  kind: required(3, string),
  name: required(1, string),
  namespaced: required(2, boolean),
  singularName: required(6, string),
  verbs: required(4, list(string), { goType: 'v1.Verbs' }),
  categories: optional(7, list(string), { listType: 'atomic' }),
  group: optional(8, string),
  shortNames: optional(5, list(string), { listType: 'atomic' }),
  storageVersionHash: optional(10, string),
  version: optional(9, string),
}));
export type APIResource = {
  kind: string;
  name: string;
  namespaced: boolean;
  singularName: string;
  verbs: string[];
  categories?: string[];
  group?: string;
  shortNames?: string[];
  storageVersionHash?: string;
  version?: string;
};

export const APIResourceList = struct('io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList', () => ({
  groupVersion: required(1, string),
  resources: required(2, list(APIResource), { listType: 'atomic' }),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
}));
export type APIResourceList = {
  groupVersion: string;
  resources: APIResource[];
  apiVersion?: string;
  kind?: string;
};

export const APIVersions = struct('io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions', () => ({
  serverAddressByClientCIDRs: required(2, list(ServerAddressByClientCIDR), { listType: 'atomic' }),
  versions: required(1, list(string), { listType: 'atomic' }),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
}));
export type APIVersions = {
  serverAddressByClientCIDRs: ServerAddressByClientCIDR[];
  versions: string[];
  apiVersion?: string;
  kind?: string;
};

export const Condition = struct('io.k8s.apimachinery.pkg.apis.meta.v1.Condition', () => ({
  lastTransitionTime: required(4, time),
  message: required(6, string),
  reason: required(5, string),
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string),
  observedGeneration: optional(3, int64),
}));
export type Condition = {
  lastTransitionTime: string | null;
  message: string;
  reason: string;
  status: string;
  type: string;
  observedGeneration?: number;
};

export const DeleteOptions = struct('io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions', () => ({
  apiVersion: optional(undefined, string),
  dryRun: optional(5, list(string), { listType: 'atomic' }),
  gracePeriodSeconds: optional(1, int64, { pointer: true }),
  ignoreStoreReadErrorWithClusterBreakingPotential: optional(6, boolean, { pointer: true }),
  kind: optional(undefined, string),
  orphanDependents: optional(3, boolean, { pointer: true }),
  preconditions: optional(2, Preconditions),
  propagationPolicy: optional(4, string, { pointer: true, goType: 'v1.DeletionPropagation' }),
}));
export type DeleteOptions = {
  apiVersion?: string;
  dryRun?: string[];
  gracePeriodSeconds?: number;
  ignoreStoreReadErrorWithClusterBreakingPotential?: boolean;
  kind?: string;
  orphanDependents?: boolean;
  preconditions?: Preconditions;
  propagationPolicy?: string;
};

export const FieldSelectorRequirement = struct('io.k8s.apimachinery.pkg.apis.meta.v1.FieldSelectorRequirement', () => ({
  key: required(1, string),
  operator: required(2, string, { goType: 'v1.FieldSelectorOperator' }),
  values: optional(3, list(string), { listType: 'atomic' }),
}));
export type FieldSelectorRequirement = {
  key: string;
  operator: string;
  values?: string[];
};

export const GroupVersionForDiscovery = struct('io.k8s.apimachinery.pkg.apis.meta.v1.GroupVersionForDiscovery', () => ({
  groupVersion: required(1, string),
  version: required(2, string),
}));
export type GroupVersionForDiscovery = {
  groupVersion: string;
  version: string;
};

export const LabelSelector = struct('io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector', () => ({
  matchExpressions: optional(2, list(LabelSelectorRequirement), { listType: 'atomic' }),
  matchLabels: optional(1, mapOf(string)),
}), { mapType: 'atomic' });
export type LabelSelector = {
  matchExpressions?: LabelSelectorRequirement[];
  matchLabels?: Record<string, string>;
};

export const LabelSelectorRequirement = struct('io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement', () => ({
  key: required(1, string),
  operator: required(2, string, { goType: 'v1.LabelSelectorOperator' }),
  values: optional(3, list(string), { listType: 'atomic' }),
}));
export type LabelSelectorRequirement = {
  key: string;
  operator: string;
  values?: string[];
};

export const ListMeta = struct('io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta', () => ({
  continue: optional(3, string),
  remainingItemCount: optional(4, int64, { pointer: true }),
  resourceVersion: optional(2, string),
  selfLink: optional(1, string),
  shardInfo: optional(5, ShardInfo),
}));
export type ListMeta = {
  continue?: string;
  remainingItemCount?: number;
  resourceVersion?: string;
  selfLink?: string;
  shardInfo?: ShardInfo;
};

export const ManagedFieldsEntry = struct('io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry', () => ({
  apiVersion: optional(3, string),
  fieldsType: optional(6, string),
  fieldsV1: optional(7, namedObject('io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1')),
  manager: optional(1, string),
  operation: optional(2, string, { goType: 'v1.ManagedFieldsOperationType' }),
  subresource: optional(8, string),
  time: optional(4, time),
}));
export type ManagedFieldsEntry = {
  apiVersion?: string;
  fieldsType?: string;
  fieldsV1?: Record<string, unknown>;
  manager?: string;
  operation?: string;
  subresource?: string;
  time?: string;
};

export const ObjectMeta = struct('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta', () => ({
  annotations: optional(12, mapOf(string)),
  creationTimestamp: optional(8, time),
  deletionGracePeriodSeconds: optional(10, int64, { pointer: true }),
  deletionTimestamp: optional(9, time),
  finalizers: optional(14, list(string), { listType: 'set', patchStrategy: 'merge' }),
  generateName: optional(2, string),
  generation: optional(7, int64),
  labels: optional(11, mapOf(string)),
  managedFields: optional(17, list(ManagedFieldsEntry), { listType: 'atomic' }),
  name: optional(1, string),
  namespace: optional(3, string),
  ownerReferences: optional(13, list(OwnerReference), { listType: 'map', listMapKeys: ['uid'], patchMergeKey: 'uid', patchStrategy: 'merge' }),
  resourceVersion: optional(6, string),
  selfLink: optional(4, string),
  uid: optional(5, string, { goType: 'types.UID' }),
}));
export type ObjectMeta = {
  annotations?: Record<string, string>;
  creationTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  deletionTimestamp?: string;
  finalizers?: string[];
  generateName?: string;
  generation?: number;
  labels?: Record<string, string>;
  managedFields?: ManagedFieldsEntry[];
  name?: string;
  namespace?: string;
  ownerReferences?: OwnerReference[];
  resourceVersion?: string;
  selfLink?: string;
  uid?: string;
};

export const OwnerReference = struct('io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference', () => ({
  apiVersion: required(5, string),
  kind: required(1, string),
  name: required(3, string),
  uid: required(4, string, { goType: 'types.UID' }),
  blockOwnerDeletion: optional(7, boolean, { pointer: true }),
  controller: optional(6, boolean, { pointer: true }),
}), { mapType: 'atomic' });
export type OwnerReference = {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  blockOwnerDeletion?: boolean;
  controller?: boolean;
};

export const Preconditions = struct('io.k8s.apimachinery.pkg.apis.meta.v1.Preconditions', () => ({
  resourceVersion: optional(2, string, { pointer: true }),
  uid: optional(1, string, { pointer: true, goType: 'types.UID' }),
}));
export type Preconditions = {
  resourceVersion?: string;
  uid?: string;
};

export const ServerAddressByClientCIDR = struct('io.k8s.apimachinery.pkg.apis.meta.v1.ServerAddressByClientCIDR', () => ({
  clientCIDR: required(1, string),
  serverAddress: required(2, string),
}));
export type ServerAddressByClientCIDR = {
  clientCIDR: string;
  serverAddress: string;
};

export const ShardInfo = struct('io.k8s.apimachinery.pkg.apis.meta.v1.ShardInfo', () => ({
  selector: required(1, string),
}));
export type ShardInfo = {
  selector: string;
};

export const Status = struct('io.k8s.apimachinery.pkg.apis.meta.v1.Status', () => ({
  apiVersion: optional(undefined, string),
  code: optional(6, int32),
  details: optional(5, StatusDetails),
  kind: optional(undefined, string),
  message: optional(3, string),
  metadata: optional(1, ListMeta, { always: true }),
  reason: optional(4, string, { goType: 'v1.StatusReason' }),
  status: optional(2, string),
}));
export type Status = {
  apiVersion?: string;
  code?: number;
  details?: StatusDetails;
  kind?: string;
  message?: string;
  metadata?: ListMeta;
  reason?: string;
  status?: string;
};

export const StatusCause = struct('io.k8s.apimachinery.pkg.apis.meta.v1.StatusCause', () => ({
  field: optional(3, string),
  message: optional(2, string),
  reason: optional(1, string, { goType: 'v1.CauseType' }),
}));
export type StatusCause = {
  field?: string;
  message?: string;
  reason?: string;
};

export const StatusDetails = struct('io.k8s.apimachinery.pkg.apis.meta.v1.StatusDetails', () => ({
  causes: optional(4, list(StatusCause), { listType: 'atomic' }),
  group: optional(2, string),
  kind: optional(3, string),
  name: optional(1, string),
  retryAfterSeconds: optional(5, int32),
  uid: optional(6, string, { goType: 'types.UID' }),
}));
export type StatusDetails = {
  causes?: StatusCause[];
  group?: string;
  kind?: string;
  name?: string;
  retryAfterSeconds?: number;
  uid?: string;
};

export const WatchEvent = struct('io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent', () => ({
  object: required(2, namedObject('io.k8s.apimachinery.pkg.runtime.RawExtension')),
  type: required(1, string),
}));
export type WatchEvent = {
  object: Record<string, unknown>;
  type: string;
};
