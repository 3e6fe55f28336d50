import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { type FieldError, invalid } from '../../machinery/field-error.ts';
import { validateConfigKeys, validateImmutable, validateTotalSize } from './config-data.ts';
import { ConfigMap } from '../../types/core/v1.gen.ts';

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
