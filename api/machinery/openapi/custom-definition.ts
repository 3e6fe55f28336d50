/** The OpenAPI definition of a custom resource: the schema of its CustomResourceDefinition, as clients of each version understand it. */
import { isJsonObject, own, setOwn } from '../own.ts';

type Json = Record<string, unknown>;

const PRESERVES = 'x-kubernetes-preserve-unknown-fields';
const EMBEDDED = 'x-kubernetes-embedded-resource';
const KINDS = 'x-kubernetes-group-version-kind';
/** Keywords that Swagger 2.0 does not have. */
const ONLY_VERSION_3: ReadonlySet<string> = new Set(['allOf', 'anyOf', 'oneOf', 'not', 'nullable']);

const asObject = (value: unknown): Json => (isJsonObject(value) ? value : {});
const isNullable = (schema: unknown): boolean => asObject(schema)['nullable'] === true;

/** @param common the definition of an object that has `apiVersion`, `kind` and `metadata` only */
export function customDefinition(openApi: Json, common: Json, version: 2 | 3): Json {
  const kinds = { [KINDS]: common[KINDS] };
  // kubectl would reject every field that is not among the properties.
  if (version === 2 && openApi[PRESERVES] === true) return { type: 'object', ...kinds };
  const properties = asObject(common['properties']);
  const schema = withEmbedded(version === 2 ? asVersion2(openApi) : openApi, properties, version);
  return { ...schema, properties: { ...asObject(schema['properties']), ...properties }, ...kinds };
}

const mapped = (schemas: unknown, change: (schema: Json) => Json): Json => {
  const out: Json = {};
  for (const [name, schema] of Object.entries(asObject(schemas))) setOwn(out, name, change(asObject(schema)));
  return out;
};

/** Without what clients of version 2 do not understand: upstream's `ToStructuralOpenAPIV2`. */
function asVersion2(schema: Json): Json {
  const out: Json = {};
  const hidesFields = isNullable(schema) || schema[PRESERVES] === true;
  for (const [keyword, value] of Object.entries(schema)) {
    if (ONLY_VERSION_3.has(keyword)) continue;
    if (keyword === 'properties') {
      if (!hidesFields) out[keyword] = mapped(value, asVersion2);
    } else if (keyword === 'items') {
      if (!hidesFields) out[keyword] = asVersion2(asObject(value));
    } else if (keyword === 'additionalProperties' && isJsonObject(value)) out[keyword] = asVersion2(value);
    else setOwn(out, keyword, value);
  }
  // kubectl would reject null, a list of anything, and unknown fields.
  const { type } = schema;
  const isOpen = isNullable(schema) || (type === 'array' && !out['items']) || (type === 'object' && hidesFields);
  if (isOpen) delete out['type'];
  const required = requiredIn2(schema, hidesFields);
  if (required.length > 0) out['required'] = required;
  else delete out['required'];
  return out;
}

/** What may be null cannot be required: null counts as missing there. */
function requiredIn2(schema: Json, hidesFields: boolean): unknown[] {
  const { required, properties, additionalProperties } = schema;
  if (!Array.isArray(required) || isNullable(additionalProperties)) return [];
  return hidesFields ? required : required.filter((name) => !isNullable(own(asObject(properties), String(name))));
}

/** With the fields that every object has, wherever one is embedded. */
function withEmbedded(schema: Json, common: Json, version: 2 | 3): Json {
  const inner = (each: Json): Json => withEmbedded(each, common, version);
  const out: Json = { ...schema };
  const { properties, items, additionalProperties, required } = schema;
  if (properties) out['properties'] = mapped(properties, inner);
  if (isJsonObject(items)) out['items'] = inner(items);
  if (isJsonObject(additionalProperties)) out['additionalProperties'] = inner(additionalProperties);
  // Where unknown fields are preserved, kubectl of version 2 would know those fields and no others.
  if (schema[EMBEDDED] !== true || (version === 2 && schema[PRESERVES] === true)) return out;
  const given: readonly unknown[] = Array.isArray(required) ? required : [];
  const missing = ['kind', 'apiVersion'].filter((name) => !given.includes(name));
  return { ...out, properties: { ...asObject(out['properties']), ...common }, required: [...given, ...missing] };
}
