/** Schemas within a schema where JSON Schema allows other things, too: upstream's `JSONSchemaPropsOrArray` and its like. */
import type { Messages } from '../../machinery/messages.ts';
import { isJsonObject } from '../../machinery/own.ts';
import { decoderOf } from '../../machinery/schema-decoder.ts';
import { JSONSchemaProps } from '../../types/apiextensions/v1.gen.ts';

const decode = decoderOf<JSONSchemaProps>(JSONSchemaProps);

/**
 * Decodes them in place, at any depth: the shape of a schema has any JSON there. Adds unknown fields to `problems`. Throws DecodeError for
 * one with a field of a wrong type.
 */
export function decodeNestedSchemas(schema: JSONSchemaProps, path: string, problems: Messages): void {
  const decoded = (value: unknown, at: string): unknown => {
    if (!isJsonObject(value)) return value;
    const { object, problems: found } = decode(value);
    for (const problem of found)
      if (!problems.isFull) problems.add(problem.replace('"', () => `"${JSON.stringify(at).slice(1, -1)}.`));
    decodeNestedSchemas(object, at, problems);
    return object;
  };
  if (schema.items !== undefined)
    schema.items = Array.isArray(schema.items)
      ? schema.items.map((item, index) => decoded(item, `${path}.items[${index}]`))
      : decoded(schema.items, `${path}.items`);
  for (const field of ['additionalProperties', 'additionalItems'] as const)
    if (schema[field] !== undefined) schema[field] = decoded(schema[field], `${path}.${field}`);
  for (const [name, value] of Object.entries(schema.dependencies ?? {}))
    if (isJsonObject(value)) decodeNestedSchemas(value, `${path}.dependencies.${name}`, problems);
  for (const field of ['properties', 'patternProperties', 'definitions'] as const)
    for (const [name, inner] of Object.entries(schema[field] ?? {}))
      decodeNestedSchemas(inner, `${path}.${field}.${name}`, problems);
  for (const field of ['allOf', 'anyOf', 'oneOf'] as const)
    for (const [index, inner] of (schema[field] ?? []).entries())
      decodeNestedSchemas(inner, `${path}.${field}[${index}]`, problems);
  if (schema.not) decodeNestedSchemas(schema.not, `${path}.not`, problems);
}

const isSchema = (value: unknown): value is JSONSchemaProps => isJsonObject(value);

/** The schemas directly below a decoded one. */
function schemasBelow(schema: JSONSchemaProps): readonly JSONSchemaProps[] {
  const { items, additionalProperties, additionalItems, not, allOf = [], anyOf = [], oneOf = [] } = schema;
  const single = [
    ...(Array.isArray(items) ? (items as readonly unknown[]) : [items]),
    additionalProperties,
    additionalItems,
    not,
  ];
  const named = [schema.properties, schema.patternProperties, schema.definitions, schema.dependencies];
  return [...single, ...allOf, ...anyOf, ...oneOf, ...named.flatMap((all) => Object.values(all ?? {}))].filter(
    isSchema,
  );
}

/** A decoded schema and all within it, at any depth. */
export function* everySchema(root: JSONSchemaProps): Generator<JSONSchemaProps> {
  const waiting = [root];
  for (let schema = waiting.pop(); schema; schema = waiting.pop()) {
    yield schema;
    for (const below of schemasBelow(schema)) waiting.push(below);
  }
}
