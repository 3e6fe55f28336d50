import { defineKind } from '../machinery/define-kind.ts';
import { always, int32, int64, merged, pointer, string, struct, time, type Static } from '../machinery/schema.ts';
import { PodTemplateSpec } from '../core/pod-spec.ts';
import { LabelSelector } from '../meta/label-selector.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const ReplicaSetSpec = struct(
  'io.k8s.api.apps.v1.ReplicaSetSpec',
  {
    selector: LabelSelector,
  },
  {
    minReadySeconds: int32(),
    replicas: pointer(int32()),
    template: always(PodTemplateSpec),
  },
);
export type ReplicaSetSpec = Static<typeof ReplicaSetSpec>;

export const ReplicaSetCondition = struct(
  'io.k8s.api.apps.v1.ReplicaSetCondition',
  {
    status: string(),
    type: string(),
  },
  {
    lastTransitionTime: always(time()),
    message: string(),
    reason: string(),
  },
);
export type ReplicaSetCondition = Static<typeof ReplicaSetCondition>;

export const ReplicaSetStatus = struct(
  'io.k8s.api.apps.v1.ReplicaSetStatus',
  {
    replicas: int32(),
  },
  {
    availableReplicas: int32(),
    conditions: merged(ReplicaSetCondition, 'type'),
    fullyLabeledReplicas: int32(),
    observedGeneration: int64(),
    readyReplicas: int32(),
    terminatingReplicas: pointer(int32()),
  },
);
export type ReplicaSetStatus = Static<typeof ReplicaSetStatus>;

export const ReplicaSet = struct(
  'io.k8s.api.apps.v1.ReplicaSet',
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    spec: always(ReplicaSetSpec),
    status: always(ReplicaSetStatus),
  },
);
export type ReplicaSet = Static<typeof ReplicaSet>;

export const replicaSets = defineKind<ReplicaSet>({
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  shortNames: ['rs'],
  categories: ['all'],
  namespaced: true,
  schema: ReplicaSet,
  subresources: [
    { name: 'scale', verbs: ['get', 'patch', 'update'], group: 'autoscaling', version: 'v1', kind: 'Scale' },
    { name: 'status', verbs: ['get', 'patch', 'update'] },
  ],
});
