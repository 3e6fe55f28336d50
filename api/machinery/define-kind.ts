import { constraintsOf, immutabilityOf } from './constraints.ts';
import { decoderOf } from './schema-decoder.ts';
import { mergeErrors } from './error-order.ts';
import { addErrors, type FieldError } from './field-error.ts';
import {
  isStoredSubresource,
  type Kind,
  type KindDefinition,
  type KubeObject,
  type StoredAs,
  type Subresource,
} from './kind.ts';
import { validateSubdomainName } from './names.ts';
import { lazy } from './lazy.ts';
import { own } from './own.ts';
import type { Shape } from './schema.ts';

const nothing = (): void => {};
const noErrors = (): [] => [];

const STATUS = 'status';

type Validate<T> = (object: T, old?: T) => FieldError[];

type Merge = (constraints: FieldError[], others: readonly FieldError[]) => FieldError[];

/** Validation by the constraints of some fields, and by the kind. */
function withConstraints<T extends object>(
  schema: Shape,
  isChecked: (field: string) => boolean,
  merge: Merge,
  validate?: Validate<T>,
): Validate<T> {
  const constraints = lazy(() => constraintsOf(schema, isChecked));
  return (object, old) => {
    const errors = constraints()?.(object) ?? [];
    return validate ? merge(errors, validate(object, old)) : errors;
  };
}

/** The status is validated when it is written: by updates of the subresource, if there is one. */
const checkedStatus = <T extends KubeObject>(schema: Shape, subresource: Subresource<T>): Subresource<T> =>
  subresource.name === STATUS && isStoredSubresource(subresource)
    ? {
        ...subresource,
        update: {
          ...subresource.update,
          validate: withConstraints<T>(
            schema,
            (field) => field === STATUS,
            // Whether counts agree is told after whether each is one.
            (errors, others) => [...errors, ...others],
            (object, old = object) => subresource.update.validate(object, old),
          ),
        },
      }
    : subresource;

/** Selectable fields of a version that is not stored are read from the stored version, which is indexed. */
const readersOf = <T extends KubeObject>(storedAs: StoredAs<T>): Kind<T>['selectableFields'] =>
  Object.fromEntries(
    Object.entries(storedAs.fields).map(([field, stored]) => {
      const read = own(storedAs.kind.selectableFields, stored);
      if (!read)
        throw new Error(`${apiVersionOf(storedAs.kind)} ${storedAs.kind.kind} has no selectable field ${stored}`);
      return [field, (object: T) => read(storedAs.toStored(object))];
    }),
  );

/** Completes the definition of a kind with defaults, and its validation with the constraints of its schema. */
export function defineKind<T extends KubeObject>(definition: KindDefinition<T>): Kind<T> {
  const { schema, subresources = [], validateUpdate, storedAs } = definition;
  const hasStatus = subresources.some(({ name }) => name === STATUS);
  const immutability = lazy(() => immutabilityOf(schema));
  return {
    singular: definition.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    subresources: [],
    columns: [],
    selectableFields: storedAs ? readersOf(storedAs) : {},
    hasGeneration: false,
    validateName: validateSubdomainName,
    createOnUpdate: false,
    unconditionalUpdate: true,
    returnDeletedObject: false,
    applyDefaults: nothing,
    prepareForCreate: nothing,
    prepareForUpdate: nothing,
    warnings: noErrors,
    decode: decoderOf(definition.schema),
    ...definition,
    deletion: {
      graceSeconds: () => 0,
      isHeld: () => false,
      markDeleted: nothing,
      orphansDependents: false,
      ...definition.deletion,
    },
    ...(hasStatus && { subresources: subresources.map((subresource) => checkedStatus(schema, subresource)) }),
    validate: withConstraints<T>(
      schema,
      (field) => !hasStatus || field !== STATUS,
      (errors, others) => mergeErrors(schema, errors, others),
      definition.validate,
    ),
    validateUpdate: (object, old) => {
      const errors = immutability()?.(object, old) ?? [];
      if (validateUpdate) addErrors(errors, validateUpdate(object, old));
      return errors;
    },
  };
}

/** `apps/v1`, or `v1` for the core group. */
export const apiVersionOf = ({ group, version }: { group: string; version: string }): string =>
  group ? `${group}/${version}` : version;

/** The kind of its lists. */
export const listKindOf = ({ kind, listKind = `${kind}List` }: Pick<Kind, 'kind' | 'listKind'>): string => listKind;

/** `deployments.apps`, or `pods` for the core group: how upstream's messages name a resource. */
export const groupResource = ({ group, plural }: { group: string; plural: string }): string =>
  group ? `${plural}.${group}` : plural;
