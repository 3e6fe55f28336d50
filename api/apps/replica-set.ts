import { defineKind } from '../machinery/define-kind.ts';
import { always, int32, int64, merged, pointer, string, struct, time, type Static } from '../machinery/schema.ts';
import { PodTemplateSpec } from '../core/pod-spec.ts';
import { LabelSelector } from '../meta/label-selector.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { applyPodTemplateDefaults } from '../core/pod-defaults.ts';
import { podWarnings } from '../core/pod-warnings.ts';
import { ageColumn, integer, nameColumn } from '../machinery/columns.ts';
import { deepEqual } from '../machinery/deep-equal.ts';
import { addErrors, type FieldError, invalid } from '../machinery/field-error.ts';
import { templateColumns, validateNotNegative, validateSelectorAndTemplate } from './workload.ts';

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

function validateStatusUpdate({ status }: ReplicaSet): FieldError[] {
  const { replicas = 0, fullyLabeledReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = status ?? {};
  const errors = validateNotNegative(replicas, 'status.replicas');
  for (const [field, count] of Object.entries({ fullyLabeledReplicas, readyReplicas, availableReplicas })) {
    addErrors(errors, validateNotNegative(count, `status.${field}`));
    if (count > replicas) errors.push(invalid(`status.${field}`, count, 'cannot be greater than status.replicas'));
  }
  if (availableReplicas > readyReplicas) {
    errors.push(invalid('status.availableReplicas', availableReplicas, 'cannot be greater than readyReplicas'));
  }
  return errors;
}

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
  hasGeneration: true,
  selectableFields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  columns: [
    nameColumn(),
    integer('Desired', ({ spec }) => spec?.replicas ?? 0),
    integer('Current', ({ status }) => status?.replicas ?? 0),
    integer('Ready', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn(),
    ...templateColumns<ReplicaSet>(),
  ],
  applyDefaults: ({ spec }) => {
    if (!spec) return;
    spec.replicas ??= 1;
    applyPodTemplateDefaults(spec.template);
  },
  prepareForCreate: (set) => {
    set.status = { replicas: 0 };
  },
  prepareForUpdate: (set, old) => {
    if (old.status) set.status = old.status;
  },
  prepareForStatusUpdate: (set, old) => {
    if (old.spec) set.spec = old.spec;
  },
  validate: ({ spec }) => [
    ...validateNotNegative(spec?.replicas, 'spec.replicas'),
    ...validateNotNegative(spec?.minReadySeconds, 'spec.minReadySeconds'),
    ...validateSelectorAndTemplate(spec?.selector, spec?.template, 'replicaset'),
  ],
  validateUpdate: ({ spec }, old) =>
    deepEqual(spec?.selector, old.spec?.selector)
      ? []
      : [invalid('spec.selector', spec?.selector, 'field is immutable')],
  validateStatusUpdate,
  warnings: ({ spec }) => podWarnings(spec?.template?.spec, 'spec.template.spec'),
});
