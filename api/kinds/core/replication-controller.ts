import { ageColumn, integer, nameColumn } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, type FieldError, required } from '../../machinery/field-error.ts';
import { validateGeneratedName } from '../../machinery/names.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import {
  containerColumns,
  nameWarnings,
  selectorColumn,
  templateWarnings,
  validateLastingTemplate,
  validateMatch,
  validateReplicaCounts,
} from '../apps/workload.ts';
import { scaleBy } from '../autoscaling/scale.ts';
import { applyPodTemplateDefaults } from './pod-defaults.ts';
import { ReplicationController } from '../../types/core/v1.gen.ts';
import type { LabelSelector } from '../../types/meta/v1.gen.ts';

/** Its selector is a map of labels. */
export const selectorOf = ({ spec }: ReplicationController): LabelSelector => ({ matchLabels: spec?.selector ?? {} });

const isEmpty = (labels: object | undefined): boolean => Object.keys(labels ?? {}).length === 0;

/** The labels of the template are the default of both the selector and the controller's own labels. */
function applyDefaults({ metadata, spec }: ReplicationController): void {
  if (!spec) return;
  spec.replicas ??= 1;
  applyPodTemplateDefaults(spec.template);
  const labels = spec.template?.metadata?.labels;
  if (!labels) return;
  if (isEmpty(spec.selector)) spec.selector = { ...labels };
  if (metadata && isEmpty(metadata.labels)) metadata.labels = { ...labels };
}

function validate(controller: ReplicationController, old?: ReplicationController): FieldError[] {
  const template = controller.spec?.template;
  const errors: FieldError[] = [];
  if (isEmpty(controller.spec?.selector)) errors.push(required('spec.selector'));
  else if (template) addErrors(errors, validateMatch(selectorOf(controller), template));
  addErrors(errors, validateLastingTemplate(template, 'ReplicationController', old?.spec?.template));
  return errors;
}

export const replicationControllers = defineKind<ReplicationController>({
  group: '',
  version: 'v1',
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  shortNames: ['rc'],
  categories: ['all'],
  namespaced: true,
  validateName: validateGeneratedName,
  schema: ReplicationController,
  subresources: [scaleBy(selectorOf), statusSubresource({ validate: ({ status }) => validateReplicaCounts(status) })],
  hasGeneration: true,
  deletion: { orphansDependents: true },
  selectableFields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  columns: [
    nameColumn(),
    integer('Desired', ({ spec }) => spec?.replicas ?? 0),
    integer('Current', ({ status }) => status?.replicas ?? 0),
    integer('Ready', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn(),
    ...containerColumns<ReplicationController>(({ spec }) => spec?.template),
    selectorColumn(selectorOf),
  ],
  applyDefaults,
  prepareForCreate: (controller) => {
    controller.status = { replicas: 0 };
  },
  validate,
  warnings: (controller, old) => [
    ...nameWarnings(controller, old),
    // As upstream, an update warns of the template that was there before it.
    ...templateWarnings((old ?? controller).spec?.template, 'spec.template', controller, old),
  ],
});
