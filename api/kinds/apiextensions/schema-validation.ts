/**
 * Validation of the schemas in a CustomResourceDefinition: that they are structural, and what Kubernetes restricts of OpenAPI. Upstream's
 * `apiextensions-apiserver/pkg/apiserver/schema/validation.go` and `pkg/apis/apiextensions/validation`.
 */
import {
  checkRuleFields,
  type ExpressionBudget,
  validateRuleDefinitions,
} from '../../machinery/cel/rule-definitions.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import { addErrors, type FieldError, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { MAX_ERRORS } from '../../machinery/limits.ts';
import { isJsonObject, own } from '../../machinery/own.ts';
import { PatternBudget } from '../../machinery/structural/pattern.ts';
import { structuralOf } from '../../machinery/structural/structural.ts';
import type { JSONSchemaProps } from '../../types/apiextensions/v1.gen.ts';
import { checkDefaults } from './default-validation.ts';

type Level = 'root' | 'item' | 'field';

const INT_OR_STRING = [{ type: 'integer' }, { type: 'string' }];
const TYPES: ReadonlySet<string> = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array']);
const META_FIELDS: ReadonlySet<string> = new Set(['metadata', 'kind', 'apiVersion']);
const EMPTY_TYPE: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};
/** Keywords of a nested value validation that only the structure may have, with what is said of them. */
const STRUCTURE_ONLY: readonly (readonly [keyof JSONSchemaProps, string])[] = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
];
/** Keywords of OpenAPI that a CustomResourceDefinition cannot use. */
const UNSUPPORTED: readonly (readonly [keyof JSONSchemaProps, string])[] = [
  ['definitions', 'definitions is not supported'],
  ['dependencies', 'dependencies is not supported'],
  ['patternProperties', 'patternProperties is not supported'],
  ['additionalItems', 'additionalItems is not supported'],
  ['id', 'id is not supported'],
  ['$ref', '$ref is not supported'],
];

const schemaIn = (value: unknown): JSONSchemaProps | undefined => (isJsonObject(value) ? value : undefined);
const isSet = (value: unknown): boolean =>
  value !== undefined && value !== '' && value !== false && !(Array.isArray(value) && value.length === 0);
const propertiesOf = (schema: JSONSchemaProps): [string, JSONSchemaProps][] => Object.entries(schema.properties ?? {});

/**
 * @param path of the schema. @param hasStatus whether the version has a status subresource.
 * @param isUnchanged whether an update leaves the schema as it was: its defaults and expressions are not checked again.
 * @param budget of the expressions of the whole definition.
 */
export function validateSchema(
  schema: JSONSchemaProps,
  path: string,
  hasStatus: boolean,
  isUnchanged: boolean,
  budget: ExpressionBudget,
): FieldError[] {
  const errors: FieldError[] = [];
  if (hasStatus) checkRoot(schema, path, errors);
  if (schema.nullable) errors.push(forbidden(`${path}.nullable`, 'nullable cannot be true at the root'));
  checkStructure(schema, 'root', path, errors, new PatternBudget());
  checkCompleteness(schema, schema, path, errors);
  checkKeywords(schema, path, true, errors);
  if (errors.length > 0) return errors;
  const structural = structuralOf(schema);
  if (isUnchanged) return errors;
  addErrors(errors, budget.take(structural, path));
  if (errors.length > 0) return errors;
  checkDefaults(structural, path, errors);
  if (errors.length === 0) addErrors(errors, validateRuleDefinitions(structural, path));
  return errors;
}

const AT_ROOT: ReadonlySet<string> = new Set([
  ...['description', 'type', 'format', 'title', 'maximum', 'exclusiveMaximum', 'minimum', 'exclusiveMinimum'],
  ...['maxLength', 'minLength', 'pattern', 'maxItems', 'minItems', 'uniqueItems', 'multipleOf', 'required', 'enum'],
  ...[
    'items',
    'properties',
    'externalDocs',
    'example',
    'x-kubernetes-preserve-unknown-fields',
    'x-kubernetes-validations',
  ],
]);

/** What the status is validated by is the schema of the property `status`: the root may not say more of it. */
function checkRoot(schema: JSONSchemaProps, path: string, errors: FieldError[]): void {
  const why = (what: string): string => `only ${what} at the root of the schema if the status subresource is enabled`;
  if (schema.type !== undefined && schema.type !== 'object') {
    errors.push(
      invalid(
        `${path}.type`,
        schema.type,
        'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
      ),
    );
    return;
  }
  const others = Object.entries(schema).some(([keyword, value]) => isSet(value) && !AT_ROOT.has(keyword));
  if (others) errors.push(invalid(path, schema, why(`[${[...AT_ROOT].join(' ')}] fields are allowed`)));
}

function checkStructure(
  schema: JSONSchemaProps,
  level: Level,
  path: string,
  errors: FieldError[],
  patterns: PatternBudget,
): void {
  if (errors.length >= MAX_ERRORS) return;
  const { type = '' } = schema;
  const items = schemaIn(schema.items);
  const isEmbedded = schema['x-kubernetes-embedded-resource'] === true;
  const isIntOrString = schema['x-kubernetes-int-or-string'] === true;
  const preserves = schema['x-kubernetes-preserve-unknown-fields'] === true;
  if (type === 'array' && !items) errors.push(required(`${path}.items`, 'must be specified'));
  if (items) checkStructure(items, 'item', `${path}.items`, errors, patterns);
  for (const [name, property] of propertiesOf(schema))
    checkStructure(property, 'field', `${path}.properties[${name}]`, errors, patterns);
  if (isSet(schema.additionalProperties)) {
    const at = `${path}.additionalProperties`;
    if (level === 'root') errors.push(forbidden(at, 'must not be used at the root'));
    if (isEmbedded) errors.push(forbidden(at, 'must not be used if x-kubernetes-embedded-resource is set'));
    const others = schemaIn(schema.additionalProperties);
    if (others) checkStructure(others, 'field', at, errors, patterns);
  }
  if (isIntOrString && preserves)
    errors.push(
      invalid(
        `${path}.x-kubernetes-preserve-unknown-fields`,
        true,
        'must be false if x-kubernetes-int-or-string is true',
      ),
    );
  if (isIntOrString && isEmbedded)
    errors.push(
      invalid(`${path}.x-kubernetes-embedded-resource`, true, 'must be false if x-kubernetes-int-or-string is true'),
    );
  checkValueValidation(schema, path, errors, patterns);
  if (isEmbedded && type !== 'object') {
    const why = 'must be object if x-kubernetes-embedded-resource is true';
    errors.push(type === '' ? required(`${path}.type`, why) : invalid(`${path}.type`, type, why));
  } else if (type === '' && !isIntOrString && !preserves) {
    errors.push(required(`${path}.type`, EMPTY_TYPE[level]));
  }
  if (level === 'root' && type !== '' && type !== 'object')
    errors.push(invalid(`${path}.type`, type, 'must be object at the root'));
  if (level === 'root' || isEmbedded) checkMetaFields(schema, level, path, errors);
  if (isEmbedded && !preserves && propertiesOf(schema).length === 0)
    errors.push(
      required(
        `${path}.properties`,
        'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
      ),
    );
}

function checkMetaFields({ properties }: JSONSchemaProps, level: Level, path: string, errors: FieldError[]): void {
  for (const name of ['kind', 'apiVersion']) {
    const property = own(properties, name);
    if (property && property.type !== 'string')
      errors.push(invalid(`${path}.properties[${name}].type`, property.type ?? '', 'must be string'));
  }
  const metadata = own(properties, 'metadata');
  if (!metadata) return;
  const at = `${path}.properties[metadata]`;
  if (metadata.type !== 'object') errors.push(invalid(`${at}.type`, metadata.type ?? '', 'must be object'));
  if (level !== 'root') return;
  const isOther = ([keyword, value]: [string, unknown]): boolean =>
    keyword === 'properties'
      ? Object.keys(metadata.properties ?? {}).some((name) => name !== 'name' && name !== 'generateName')
      : keyword !== 'type' && keyword !== 'default' && isSet(value);
  if (Object.entries(metadata).some(isOther))
    errors.push(
      forbidden(at, 'must not specify anything other than name and generateName, but metadata is implicitly specified'),
    );
}

/** The logical junctors and the pattern of a schema, nested or not. */
function checkValueValidation(
  schema: JSONSchemaProps,
  path: string,
  errors: FieldError[],
  patterns: PatternBudget,
): void {
  const { allOf = [], anyOf = [], oneOf = [], not, pattern } = schema;
  if (!deepEqual(anyOf, INT_OR_STRING))
    for (const [index, nested] of anyOf.entries()) checkNested(nested, `${path}.anyOf[${index}]`, errors, patterns);
  for (const [index, nested] of allOf.entries()) {
    // An int-or-string may say so in the first.
    if (index === 0 && deepEqual(nested, { anyOf: INT_OR_STRING })) continue;
    checkNested(nested, `${path}.allOf[${index}]`, errors, patterns);
  }
  for (const [index, nested] of oneOf.entries()) checkNested(nested, `${path}.oneOf[${index}]`, errors, patterns);
  if (not) checkNested(not, `${path}.not`, errors, patterns);
  const problem = pattern && patterns.problemOf(pattern);
  if (problem) errors.push(invalid(`${path}.pattern`, pattern, problem));
}

function checkNested(schema: JSONSchemaProps, path: string, errors: FieldError[], patterns: PatternBudget): void {
  if (errors.length >= MAX_ERRORS) return;
  checkValueValidation(schema, path, errors, patterns);
  const items = schemaIn(schema.items);
  if (items) checkNested(items, `${path}.items`, errors, patterns);
  for (const [name, property] of propertiesOf(schema)) {
    if (name === 'metadata')
      errors.push(forbidden(`${path}.properties[metadata]`, 'must not be specified in a nested context'));
    else checkNested(property, `${path}.properties[${name}]`, errors, patterns);
  }
  for (const [keyword, why] of STRUCTURE_ONLY)
    if (isSet(schema[keyword])) errors.push(forbidden(`${path}.${keyword}`, why));
}

/** What a junctor says something of must be in the structure. */
function checkCompleteness(
  nested: JSONSchemaProps,
  structure: JSONSchemaProps | undefined,
  path: string,
  errors: FieldError[],
): void {
  if (errors.length >= MAX_ERRORS) return;
  const { allOf = [], anyOf = [], oneOf = [], not } = nested;
  const junctors = { allOf, anyOf, oneOf, not: not ? [not] : [] };
  for (const [junctor, schemas] of Object.entries(junctors))
    for (const [index, schema] of schemas.entries()) {
      const at = junctor === 'not' ? `${path}.not` : `${path}.${junctor}[${index}]`;
      for (const [name, property] of propertiesOf(schema)) {
        const known = own(structure?.properties, name) ?? schemaIn(structure?.additionalProperties);
        if (!known)
          errors.push(required(`${path}.properties[${name}]`, `because it is defined in ${at}.properties[${name}]`));
        checkCompleteness({ allOf: [property] }, known, `${path}.properties[${name}]`, errors);
      }
      const items = schemaIn(schema.items);
      const known = schemaIn(structure?.items);
      if (items && !known) errors.push(required(`${path}.items`, `because it is defined in ${at}.items`));
      if (items) checkCompleteness({ allOf: [items] }, known, `${path}.items`, errors);
      checkCompleteness(schema, structure, path, errors);
    }
  if (nested !== structure) return;
  for (const [name, property] of propertiesOf(nested))
    checkCompleteness(property, property, `${path}.properties[${name}]`, errors);
  for (const keyword of ['items', 'additionalProperties'] as const) {
    const below = schemaIn(nested[keyword]);
    if (below) checkCompleteness(below, below, `${path}.${keyword}`, errors);
  }
}

/** What is said of single keywords, at any depth. */
function checkKeywords(schema: JSONSchemaProps, path: string, isRoot: boolean, errors: FieldError[]): void {
  if (errors.length >= MAX_ERRORS) return;
  const { type } = schema;
  for (const [keyword, why] of UNSUPPORTED)
    if (isSet(schema[keyword])) errors.push(forbidden(`${path}.${keyword}`, why));
  if (type !== undefined && type !== '' && !TYPES.has(type))
    errors.push(notSupported(`${path}.type`, type, ['array', 'boolean', 'integer', 'number', 'object', 'string']));
  if (Array.isArray(schema.items))
    errors.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'));
  if (schema.uniqueItems)
    errors.push(
      forbidden(
        `${path}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    );
  const { additionalProperties } = schema;
  if (additionalProperties === false)
    errors.push(forbidden(`${path}.additionalProperties`, 'additionalProperties cannot be set to false'));
  if (isJsonObject(additionalProperties) && propertiesOf(schema).length > 0)
    errors.push(forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'));
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    errors.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'));
  checkListType(schema, path, errors);
  checkMapType(schema, path, errors);
  checkRuleFields(schema, path, errors);
  for (const [name, property] of propertiesOf(schema)) {
    const at = `${path}.properties[${name}]`;
    if (isRoot && META_FIELDS.has(name) && property.default !== undefined)
      errors.push(forbidden(`${at}.default`, `must not be set in top-level ${name}`));
    checkKeywords(property, at, false, errors);
  }
  for (const keyword of ['items', 'additionalProperties', 'not'] as const) {
    const nested = schemaIn(schema[keyword]);
    if (nested) checkKeywords(nested, `${path}.${keyword}`, false, errors);
  }
  for (const keyword of ['allOf', 'anyOf', 'oneOf'] as const)
    for (const [index, nested] of (schema[keyword] ?? []).entries())
      checkKeywords(nested, `${path}.${keyword}[${index}]`, false, errors);
}

/** A keyword that only schemas of one type may have. */
function requireType(
  schema: JSONSchemaProps,
  type: string,
  keyword: string,
  path: string,
  errors: FieldError[],
): boolean {
  if (schema.type === type) return true;
  const why = `must be ${type} if ${keyword} is specified`;
  errors.push(schema.type ? invalid(`${path}.type`, schema.type, why) : required(`${path}.type`, why));
  return false;
}

function checkMapType(schema: JSONSchemaProps, path: string, errors: FieldError[]): void {
  const mapType = schema['x-kubernetes-map-type'];
  if (mapType === undefined) return;
  requireType(schema, 'object', 'x-kubernetes-map-type', path, errors);
  if (mapType !== 'atomic' && mapType !== 'granular')
    errors.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']));
}

function checkListType(schema: JSONSchemaProps, path: string, errors: FieldError[]): void {
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const at = `${path}.x-kubernetes-list-type`;
  if (listType !== undefined) {
    requireType(schema, 'array', 'x-kubernetes-list-type', path, errors);
    if (!['atomic', 'set', 'map'].includes(listType)) errors.push(notSupported(at, listType, ['atomic', 'set', 'map']));
  }
  if (keys.length > 0 && listType !== 'map') {
    const why = 'must be map if x-kubernetes-list-map-keys is non-empty';
    errors.push(listType === undefined ? required(at, why) : invalid(at, listType, why));
  }
  const items = schemaIn(schema.items);
  if (listType === 'set' && items) checkSetItems(items, path, errors);
  if (listType === 'map') checkMapKeys(keys, items, path, errors);
  if ((listType === 'set' || listType === 'map') && items?.nullable)
    errors.push(forbidden(`${path}.items.nullable`, `cannot be nullable when x-kubernetes-list-type is ${listType}`));
}

function checkSetItems(items: JSONSchemaProps, path: string, errors: FieldError[]): void {
  const why = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  const listType = items['x-kubernetes-list-type'];
  if (items.type === 'array' && listType !== undefined && listType !== 'atomic')
    errors.push(invalid(`${path}.items.x-kubernetes-list-type`, listType, why));
  if (items.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic')
    errors.push(invalid(`${path}.items.x-kubernetes-map-type`, items['x-kubernetes-map-type'], why));
}

function checkMapKeys(
  keys: readonly string[],
  items: JSONSchemaProps | undefined,
  path: string,
  errors: FieldError[],
): void {
  const at = `${path}.x-kubernetes-list-map-keys`;
  if (keys.length === 0) errors.push(required(at, 'must not be empty if x-kubernetes-list-type is map'));
  if (!items) {
    errors.push(required(`${path}.items`, 'must have a schema if x-kubernetes-list-type is map'));
    return;
  }
  if (items.type !== 'object') {
    errors.push(
      invalid(`${path}.items.type`, items.type ?? '', `must be object if parent array's x-kubernetes-list-type is map`),
    );
    return;
  }
  const seen = new Set<string>();
  const needed = new Set(items.required);
  for (const key of keys) {
    const property = own(items.properties, key);
    const propertyAt = `${path}.items.properties[${key}]`;
    if (!property) errors.push(invalid(at, keys, 'entries must all be names of item properties'));
    else if (property.type === 'array' || property.type === 'object')
      errors.push(
        invalid(
          `${propertyAt}.type`,
          items.type,
          `must be a scalar type if parent array's x-kubernetes-list-type is map`,
        ),
      );
    if (seen.has(key)) errors.push(invalid(at, keys, 'must not contain duplicate entries'));
    seen.add(key);
    if (!property) continue;
    if (!needed.has(key) && property.default === undefined)
      errors.push(
        required(
          `${propertyAt}.default`,
          'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
        ),
      );
    if (property.nullable)
      errors.push(
        forbidden(`${propertyAt}.nullable`, 'this property is in x-kubernetes-list-map-keys, so it cannot be nullable'),
      );
  }
}
