import { ageColumn, integer, nameColumn } from '../../machinery/columns.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import {
  addErrors,
  duplicate,
  type FieldError,
  immutableField,
  invalid,
  required,
} from '../../machinery/field-error.ts';
import { goValue } from '../../machinery/go-value.ts';
import { validateQualifiedName } from '../../machinery/names.ts';
import { CSINode, CSINodeDriver } from '../../types/storage/v1.gen.ts';
import { validateDriverName } from './driver-parameters.ts';

const MAX_NODE_ID = 256;

function validateDriver({ name, nodeID, allocatable, topologyKeys }: CSINodeDriver, path: string): FieldError[] {
  const errors = validateDriverName(name, `${path}.name`);
  if (nodeID === '') errors.push(required(`${path}.nodeID`));
  if (nodeID.length > MAX_NODE_ID)
    errors.push(invalid(`${path}.nodeID`, nodeID, `must be ${MAX_NODE_ID} characters or less`));
  const count = allocatable?.count ?? 0;
  if (count < 0) errors.push(invalid(`${path}.allocatable.count`, count, 'must be greater than or equal to 0'));
  const seen = new Set<string>();
  for (const key of topologyKeys ?? []) {
    if (key === '') errors.push(required(path));
    if (seen.has(key)) errors.push(duplicate(path, key));
    seen.add(key);
    for (const problem of validateQualifiedName(key)) errors.push(invalid(path, key, problem));
  }
  return errors;
}

const orEmpty = <T>(list: readonly T[] | null): readonly T[] => list ?? [];

/** A list that is absent is decoded as null. */
const driversOf = ({ spec }: CSINode): readonly CSINodeDriver[] => orEmpty(spec.drivers);

/** https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/csi-node-v1/ */
export const csiNodes = defineKind<CSINode>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  plural: 'csinodes',
  namespaced: false,
  returnDeletedObject: true,
  schema: CSINode,
  unconditionalUpdate: false,
  columns: [nameColumn(), integer('Drivers', (node) => driversOf(node).length), ageColumn()],
  validate: (node) => {
    const errors: FieldError[] = [];
    const names = new Set<string>();
    for (const [index, driver] of driversOf(node).entries()) {
      const path = `spec.drivers[${index}]`;
      addErrors(errors, validateDriver(driver, path));
      if (names.has(driver.name)) errors.push(duplicate(`${path}.name`, driver.name));
      names.add(driver.name);
    }
    return errors;
  },
  /** Of a driver that stays, only the number of volumes may change. */
  validateUpdate: (node, old) => {
    const before = new Map(driversOf(old).map((driver) => [driver.name, driver]));
    return driversOf(node)
      .map((driver) => ({ ...driver, allocatable: undefined }))
      .filter(({ name, ...fields }) => {
        const known = before.get(name);
        return known && !deepEqual({ name, ...fields }, { ...known, allocatable: undefined });
      })
      .map((driver) => immutableField('spec.drivers', goValue(CSINodeDriver, driver)));
  },
});
