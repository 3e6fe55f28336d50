import { defineKind } from '../machinery/define-kind.ts';
import { always, string, struct, type Static } from '../machinery/schema.ts';
import { ObjectReference } from './references.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const Binding = struct(
  'io.k8s.api.core.v1.Binding',
  {
    target: ObjectReference,
  },
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
  },
);
export type Binding = Static<typeof Binding>;

export const bindings = defineKind<Binding>({
  group: '',
  version: 'v1',
  kind: 'Binding',
  plural: 'bindings',
  namespaced: true,
  schema: Binding,
  verbs: ['create'],
});
