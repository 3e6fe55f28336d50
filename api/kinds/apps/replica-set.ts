import { statusSubresource } from '../../machinery/subresources.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { scaleSubresource } from '../autoscaling/scale.ts';
import { applyPodTemplateDefaults } from '../core/pod-defaults.ts';
import { ageColumn, integer, nameColumn } from '../../machinery/columns.ts';
import {
  nameWarnings,
  templateColumns,
  templateWarnings,
  validateLastingTemplate,
  validateReplicaCounts,
  validateSelector,
} from './workload.ts';
import { ReplicaSet } from '../../types/apps/v1.gen.ts';

export const replicaSets = defineKind<ReplicaSet>({
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  shortNames: ['rs'],
  categories: ['all'],
  namespaced: true,
  schema: ReplicaSet,
  subresources: [scaleSubresource(), statusSubresource({ validate: ({ status }) => validateReplicaCounts(status) })],
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
  validate: ({ spec }, old) => [
    // In upstream's words.
    ...validateSelector(spec?.selector, spec?.template, 'deployment'),
    ...validateLastingTemplate(spec?.template, 'ReplicaSet', old?.spec?.template),
  ],
  warnings: (set, old) => [
    ...nameWarnings(set, old),
    ...templateWarnings(set.spec?.template, 'spec.template', set, old),
  ],
});
