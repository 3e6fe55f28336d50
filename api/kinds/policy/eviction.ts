import { defineKind } from '../../machinery/define-kind.ts';
import { Eviction } from '../../types/policy/v1.gen.ts';

export const evictions = defineKind<Eviction>({
  group: 'policy',
  version: 'v1',
  kind: 'Eviction',
  plural: 'evictions',
  namespaced: true,
  schema: Eviction,
  // Clients before v1.22 have no other: `kubectl drain`.
  alsoAccepts: ['policy/v1beta1'],
  verbs: [],
});
