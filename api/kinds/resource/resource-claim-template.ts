import { ageColumn, nameColumn } from '../../machinery/columns.ts';
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { type FieldError, immutableField } from '../../machinery/field-error.ts';
import { validateTemplateMetadata } from '../../machinery/metadata.ts';
import { ResourceClaimTemplate } from '../../types/resource/v1.gen.ts';
import { applyClaimSpecDefaults, validateResourceClaimSpec } from './device-claim.ts';

/** https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#resourceclaims-templates */
export const resourceClaimTemplates = defineKind<ResourceClaimTemplate>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaimTemplate',
  plural: 'resourceclaimtemplates',
  namespaced: true,
  schema: ResourceClaimTemplate,
  returnDeletedObject: true,
  columns: [nameColumn(), ageColumn()],
  applyDefaults: ({ spec }) => applyClaimSpecDefaults(spec.spec),
  validate: ({ spec }) => {
    const errors: FieldError[] = validateTemplateMetadata(spec.metadata, 'spec.metadata');
    validateResourceClaimSpec(spec.spec, 'spec.spec', errors);
    return errors;
  },
  validateUpdate: ({ spec }, old) => (semanticallyEqual(spec, old.spec) ? [] : [immutableField('spec', spec)]),
});
