import { defineKind } from '../../machinery/define-kind.ts';
import { Scale } from '../../types/autoscaling/v1.gen.ts';

export const scales = defineKind<Scale>({
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  plural: 'scales',
  namespaced: true,
  schema: Scale,
  verbs: [],
});
