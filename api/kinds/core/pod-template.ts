import { nameColumn, text } from '../../machinery/columns.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { formatLabels } from '../../machinery/selectors.ts';
import { applyPodTemplateDefaults } from './pod-defaults.ts';
import { validatePodTemplate } from './pod-validation.ts';
import { podTemplateWarnings } from './pod-warnings.ts';
import { PodTemplate } from '../../types/core/v1.gen.ts';

const containersOf = ({ template }: PodTemplate) => template?.spec?.containers ?? [];

export const podTemplates = defineKind<PodTemplate>({
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  namespaced: true,
  schema: PodTemplate,
  returnDeletedObject: true,
  hasGeneration: true,
  columns: [
    nameColumn(),
    text('Containers', (object) =>
      containersOf(object)
        .map(({ name }) => name)
        .join(','),
    ),
    text('Images', (object) =>
      containersOf(object)
        .map(({ image }) => image ?? '')
        .join(','),
    ),
    text('Pod Labels', ({ template }) => formatLabels(template?.metadata?.labels)),
  ],
  applyDefaults: ({ template }) => applyPodTemplateDefaults(template),
  // It has no spec: the generation counts the changes of the template.
  prepareForUpdate: ({ metadata, template }, old) => {
    if (metadata && !deepEqual(template, old.template)) metadata.generation = (old.metadata?.generation ?? 0) + 1;
  },
  validate: ({ template = {} }, old) => validatePodTemplate(template, 'template', old?.template),
  warnings: ({ metadata, template }, old) =>
    old && old.metadata?.generation === metadata?.generation ? [] : podTemplateWarnings(template, 'template'),
});
