/** Validation of CustomResourceDefinitions. Upstream's `apiextensions-apiserver/pkg/apis/apiextensions/validation`. */
import { ExpressionBudget } from '../../machinery/cel/rule-definitions.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import {
  addErrors,
  duplicate,
  type FieldError,
  immutableField,
  invalid,
  notSupported,
  required,
  tooMany,
} from '../../machinery/field-error.ts';
import { validateLabel1035Name, validateSubdomainName } from '../../machinery/names.ts';
import { propertyOf, structuralOf } from '../../machinery/structural/structural.ts';
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  JSONSchemaProps,
} from '../../types/apiextensions/v1.gen.ts';
import { isEstablished, validateConversion } from './conversion-validation.ts';
import { validateSchema } from './schema-validation.ts';

const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];
const COLUMN_FORMATS = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];
const MAX_SELECTABLE_FIELDS = 8;
const MAX_WARNING = 256;

type Part = 'schema' | 'subresources' | 'additionalPrinterColumns' | 'selectableFields';
type Versions = readonly CustomResourceDefinitionVersion[];

const isCommon = (versions: Versions, part: Part): boolean =>
  versions.every((version) => deepEqual(version[part], versions[0]?.[part]));

/**
 * The versions by the path of one part of them. Upstream moves what all versions have in common to the top before it validates, and
 * names it there, even though clients of v1 cannot.
 */
function byPath(versions: Versions, part: Part): Map<string, CustomResourceDefinitionVersion> {
  const [first] = versions;
  if (first && isCommon(versions, part)) return new Map([[`spec.${part === 'schema' ? 'validation' : part}`, first]]);
  return new Map(versions.map((version, index) => [`spec.versions[${index}].${part}`, version]));
}

export function validateDefinition(definition: CustomResourceDefinition, old?: CustomResourceDefinition): FieldError[] {
  const { metadata = {}, spec, status } = definition;
  const errors: FieldError[] = [];
  for (const field of old ? [] : (['generateName', 'name'] as const)) {
    const given = metadata[field];
    if (given && given !== `${spec.names.plural}.${spec.group}`)
      errors.push(invalid(`metadata.${field}`, given, 'must be spec.names.plural+"."+spec.group'));
  }
  addErrors(errors, validateSpec(spec, old?.spec));
  addErrors(errors, validateConversion(spec.conversion, old));
  addErrors(errors, validateStoredVersions(status?.storedVersions ?? [], spec.versions));
  addErrors(errors, validateApproval(definition, old));
  if (!old) return errors;
  if (isEstablished(old)) {
    if (spec.scope !== old.spec.scope) errors.push(immutableField('spec.scope', spec.scope));
    if (spec.names.kind !== old.spec.names.kind) errors.push(immutableField('spec.names.kind', spec.names.kind));
  }
  if (spec.group !== old.spec.group) errors.push(immutableField('spec.group', spec.group));
  if (spec.names.plural !== old.spec.names.plural) errors.push(immutableField('spec.names.plural', spec.names.plural));
  return errors;
}

function validateSpec(spec: CustomResourceDefinitionSpec, old?: CustomResourceDefinitionSpec): FieldError[] {
  const errors: FieldError[] = [];
  const { group, scope, versions } = spec;
  if (!group) errors.push(required('spec.group'));
  else if (validateSubdomainName(group).length > 0)
    errors.push(invalid('spec.group', group, validateSubdomainName(group).join(',')));
  else if (!group.includes('.')) errors.push(invalid('spec.group', group, 'should be a domain with at least one dot'));
  if (!scope) errors.push(required('spec.scope'));
  else if (scope !== 'Cluster' && scope !== 'Namespaced')
    errors.push(notSupported('spec.scope', scope, ['Cluster', 'Namespaced']));
  for (const [index, { schema }] of versions.entries())
    if (!schema?.openAPIV3Schema) errors.push(required(`spec.versions[${index}].schema.openAPIV3Schema`));
  if (spec.preserveUnknownFields)
    errors.push(
      invalid(
        'spec.preserveUnknownFields',
        true,
        'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
      ),
    );
  for (const [index, version] of versions.entries())
    addErrors(errors, validateVersion(version, `spec.versions[${index}]`));
  addErrors(errors, validateParts(versions));
  const budget = new ExpressionBudget();
  for (const [path, { name, schema, subresources }] of byPath(versions, 'schema')) {
    if (!schema?.openAPIV3Schema) continue;
    const before = old?.versions.find((version) => version.name === name)?.schema;
    const hasStatus = subresources?.status !== undefined;
    const isUnchanged = deepEqual(schema, before);
    addErrors(
      errors,
      validateSchema(schema.openAPIV3Schema, `${path}.openAPIV3Schema`, hasStatus, isUnchanged, budget),
    );
  }
  const names = versions.map(({ name }) => name);
  if (new Set(names).size < names.length)
    errors.push(invalid('spec.versions', versions, 'must contain unique version names'));
  if (versions.filter(({ storage }) => storage).length !== 1)
    errors.push(invalid('spec.versions', versions, 'must have exactly one version marked as storage version'));
  addErrors(errors, validateNames(spec.names));
  return errors;
}

function validateVersion(version: CustomResourceDefinitionVersion, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { name, deprecated, deprecationWarning } = version;
  const problems = validateLabel1035Name(name);
  if (problems.length > 0) errors.push(invalid(`${path}.name`, name, problems.join(',')));
  for (const why of warningProblems(deprecated, deprecationWarning))
    errors.push(invalid(`${path}.deprecationWarning`, deprecationWarning, why));
  return errors;
}

function validateParts(versions: Versions): FieldError[] {
  const errors: FieldError[] = [];
  for (const [path, { subresources }] of byPath(versions, 'subresources'))
    addErrors(errors, validateSubresources(subresources, path));
  for (const [path, { additionalPrinterColumns = [] }] of byPath(versions, 'additionalPrinterColumns'))
    for (const [index, column] of additionalPrinterColumns.entries())
      addErrors(errors, validateColumn(column, `${path}[${index}]`));
  // The same fields may be right for the schema of one version only.
  const fields = byPath(versions, 'selectableFields');
  const [[common] = []] = fields;
  const isOne = fields.size === 1 && !isCommon(versions, 'schema');
  for (const [path, version] of isOne ? versions.map((each) => [common ?? '', each] as const) : fields)
    addErrors(errors, validateSelectableFields(version, path));
  return errors;
}

function warningProblems(deprecated: boolean | undefined, warning: string | undefined): string[] {
  if (warning === undefined) return [];
  if (!deprecated) return ['can only be set for deprecated versions'];
  const problems: string[] = [];
  if (warning.length > MAX_WARNING) problems.push('must be <= 256 characters long');
  if (warning === '') problems.push('must not be an empty string');
  const bad = warning.search(/\p{C}/u);
  if (bad >= 0)
    problems.push(`must only contain printable UTF-8 characters; non-printable character found at index ${bad}`);
  return problems;
}

function validateColumn({ name, type, format, jsonPath }: CustomResourceColumnDefinition, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const oneOf = (values: readonly string[]): string => `must be one of ${values.join(',')}`;
  if (!name) errors.push(required(`${path}.name`));
  if (!type) errors.push(required(`${path}.type`, oneOf(COLUMN_TYPES)));
  else if (!COLUMN_TYPES.includes(type)) errors.push(invalid(`${path}.type`, type, oneOf(COLUMN_TYPES)));
  if (format && !COLUMN_FORMATS.includes(format)) errors.push(invalid(`${path}.format`, format, oneOf(COLUMN_FORMATS)));
  if (!jsonPath) errors.push(required(`${path}.JSONPath`));
  else addErrors(errors, pathErrors(jsonPath, `${path}.JSONPath`));
  return errors;
}

function pathErrors(jsonPath: string, path: string): FieldError[] {
  return jsonPath.startsWith('.') ? [] : [invalid(path, jsonPath, 'must be a simple json path starting with .')];
}

function validateSubresources(subresources: CustomResourceSubresources | undefined, path: string): FieldError[] {
  const scale = subresources?.scale;
  if (!scale) return [];
  const errors: FieldError[] = [];
  const check = (field: string, value: string | undefined, roots: readonly string[]): void => {
    const at = `${path}.scale.${field}`;
    if (!value) {
      if (field !== 'labelSelectorPath') errors.push(required(at));
      return;
    }
    const found = pathErrors(value, at);
    addErrors(errors, found);
    if (found.length > 0) return;
    if (value.includes('[')) errors.push(invalid(at, value, 'must be a simple json path without array notation'));
    else if (!roots.some((root) => value.startsWith(root)))
      errors.push(invalid(at, value, `should be a json path under ${roots.join(' or ')}`));
  };
  check('specReplicasPath', scale.specReplicasPath, ['.spec']);
  check('statusReplicasPath', scale.statusReplicasPath, ['.status']);
  check('labelSelectorPath', scale.labelSelectorPath, ['.spec', '.status']);
  return errors;
}

function validateSelectableFields(
  { selectableFields = [], schema }: CustomResourceDefinitionVersion,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, { jsonPath }] of selectableFields.entries()) {
    const at = `${path}[${index}].jsonPath`;
    if (!jsonPath) {
      errors.push(required(at));
      continue;
    }
    const names = jsonPath.slice(1).split('.');
    const type = schema?.openAPIV3Schema && typeAt(schema.openAPIV3Schema, names);
    const problem = pathProblem(jsonPath, type);
    if (problem) {
      errors.push(invalid(at, jsonPath, `is an invalid path: ${problem}`));
      continue;
    }
    if (names[0] === 'metadata') errors.push(invalid(at, jsonPath, 'must not point to fields in metadata'));
    if (!['string', 'boolean', 'integer'].includes(type ?? ''))
      errors.push(
        invalid(
          at,
          jsonPath,
          'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
        ),
      );
    if (seen.has(names.join('.'))) errors.push(duplicate(at, jsonPath));
    seen.add(names.join('.'));
  }
  if (seen.size > MAX_SELECTABLE_FIELDS) errors.push(tooMany(path, seen.size, MAX_SELECTABLE_FIELDS));
  return errors;
}

function pathProblem(jsonPath: string, type: string | undefined): string | undefined {
  const [first = ''] = jsonPath.split(/[.[\]]/);
  if (first !== '') return `expected [ or . but got: ${first}`;
  if (jsonPath.includes('[')) return 'array notation is not allowed';
  return type === undefined ? 'does not refer to a valid field' : undefined;
}

function typeAt(schema: JSONSchemaProps, names: readonly string[]): string | undefined {
  let at: ReturnType<typeof propertyOf> = structuralOf(schema);
  for (const name of names) at = at === true || at === undefined ? undefined : propertyOf(at, name);
  return at === true || at === undefined ? undefined : (at.props.type ?? '');
}

function validateNames({
  plural,
  singular,
  kind,
  listKind,
  shortNames = [],
  categories = [],
}: CustomResourceDefinitionNames): FieldError[] {
  const errors: FieldError[] = [];
  const check = (field: string, name: string, mixedCase: boolean): void => {
    const problems = validateLabel1035Name(mixedCase ? name.toLowerCase() : name);
    if (problems.length === 0) return;
    const prefix = mixedCase ? 'may have mixed case, but should otherwise match: ' : '';
    errors.push(invalid(`spec.names.${field}`, name, prefix + problems.join(',')));
  };
  const named = { plural, singular, kind, listKind };
  for (const [field, name] of Object.entries(named)) if (!name) errors.push(required(`spec.names.${field}`));
  if (plural) check('plural', plural, false);
  if (singular) check('singular', singular, false);
  if (kind) check('kind', kind, true);
  if (listKind) check('listKind', listKind, true);
  for (const [index, name] of shortNames.entries()) check(`shortNames[${index}]`, name, false);
  if (kind && kind === listKind)
    errors.push(invalid('spec.names.listKind', listKind, 'kind and listKind may not be the same'));
  for (const [index, name] of categories.entries()) check(`categories[${index}]`, name, false);
  return errors;
}

function validateStoredVersions(
  stored: readonly string[],
  versions: readonly CustomResourceDefinitionVersion[],
): FieldError[] {
  const path = 'status.storedVersions';
  if (stored.length === 0) return [invalid(path, stored, 'must have at least one stored version')];
  const errors: FieldError[] = [];
  const known = new Set(stored);
  const named = new Set(versions.map(({ name }) => name));
  for (const { name, storage } of versions)
    if (storage && !known.has(name)) errors.push(invalid(path, stored, `must have the storage version ${name}`));
  for (const [index, name] of stored.entries())
    if (!named.has(name))
      errors.push(
        invalid(
          `${path}[${index}]`,
          name,
          `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
        ),
      );
  return errors;
}

const APPROVAL = 'api-approved.kubernetes.io';

/** Groups of Kubernetes itself take an approval: https://github.com/kubernetes/enhancements/pull/1111 */
export const isProtectedGroup = (group: string): boolean => /(^|\.)(k8s|kubernetes)\.io$/.test(group);

/** What the annotation says of a protected group. */
export function approvalOf({
  metadata,
  spec,
}: CustomResourceDefinition): 'missing' | 'unapproved' | 'approved' | 'invalid' {
  const value = metadata?.annotations?.[APPROVAL];
  if (value === undefined || value === '') return 'missing';
  if (value.startsWith('unapproved')) return 'unapproved';
  return spec.group && URL.canParse(value) ? 'approved' : 'invalid';
}

function validateApproval(definition: CustomResourceDefinition, old?: CustomResourceDefinition): FieldError[] {
  if (!isProtectedGroup(definition.spec.group)) return [];
  const state = approvalOf(definition);
  if (state === 'approved' || state === 'unapproved') return [];
  if (old && deepEqual(old.metadata?.annotations?.[APPROVAL], definition.metadata?.annotations?.[APPROVAL])) return [];
  const path = `metadata.annotations[${APPROVAL}]`;
  if (state === 'missing')
    return [
      required(
        path,
        'protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
      ),
    ];
  return [
    invalid(
      path,
      definition.metadata?.annotations?.[APPROVAL],
      'protected groups must have approval annotation "api-approved.kubernetes.io" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111',
    ),
  ];
}
