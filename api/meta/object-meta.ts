import {
  anyObject,
  atomic,
  boolean,
  int64,
  merged,
  pointer,
  setOf,
  string,
  stringMap,
  struct,
  time,
  type Static,
} from '../machinery/schema.ts';

export const ManagedFieldsEntry = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry',
  {},
  {
    apiVersion: string(),
    fieldsType: string(),
    fieldsV1: anyObject(),
    manager: string(),
    operation: string(),
    subresource: string(),
    time: time(),
  },
);
export type ManagedFieldsEntry = Static<typeof ManagedFieldsEntry>;

export const OwnerReference = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference',
  {
    apiVersion: string(),
    kind: string(),
    name: string(),
    uid: string(),
  },
  {
    blockOwnerDeletion: pointer(boolean()),
    controller: pointer(boolean()),
  },
  { mapType: 'atomic' },
);
export type OwnerReference = Static<typeof OwnerReference>;

export const ObjectMeta = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta',
  {},
  {
    annotations: stringMap(),
    creationTimestamp: time(),
    deletionGracePeriodSeconds: pointer(int64()),
    deletionTimestamp: time(),
    finalizers: setOf(string(), { patchStrategy: 'merge' }),
    generateName: string(),
    generation: int64(),
    labels: stringMap(),
    managedFields: atomic(ManagedFieldsEntry),
    name: string(),
    namespace: string(),
    ownerReferences: merged(OwnerReference, 'uid'),
    resourceVersion: string(),
    selfLink: string(),
    uid: string(),
  },
);
export type ObjectMeta = Static<typeof ObjectMeta>;
