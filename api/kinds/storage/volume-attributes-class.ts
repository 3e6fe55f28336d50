import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, type FieldError, forbidden, required } from '../../machinery/field-error.ts';
import { VolumeAttributesClass } from '../../types/storage/v1.gen.ts';
import { validateParameters, validateProvisioner } from './driver-parameters.ts';

/** https://kubernetes.io/docs/concepts/storage/volume-attributes-classes/ */
export const volumeAttributesClasses = defineKind<VolumeAttributesClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttributesClass',
  plural: 'volumeattributesclasses',
  shortNames: ['vac'],
  namespaced: false,
  returnDeletedObject: true,
  schema: VolumeAttributesClass,
  columns: [nameColumn(), text('DriverName', ({ driverName }) => driverName), ageColumn()],
  validate: ({ driverName, parameters = {} }) => {
    const errors = validateProvisioner(driverName, 'driverName');
    addErrors(errors, validateParameters(parameters, 'parameters'));
    if (Object.keys(parameters).length === 0)
      errors.push(required('parameters', 'must contain at least one key/value pair'));
    return errors;
  },
  validateUpdate: (attributes, old) => {
    const errors: FieldError[] = [];
    if (attributes.driverName !== old.driverName)
      errors.push(forbidden('driverName', 'updates to driverName are forbidden.'));
    if (!deepEqual(attributes.parameters, old.parameters))
      errors.push(forbidden('parameters', 'updates to parameters are forbidden.'));
    return errors;
  },
});
