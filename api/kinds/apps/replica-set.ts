import { statusSubresource } from '../../machinery/subresources.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { scaleSubresource } from '../autoscaling/scale.ts';
import { applyPodTemplateDefaults } from '../core/pod-defaults.ts';
import { podWarnings } from '../core/pod-warnings.ts';
import { ageColumn, integer, nameColumn } from '../../machinery/columns.ts';
import { type FieldError, invalid } from '../../machinery/field-error.ts';
import { templateColumns, validateSelectorAndTemplate } from './workload.ts';
import { ReplicaSet } from '../../types/apps/v1.gen.ts';

function validateStatusUpdate({ status }: ReplicaSet): FieldError[] {
  const { replicas = 0, fullyLabeledReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = status ?? {};
  const errors: FieldError[] = [];
  for (const [field, count] of Object.entries({ fullyLabeledReplicas, readyReplicas, availableReplicas })) {
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
  subresources: [scaleSubresource(), statusSubresource({ validate: validateStatusUpdate })],
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
  validate: ({ spec }) => validateSelectorAndTemplate(spec?.selector, spec?.template, 'replicaset'),
  warnings: ({ spec }) => podWarnings(spec?.template?.spec, 'spec.template.spec'),
});
