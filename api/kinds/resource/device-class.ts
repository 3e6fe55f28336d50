import { isExtendedResource } from '../../domain/resource-names.ts';
import { ageColumn, nameColumn } from '../../machinery/columns.ts';
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { type FieldError, invalid } from '../../machinery/field-error.ts';
import { validateGeneratedName } from '../../machinery/names.ts';
import { DeviceClass } from '../../types/resource/v1.gen.ts';
import { MAX_CONFIG, validateConfiguration, validateSelectors } from './device-configuration.ts';
import { DeviceExpressions } from './device-expressions.ts';
import { validateList } from './device-names.ts';

/** https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#deviceclass */
export const deviceClasses = defineKind<DeviceClass>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  plural: 'deviceclasses',
  namespaced: false,
  validateName: validateGeneratedName,
  schema: DeviceClass,
  returnDeletedObject: true,
  hasGeneration: true,
  columns: [nameColumn(), ageColumn()],
  validate: ({ spec }, old) => {
    const errors: FieldError[] = [];
    const { selectors, config, extendedResourceName } = spec;
    validateSelectors(selectors, new DeviceExpressions(), 'spec.selectors', errors);
    const isStored = old !== undefined && semanticallyEqual(config, old.spec.config);
    validateList(config, MAX_CONFIG, 'spec.config', errors, (configuration, path) =>
      validateConfiguration(configuration, path, errors, isStored),
    );
    if (extendedResourceName !== undefined && !isExtendedResource(extendedResourceName)) {
      const why = 'must be a valid extended resource name';
      errors.push(invalid('spec.extendedResourceName', extendedResourceName, why));
    }
    return errors;
  },
});
