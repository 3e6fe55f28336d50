import { always, quantity, string, struct, type Static } from '../machinery/schema.ts';

export const ObjectFieldSelector = struct(
  'io.k8s.api.core.v1.ObjectFieldSelector',
  {
    fieldPath: string(),
  },
  {
    apiVersion: string(),
  },
  { mapType: 'atomic' },
);
export type ObjectFieldSelector = Static<typeof ObjectFieldSelector>;

export const ResourceFieldSelector = struct(
  'io.k8s.api.core.v1.ResourceFieldSelector',
  {
    resource: string(),
  },
  {
    containerName: string(),
    divisor: always(quantity()),
  },
  { mapType: 'atomic' },
);
export type ResourceFieldSelector = Static<typeof ResourceFieldSelector>;

export const LocalObjectReference = struct(
  'io.k8s.api.core.v1.LocalObjectReference',
  {},
  {
    name: string(),
  },
  { mapType: 'atomic' },
);
export type LocalObjectReference = Static<typeof LocalObjectReference>;

export const ObjectReference = struct(
  'io.k8s.api.core.v1.ObjectReference',
  {},
  {
    apiVersion: string(),
    fieldPath: string(),
    kind: string(),
    name: string(),
    namespace: string(),
    resourceVersion: string(),
    uid: string(),
  },
  { mapType: 'atomic' },
);
export type ObjectReference = Static<typeof ObjectReference>;

export const EventSource = struct(
  'io.k8s.api.core.v1.EventSource',
  {},
  {
    component: string(),
    host: string(),
  },
);
export type EventSource = Static<typeof EventSource>;
