import { nameColumn, text } from '../machinery/columns.ts';
import { defineKind } from '../machinery/define-kind.ts';
import { always, string, struct, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { applyPodTemplateDefaults } from './pod-defaults.ts';
import { PodTemplateSpec } from './pod-spec.ts';
import { validatePodTemplate } from './pod-validation.ts';
import { podWarnings } from './pod-warnings.ts';

export const PodTemplate = struct(
  'io.k8s.api.core.v1.PodTemplate',
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    template: always(PodTemplateSpec),
  },
);
export type PodTemplate = Static<typeof PodTemplate>;

const containersOf = ({ template }: PodTemplate) => template?.spec?.containers ?? [];

export const podTemplates = defineKind<PodTemplate>({
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  namespaced: true,
  schema: PodTemplate,
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
    text('Pod Labels', ({ template }) => {
      const labels = Object.entries(template?.metadata?.labels ?? {});
      return labels.map(([key, value]) => `${key}=${value}`).join(',') || '<none>';
    }),
  ],
  applyDefaults: ({ template }) => applyPodTemplateDefaults(template),
  validate: ({ template }) => (template ? validatePodTemplate(template, 'template') : []),
  warnings: ({ template }) => podWarnings(template?.spec, 'template.spec'),
});
