/** The types of the objects of a kind, as type checking sees them: upstream's `SchemaDeclType`. */
import { unescapeName } from '../../../../api/machinery/cel/escaping.ts';
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  listOf,
  mapOf,
  STRING,
  struct,
  TIMESTAMP,
  type CelType,
} from '../../../../api/machinery/cel/types.ts';
import type { Kind } from '../../../../api/machinery/kind.ts';
import { isJsonObject, own } from '../../../../api/machinery/own.ts';

/** The keywords that shapes of built-in kinds and schemas of custom ones have in common. */
type Schema = Readonly<Record<string, unknown>>;

const FORMATS: ReadonlyMap<unknown, CelType> = new Map<unknown, CelType>([
  ['byte', BYTES],
  ['duration', DURATION],
  ['date', TIMESTAMP],
  ['date-time', TIMESTAMP],
  ['micro-time', TIMESTAMP],
  // May be numbers, too.
  ['quantity', DYN],
  ['int-or-string', DYN],
]);

const SCALARS: ReadonlyMap<unknown, CelType> = new Map<unknown, CelType>([
  ['string', STRING],
  ['boolean', BOOL],
  ['integer', INT],
  ['number', DOUBLE],
]);

/** Types are made when an expression names a field: shapes may be recursive. */
export function objectTypeOf(kind: Kind): CelType {
  const { properties } = kind.schema;
  // The fields of a custom kind's shape are those that all objects have.
  const published = kind.custom?.openApi.properties;
  return structType(kind.kind, (name) => {
    const common = own(properties, name) as Schema | undefined;
    return common ?? (isJsonObject(published) ? asSchema(own(published, name)) : undefined);
  });
}

const asSchema = (value: unknown): Schema | undefined => (isJsonObject(value) ? value : undefined);

function structType(name: string, property: (name: string) => Schema | undefined): CelType {
  const known = new Map<string, CelType | undefined>();
  return struct(name, (field) => {
    if (known.has(field)) return known.get(field);
    const schema = property(unescapeName(field) ?? '');
    const type = schema && typeOf(schema, `${name}.${field}`);
    known.set(field, type);
    return type;
  });
}

/** What has no type that can be checked is of any. */
function typeOf(schema: Schema, name: string): CelType {
  const { type, format, properties, items, additionalProperties: values } = schema;
  if (schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true)
    return DYN;
  if (isJsonObject(properties)) return structType(name, (property) => asSchema(own(properties, property)));
  if (isJsonObject(items)) return listOf(typeOf(items, `${name}.@idx`));
  if (isJsonObject(values)) return mapOf(STRING, typeOf(values, `${name}.@elem`));
  return (type === 'string' || type === undefined ? FORMATS.get(format) : undefined) ?? SCALARS.get(type) ?? DYN;
}
