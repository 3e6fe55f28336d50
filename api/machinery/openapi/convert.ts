/** OpenAPI version 3 of a version 2 document, for servers that have no other: upstream's `kube-openapi/pkg/openapiconv`. */
import { isJsonObject, own, setOwn } from '../own.ts';
import type { Json } from './definitions.ts';

export interface OpenApiV2 {
  readonly info: Json;
  readonly paths: ReadonlyMap<string, unknown>;
  readonly definitions: ReadonlyMap<string, Json>;
}

const SCHEMAS = ['#/definitions/', '#/components/schemas/'] as const;
const PARAMETERS = ['#/parameters/', '#/components/parameters/'] as const;
const RESPONSES = ['#/responses/', '#/components/responses/'] as const;
const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'];
/** Of an operation, what both versions have. */
const SHARED = ['description', 'externalDocs', 'tags', 'summary', 'deprecated', 'operationId'];
const PARAMETER_FIELDS = ['name', 'description', 'in', 'required', 'allowEmptyValue'];
/** Where schemas are below a schema: one, several, or some by name. */
const ONE = new Set(['items', 'additionalProperties', 'additionalItems', 'not']);
const MANY = new Set(['items', 'allOf', 'anyOf', 'oneOf']);
const NAMED = new Set(['properties', 'patternProperties']);

export function openApiV3OfV2({ info, paths, definitions }: OpenApiV2): Json {
  const schemas: Json = {};
  for (const [name, definition] of definitions) setOwn(schemas, name, schemaOf(definition));
  const converted: Json = {};
  for (const [path, item] of paths) setOwn(converted, path, pathItem(item));
  return { openapi: '3.0.0', info, paths: converted, components: { schemas } };
}

function moved(ref: unknown, [from, to]: readonly [string, string]): unknown {
  return typeof ref === 'string' && ref.startsWith(from) ? to + ref.slice(from.length) : ref;
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function mapped(value: unknown, convert: (one: unknown) => unknown): unknown {
  if (!isJsonObject(value)) return value;
  const result: Json = {};
  for (const [key, one] of Object.entries(value)) setOwn(result, key, convert(one));
  return result;
}

/** A reference stands alone in version 3: what is beside it is kept around it. */
function schemaOf(value: unknown): unknown {
  if (!isJsonObject(value)) return value;
  const schema: Json = {};
  for (const [key, below] of Object.entries(value)) {
    if (MANY.has(key) && Array.isArray(below)) setOwn(schema, key, below.map(schemaOf));
    else if (ONE.has(key)) setOwn(schema, key, schemaOf(below));
    else if (NAMED.has(key)) setOwn(schema, key, mapped(below, schemaOf));
    else setOwn(schema, key, below);
  }
  const { $ref, ...beside } = schema;
  if ($ref === undefined) return schema;
  const reference = { $ref: moved($ref, SCHEMAS) };
  return Object.keys(beside).length === 0 ? reference : { ...beside, allOf: [reference] };
}

/** Some of the fields, and extensions. */
function picked(value: Json, fields: readonly string[]): Json {
  const result: Json = {};
  for (const [key, one] of Object.entries(value))
    if (fields.includes(key) || key.startsWith('x-')) setOwn(result, key, one);
  return result;
}

function pathItem(value: unknown): Json {
  const item = isJsonObject(value) ? value : {};
  const result = picked(item, ['$ref']);
  for (const method of METHODS) {
    const operation = own(item, method);
    if (isJsonObject(operation)) setOwn(result, method, operationOf(operation));
  }
  const parameters = listOf(own(item, 'parameters'));
  if (parameters.length > 0) result['parameters'] = parameters.map(parameterOf);
  return result;
}

function operationOf(operation: Json): Json {
  const result = picked(operation, SHARED);
  const parameters: unknown[] = [];
  for (const parameter of listOf(own(operation, 'parameters'))) {
    const schema = isJsonObject(parameter) && own(parameter, 'name') === 'body' ? own(parameter, 'schema') : undefined;
    if (schema === undefined) parameters.push(parameterOf(parameter));
    else result['requestBody'] = { content: contentOf(schema, own(operation, 'consumes')) };
  }
  if (parameters.length > 0) result['parameters'] = parameters;
  const produces = own(operation, 'produces');
  result['responses'] = mapped(own(operation, 'responses') ?? {}, (one) => responseOf(one, produces));
  return result;
}

function contentOf(schema: unknown, mediaTypes: unknown): Json {
  const content: Json = {};
  for (const type of listOf(mediaTypes))
    if (typeof type === 'string') setOwn(content, type, { schema: schemaOf(schema) });
  return content;
}

function responseOf(value: unknown, produces: unknown): unknown {
  if (!isJsonObject(value)) return value;
  const { $ref, schema } = value;
  return {
    ...picked(value, ['description']),
    ...($ref !== undefined && { $ref: moved($ref, RESPONSES) }),
    ...(schema !== undefined && { content: contentOf(schema, produces) }),
  };
}

function parameterOf(value: unknown): unknown {
  if (!isJsonObject(value)) return value;
  const { $ref, type, format, uniqueItems, schema } = value;
  if ($ref !== undefined) return { $ref: moved($ref, PARAMETERS) };
  const simple = {
    ...(type !== undefined && { type }),
    ...(format !== undefined && { format }),
    ...(uniqueItems !== undefined && { uniqueItems }),
  };
  return { ...picked(value, PARAMETER_FIELDS), schema: schema === undefined ? simple : schemaOf(schema) };
}
