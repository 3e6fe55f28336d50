import { defineKind } from '../../machinery/define-kind.ts';
import { invalid } from '../../machinery/field-error.ts';
import { Scale } from '../../types/autoscaling/v1.gen.ts';

export const scales = defineKind<Scale>({
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  plural: 'scales',
  namespaced: true,
  schema: Scale,
  verbs: [],
  validate: ({ spec }) =>
    (spec?.replicas ?? 0) < 0 ? [invalid('spec.replicas', spec?.replicas, 'must be greater than or equal to 0')] : [],
});
