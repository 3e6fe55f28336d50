import { defineKind } from '../../machinery/define-kind.ts';
import { Binding } from '../../types/core/v1.gen.ts';

export const bindings = defineKind<Binding>({
  group: '',
  version: 'v1',
  kind: 'Binding',
  plural: 'bindings',
  namespaced: true,
  schema: Binding,
  verbs: ['create'],
  action: 'bindings',
});
