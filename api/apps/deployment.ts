import { defineKind } from '../machinery/define-kind.ts';
import {
  always,
  boolean,
  field,
  int32,
  int64,
  intOrString,
  merged,
  oneOf,
  pointer,
  string,
  struct,
  time,
  type Static,
} from '../machinery/schema.ts';
import { PodTemplateSpec } from '../core/pod-spec.ts';
import { LabelSelector } from '../meta/label-selector.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const RollingUpdateDeployment = struct(
  'io.k8s.api.apps.v1.RollingUpdateDeployment',
  {},
  {
    maxSurge: intOrString(),
    maxUnavailable: intOrString(),
  },
);
export type RollingUpdateDeployment = Static<typeof RollingUpdateDeployment>;

export const DeploymentStrategy = struct(
  'io.k8s.api.apps.v1.DeploymentStrategy',
  {},
  {
    rollingUpdate: RollingUpdateDeployment,
    type: oneOf('Recreate', 'RollingUpdate'),
  },
);
export type DeploymentStrategy = Static<typeof DeploymentStrategy>;

export const DeploymentSpec = struct(
  'io.k8s.api.apps.v1.DeploymentSpec',
  {
    selector: LabelSelector,
    template: PodTemplateSpec,
  },
  {
    minReadySeconds: int32(),
    paused: boolean(),
    progressDeadlineSeconds: pointer(int32()),
    replicas: pointer(int32()),
    revisionHistoryLimit: pointer(int32()),
    strategy: always(field(DeploymentStrategy, { patchStrategy: 'retainKeys' })),
  },
);
export type DeploymentSpec = Static<typeof DeploymentSpec>;

export const DeploymentCondition = struct(
  'io.k8s.api.apps.v1.DeploymentCondition',
  {
    status: string(),
    type: string(),
  },
  {
    lastTransitionTime: always(time()),
    lastUpdateTime: always(time()),
    message: string(),
    reason: string(),
  },
);
export type DeploymentCondition = Static<typeof DeploymentCondition>;

export const DeploymentStatus = struct(
  'io.k8s.api.apps.v1.DeploymentStatus',
  {},
  {
    availableReplicas: int32(),
    collisionCount: pointer(int32()),
    conditions: merged(DeploymentCondition, 'type'),
    observedGeneration: int64(),
    readyReplicas: int32(),
    replicas: int32(),
    terminatingReplicas: pointer(int32()),
    unavailableReplicas: int32(),
    updatedReplicas: int32(),
  },
);
export type DeploymentStatus = Static<typeof DeploymentStatus>;

export const Deployment = struct(
  'io.k8s.api.apps.v1.Deployment',
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    spec: always(DeploymentSpec),
    status: always(DeploymentStatus),
  },
);
export type Deployment = Static<typeof Deployment>;

export const deployments = defineKind<Deployment>({
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  shortNames: ['deploy'],
  categories: ['all'],
  namespaced: true,
  schema: Deployment,
  subresources: [
    { name: 'scale', verbs: ['get', 'patch', 'update'], group: 'autoscaling', version: 'v1', kind: 'Scale' },
    { name: 'status', verbs: ['get', 'patch', 'update'] },
  ],
});
