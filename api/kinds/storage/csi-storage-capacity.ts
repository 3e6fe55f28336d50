import { createdColumn, nameColumn } from '../../machinery/columns.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, type FieldError, immutableField, invalid } from '../../machinery/field-error.ts';
import { validateSubdomainName } from '../../machinery/names.ts';
import { compareQuantities } from '../../machinery/quantity.ts';
import { validateLabelSelector } from '../../machinery/selectors.ts';
import { nodeLabelSelectorWarnings } from '../core/node-label-warnings.ts';
import { CSIStorageCapacity } from '../../types/storage/v1.gen.ts';

/** https://kubernetes.io/docs/concepts/storage/storage-capacity/ */
export const csiStorageCapacities = defineKind<CSIStorageCapacity>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIStorageCapacity',
  plural: 'csistoragecapacities',
  namespaced: true,
  schema: CSIStorageCapacity,
  unconditionalUpdate: false,
  columns: [nameColumn(), createdColumn()],
  warnings: ({ nodeTopology }) => nodeLabelSelectorWarnings(nodeTopology, 'nodeTopology'),
  validate: ({ nodeTopology, storageClassName, capacity }, old) => {
    const errors: FieldError[] = [];
    // What an update may change needs no check, but for the capacity, which upstream does not check either.
    if (old) return errors;
    if (nodeTopology) addErrors(errors, validateLabelSelector(nodeTopology, 'nodeTopology'));
    for (const problem of validateSubdomainName(storageClassName))
      errors.push(invalid('storageClassName', storageClassName, problem));
    if (capacity !== undefined && compareQuantities(capacity, '0') < 0)
      errors.push(invalid('capacity', capacity, 'must be greater than or equal to 0'));
    return errors;
  },
  validateUpdate: (capacity, old) =>
    (['nodeTopology', 'storageClassName'] as const)
      .filter((field) => !deepEqual(capacity[field], old[field]))
      .map((field) => immutableField(field, capacity[field])),
});
