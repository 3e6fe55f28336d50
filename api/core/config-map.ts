import { defineKind } from '../machinery/define-kind.ts';
import { always, boolean, bytes, mapOf, pointer, string, stringMap, struct, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const ConfigMap = struct(
  'io.k8s.api.core.v1.ConfigMap',
  {},
  {
    apiVersion: string(),
    binaryData: mapOf(bytes()),
    data: stringMap(),
    immutable: pointer(boolean()),
    kind: string(),
    metadata: always(ObjectMeta),
  },
);
export type ConfigMap = Static<typeof ConfigMap>;

export const configMaps = defineKind<ConfigMap>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  shortNames: ['cm'],
  namespaced: true,
  schema: ConfigMap,
});
