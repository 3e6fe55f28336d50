import { defineKind } from '../machinery/define-kind.ts';
import { always, boolean, bytes, mapOf, pointer, string, stringMap, struct, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const Secret = struct(
  'io.k8s.api.core.v1.Secret',
  {},
  {
    apiVersion: string(),
    data: mapOf(bytes()),
    immutable: pointer(boolean()),
    kind: string(),
    metadata: always(ObjectMeta),
    stringData: stringMap(),
    type: string(),
  },
);
export type Secret = Static<typeof Secret>;

export const secrets = defineKind<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
  schema: Secret,
});
