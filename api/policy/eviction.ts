import { defineKind } from '../machinery/define-kind.ts';
import { always, string, struct, type Static } from '../machinery/schema.ts';
import { DeleteOptions } from '../meta/delete-options.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const Eviction = struct(
  'io.k8s.api.policy.v1.Eviction',
  {},
  {
    apiVersion: string(),
    deleteOptions: DeleteOptions,
    kind: string(),
    metadata: always(ObjectMeta),
  },
);
export type Eviction = Static<typeof Eviction>;

export const evictions = defineKind<Eviction>({
  group: 'policy',
  version: 'v1',
  kind: 'Eviction',
  plural: 'evictions',
  namespaced: true,
  schema: Eviction,
  verbs: [],
});
