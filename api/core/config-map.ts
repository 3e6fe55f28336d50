import { defineKind } from '../machinery/define-kind.ts';
import { always, boolean, bytes, mapOf, pointer, string, stringMap, struct, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { ageColumn, nameColumn, text } from '../machinery/columns.ts';
import { type FieldError, invalid } from '../machinery/field-error.ts';
import { validateConfigKeys, validateImmutable, validateTotalSize } from './config-data.ts';

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

function validate({ data = {}, binaryData = {} }: ConfigMap): FieldError[] {
  const errors = [...validateConfigKeys(data, 'data'), ...validateConfigKeys(binaryData, 'binaryData')];
  for (const key in data) {
    if (Object.hasOwn(binaryData, key)) {
      errors.push(invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'));
    }
  }
  return [...errors, ...validateTotalSize('', data, binaryData)];
}

export const configMaps = defineKind<ConfigMap>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  shortNames: ['cm'],
  namespaced: true,
  schema: ConfigMap,
  columns: [
    nameColumn(),
    text('Data', ({ data, binaryData }) => Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length),
    ageColumn(),
  ],
  validate,
  validateUpdate: (configMap, old) => validateImmutable(configMap, old, ['data', 'binaryData']),
});
