/** The kind that a version of a CustomResourceDefinition defines: its strategy, made of the definition. */
import { compileSchemaRules, type RuleTimings } from '../../machinery/cel/schema-rules.ts';
import { ageColumn, nameColumn } from '../../machinery/columns.ts';
import { compareText } from '../../machinery/compare-text.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { ageOf } from '../../machinery/duration.ts';
import { addErrors, type FieldError, type FieldErrorType, invalid } from '../../machinery/field-error.ts';
import { type Step, parseJsonPath, valuesAt } from '../../machinery/json-path.ts';
import type {
  Column,
  Kind,
  KubeObject,
  ScaleSubresource,
  StoredAs,
  Subresource,
  Verb,
  WebhookConversion,
} from '../../machinery/kind.ts';
import { isJsonObject, own, setOwn } from '../../machinery/own.ts';
import { isQualifiedFinalizer } from '../../machinery/metadata.ts';
import { optional, string, struct } from '../../machinery/schema.ts';
import { applyStructuralDefaults, completeStored } from '../../machinery/structural/defaults.ts';
import { resourceFieldType } from '../../machinery/structural/field-type.ts';
import { prune } from '../../machinery/structural/prune.ts';
import { structuralOf } from '../../machinery/structural/structural.ts';
import { compileSchema } from '../../machinery/structural/validate.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
  CustomResourceSubresourceScale,
} from '../../types/apiextensions/v1.gen.ts';
import { ObjectMeta } from '../../types/meta/v1.gen.ts';
import { scales } from '../autoscaling/scale.ts';

const VERBS: readonly Verb[] = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** With errors of these types, a value may not be what the types of rules say. */
const BLOCKING: ReadonlySet<FieldErrorType> = new Set<FieldErrorType>([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);
const UNCHECKED_RULES =
  'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';

type Custom = KubeObject & Record<string, unknown>;

/** How clients name the schema: `com.example.stable.v1.CronTab`. */
const definitionName = (group: string, version: string, kind: string): string =>
  [...group.split('.').reverse(), version, kind].join('.');

/** Of a path in dot notation, `.spec.replicas`: nothing else may be there, whatever kubectl would make of it. */
const stepsOf = (path: string): readonly Step[] => path.slice(1).split('.');

/**
 * Makes the kind of a version. @param stored of the version that is stored, for all others.
 * @param isTerminating whether instances can no longer be created.
 * @param convert when a webhook converts between the versions.
 * @param timings told how long the rules take.
 */
export function customKind(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  stored: Kind | undefined,
  isTerminating: boolean,
  convert?: WebhookConversion['convert'],
  timings?: RuleTimings,
): Kind {
  const { group, scope } = definition.spec;
  const names = definition.status?.acceptedNames ?? definition.spec.names;
  const props = version.schema?.openAPIV3Schema ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const schema = structuralOf(props);
  const check = compileSchema(props);
  const checkRules = compileSchemaRules(schema, true, timings);
  /** By the object that was validated: its rules are not evaluated again for the warnings. */
  const tolerated = new WeakMap<Custom, readonly FieldError[]>();
  const hasStatus = version.subresources?.status !== undefined;
  const validate = (object: Custom, old?: Custom): FieldError[] => {
    const errors: FieldError[] = [];
    check(object, '', errors, old);
    if (!checkRules) return errors;
    if (errors.some(({ type }) => BLOCKING.has(type))) errors.push(invalid('<nil>', null, UNCHECKED_RULES));
    else {
      const found = checkRules(object, old);
      addErrors(errors, found.errors);
      if (found.tolerated.length > 0) tolerated.set(object, found.tolerated);
    }
    return errors;
  };
  const toleratedWarnings = (object: Custom): string[] =>
    (tolerated.get(object) ?? []).map(({ field, message }) => `${field}: ${message}`);
  const apiVersion = `${group}/${version.name}`;
  const kind: Kind<Custom> = defineKind<Custom>({
    group,
    version: version.name,
    kind: names.kind,
    plural: names.plural,
    ...(names.singular && { singular: names.singular }),
    ...(names.listKind && { listKind: names.listKind }),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: scope === 'Namespaced',
    freeFinalizers: true,
    schema: struct(definitionName(group, version.name, names.kind), () => ({
      apiVersion: optional(undefined, string),
      kind: optional(undefined, string),
      metadata: optional(undefined, ObjectMeta),
    })),
    verbs: VERBS,
    subresources: subresourcesOf(version, validate, toleratedWarnings),
    columns: columnsOf(version.additionalPrinterColumns ?? []),
    ...(stored && !convert
      ? { storedAs: conversion(apiVersion, stored, version) }
      : { selectableFields: readersOf(version) }),
    custom: {
      fields: resourceFieldType(schema),
      openApi: { ...props },
      isTerminating,
      ...(schema.hasDefaults && { complete: (object: KubeObject) => completeStored(object, schema) }),
      ...(convert && { conversion: { cachedAs: stored, storageVersion: storageVersionOf(definition), convert } }),
    },
    hasGeneration: true,
    ...(version.deprecated && {
      deprecation: version.deprecationWarning ?? `${apiVersion} ${names.kind} is deprecated`,
    }),
    applyDefaults: (object) => applyStructuralDefaults(object, schema),
    prepareForCreate: (object) => {
      if (hasStatus) delete object['status'];
    },
    prepareForUpdate: (object, old) => {
      const changed = !deepEqual(desired(object, hasStatus), desired(old, hasStatus));
      if (changed && object.metadata) object.metadata.generation = (old.metadata?.generation ?? 0) + 1;
    },
    validate,
    warnings: (object, old) => [...toleratedWarnings(object), ...finalizerWarnings(object.metadata, old?.metadata)],
  });
  const decode = (value: unknown) => prune(isJsonObject(value) ? value : {}, schema);
  return { ...kind, decode };
}

/** Of finalizers that no other kind takes: names without a domain and a path. */
function finalizerWarnings(meta: ObjectMeta = {}, old: ObjectMeta = {}): string[] {
  const before = new Set(old.finalizers);
  const added = [...new Set(meta.finalizers)].filter((name) => !before.has(name) && !isQualifiedFinalizer(name));
  return added.sort(compareText).map((name) => {
    const what = name.includes('.') ? 'finalizer name including a path (/)' : 'finalizer name';
    const quoted = JSON.stringify(name);
    return `metadata.finalizers: ${quoted}: prefer a domain-qualified ${what} to avoid accidental conflicts with other finalizer writers`;
  });
}

const storageVersionOf = ({ spec }: CustomResourceDefinition): string =>
  spec.versions.find(({ storage }) => storage)?.name ?? '';

/** What counts for `metadata.generation`: everything but metadata, and but the status where that is a subresource. */
function desired({ metadata: _, ...fields }: Custom, hasStatus: boolean): Record<string, unknown> {
  return hasStatus ? { ...fields, status: undefined } : fields;
}

const conversion = (
  apiVersion: string,
  stored: Kind,
  { selectableFields = [] }: CustomResourceDefinitionVersion,
): StoredAs<Custom> => ({
  kind: stored,
  toStored: (object) => ({ ...object, apiVersion: `${stored.group}/${stored.version}` }),
  fromStored: (object) => ({ ...object, apiVersion }),
  fields: Object.fromEntries(
    selectableFields
      .map(({ jsonPath }) => fieldName(jsonPath))
      .filter((name) => Object.hasOwn(stored.selectableFields, name))
      .map((name) => [name, name]),
  ),
});

/** `.spec.color` is selected by as `spec.color`. */
const fieldName = (jsonPath: string): string => jsonPath.replace(/^\./, '');

const readersOf = ({ selectableFields = [] }: CustomResourceDefinitionVersion): Kind<Custom>['selectableFields'] =>
  Object.fromEntries(
    selectableFields.map(({ jsonPath }) => {
      const steps = stepsOf(jsonPath);
      return [fieldName(jsonPath), (object: Custom) => shown(valuesAt(object, steps)[0] ?? '')];
    }),
  );

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function columnsOf(definitions: readonly CustomResourceColumnDefinition[]): Column<Custom>[] {
  if (definitions.length === 0) return [nameColumn(), ageColumn()];
  const columns = [nameColumn<Custom>()];
  for (const definition of definitions) {
    const steps = parseJsonPath(definition.jsonPath);
    // A path that cannot be parsed is no error of the definition, as upstream: it and those after it are not shown.
    if (!steps) break;
    columns.push(columnOf(definition, steps));
  }
  return columns;
}

function columnOf(column: CustomResourceColumnDefinition, steps: readonly Step[]): Column<Custom> {
  const { name, type, format = '', priority = 0, description = '', jsonPath } = column;
  return {
    name,
    type: type as Column<Custom>['type'],
    format,
    priority,
    description: description || `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    cell: (object, now) => {
      const [value] = valuesAt(object, steps);
      return value === undefined ? undefined : cellOf(type, value, now);
    },
  };
}

/** Values of another type than the column's are not shown. Upstream's `cellForJSONValue`. */
function cellOf(type: string, value: unknown, now: number): string | number | boolean | undefined {
  switch (type) {
    case 'string':
      return shown(value);
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : undefined;
    case 'number':
      return typeof value === 'number' ? value : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'date':
      return typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? ageOf(value, now) : '<invalid>';
    default:
      return undefined;
  }
}

function subresourcesOf(
  { subresources }: CustomResourceDefinitionVersion,
  validate: (object: Custom, old: Custom) => FieldError[],
  warnings: (object: Custom) => string[],
): Subresource<Custom>[] {
  const status = statusSubresource<Custom>({ validate, warnings });
  // Of metadata, an update of the status changes nothing.
  const merge = (wanted: Custom, old: Custom): Custom => ({
    ...status.update.merge(wanted, old),
    metadata: { ...old.metadata },
  });
  return [
    ...(subresources?.status ? [{ ...status, update: { ...status.update, merge, owns: ['status'] } }] : []),
    ...(subresources?.scale ? [scaleOf(subresources.scale)] : []),
  ];
}

function scaleOf(paths: CustomResourceSubresourceScale): ScaleSubresource<Custom> {
  const wanted = stepsOf(paths.specReplicasPath);
  const current = stepsOf(paths.statusReplicasPath);
  const selector = paths.labelSelectorPath ? stepsOf(paths.labelSelectorPath) : undefined;
  const count = (object: Custom, steps: readonly Step[]): number => {
    const [value] = valuesAt(object, steps);
    return typeof value === 'number' ? value : 0;
  };
  return {
    name: 'scale',
    verbs: ['get', 'patch', 'update'],
    group: scales.group,
    version: scales.version,
    kind: scales.kind,
    body: scales,
    scaleOf: (object) => {
      const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {};
      const [text] = selector ? valuesAt(object, selector) : [];
      return {
        kind: 'Scale',
        apiVersion: 'autoscaling/v1',
        metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
        spec: count(object, wanted) ? { replicas: count(object, wanted) } : {},
        status: { replicas: count(object, current), ...(typeof text === 'string' && { selector: text }) },
      };
    },
    setReplicas: (object, replicas) => {
      const names = wanted.filter((step) => typeof step === 'string');
      const last = names.pop();
      let at: Record<string, unknown> = object;
      for (const name of names) {
        const below = own(at, name);
        const next = isJsonObject(below) ? below : {};
        setOwn(at, name, next);
        at = next;
      }
      if (last !== undefined) setOwn(at, last, replicas);
    },
  };
}
