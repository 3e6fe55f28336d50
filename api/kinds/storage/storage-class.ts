import { ageColumn, text } from '../../machinery/columns.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import {
  addErrors,
  duplicate,
  type FieldError,
  immutableField,
  invalid,
  notSupported,
  required,
} from '../../machinery/field-error.ts';
import type { Column } from '../../machinery/kind.ts';
import { validateQualifiedName } from '../../machinery/names.ts';
import { own } from '../../machinery/own.ts';
import type { TopologySelectorTerm } from '../../types/core/v1.gen.ts';
import { StorageClass } from '../../types/storage/v1.gen.ts';
import { deprecatedNodeLabel } from '../core/node-label-warnings.ts';
import { validateParameters, validateProvisioner } from './driver-parameters.ts';

/** Of the class that claims get which name none; the second is its older name. */
const DEFAULT_ANNOTATIONS = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

export const isDefaultClass = ({ metadata }: StorageClass): boolean =>
  DEFAULT_ANNOTATIONS.some((annotation) => own(metadata?.annotations, annotation) === 'true');

function validateTopologies(terms: readonly TopologySelectorTerm[]): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, { matchLabelExpressions = [] }] of terms.entries()) {
    const path = `allowedTopologies[${index}].matchLabelExpressions`;
    const keys = new Set<string>();
    for (const [at, { key, values: items }] of matchLabelExpressions.entries()) {
      const values = present(items);
      const here = `${path}[${at}]`;
      if (values.length === 0) errors.push(required(`${here}.values`));
      const given = new Set<string>();
      for (const [place, value] of values.entries()) {
        if (given.has(value)) errors.push(duplicate(`${here}.values[${place}]`, value));
        given.add(value);
      }
      for (const problem of validateQualifiedName(key)) errors.push(invalid(`${here}.key`, key, problem));
      if (keys.has(key)) errors.push(duplicate(`${here}.key`, key));
      keys.add(key);
    }
    const term = matchLabelExpressions.map(({ key, values }) => [key, [...present(values)].sort()] as const).sort();
    // As text: they are compared with all others.
    const text = JSON.stringify(term);
    // As upstream, a term without expressions is one of those that all terms are compared with.
    if (seen.has(text) || term.length === 0) errors.push(duplicate(path, ''));
    seen.add(text);
  }
  return errors;
}

/** A required list that is absent or empty is decoded as null. */
const present = <T>(list: readonly T[] | null): readonly T[] => list ?? [];

const nameColumn: Column<StorageClass> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  priority: 0,
  description: 'The name of the class; the default one is marked.',
  cell: (storage) => `${storage.metadata?.name ?? ''}${isDefaultClass(storage) ? ' (default)' : ''}`,
};

/** https://kubernetes.io/docs/concepts/storage/storage-classes/ */
export const storageClasses = defineKind<StorageClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  shortNames: ['sc'],
  namespaced: false,
  returnDeletedObject: true,
  schema: StorageClass,
  columns: [
    nameColumn,
    text('Provisioner', ({ provisioner }) => provisioner),
    text('ReclaimPolicy', ({ reclaimPolicy }) => reclaimPolicy),
    text('VolumeBindingMode', ({ volumeBindingMode }) => volumeBindingMode),
    text('AllowVolumeExpansion', ({ allowVolumeExpansion = false }) => allowVolumeExpansion),
    ageColumn(),
  ],
  applyDefaults: (storage) => {
    storage.reclaimPolicy ??= 'Delete';
    storage.volumeBindingMode ??= 'Immediate';
  },
  warnings: ({ allowedTopologies = [] }) =>
    allowedTopologies.flatMap(({ matchLabelExpressions = [] }, index) =>
      matchLabelExpressions.flatMap(({ key }, place) => {
        const why = deprecatedNodeLabel(key);
        return why === undefined ? [] : [`allowedTopologies[${index}].matchLabelExpressions[${place}].key: ${why}`];
      }),
    ),
  validate: ({ provisioner, parameters = {}, reclaimPolicy, volumeBindingMode, allowedTopologies = [] }) => {
    const errors = validateProvisioner(provisioner, 'provisioner');
    addErrors(errors, validateParameters(parameters, 'parameters'));
    const words = { reclaimPolicy: ['Delete', 'Retain'], volumeBindingMode: ['Immediate', 'WaitForFirstConsumer'] };
    if (reclaimPolicy && !words.reclaimPolicy.includes(reclaimPolicy))
      errors.push(notSupported('reclaimPolicy', reclaimPolicy, words.reclaimPolicy));
    if (volumeBindingMode !== undefined && !words.volumeBindingMode.includes(volumeBindingMode))
      errors.push(notSupported('volumeBindingMode', volumeBindingMode, words.volumeBindingMode));
    addErrors(errors, validateTopologies(allowedTopologies));
    return errors;
  },
  validateUpdate: (storage, old) =>
    (['parameters', 'provisioner', 'reclaimPolicy', 'volumeBindingMode'] as const)
      .filter((field) => !deepEqual(storage[field] ?? {}, old[field] ?? {}))
      .map((field) => immutableField(field, storage[field])),
});
