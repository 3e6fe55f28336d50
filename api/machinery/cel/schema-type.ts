/**
 * The types of structural schemas in rules, and the sizes that values can have within a request. Upstream's
 * `apiserver/pkg/cel/common/schemas.go`.
 */
import type { JSONSchemaProps } from '../../types/apiextensions/v1.gen.ts';
import type { Structural } from '../structural/structural.ts';
import type { DeclType } from './decl-type.ts';
import { escapeName, fieldNamed } from './escaping.ts';
import {
  BOOL,
  BYTES,
  type CelType,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  listOf,
  mapOf,
  STRING,
  struct,
  TIMESTAMP,
} from './types.ts';

/** The size of the largest request, in bytes. */
export const MAX_REQUEST_BYTES = 3 * 1024 * 1024;
/** A character is at most so many bytes, and `maxLength` counts characters. */
const MAX_CHARACTER_BYTES = 4;
const MAX_DURATION_BYTES = 32;
const DATE_BYTES = 12;
const MAX_DATETIME_BYTES = 32;
const MIN_DATETIME_BYTES = 21;
const MAX_TEXT = MAX_REQUEST_BYTES - 2;

const scalar = (type: CelType, minSize: number, maxElements = 0): DeclType => ({ type, minSize, maxElements });
const BOOL_TYPE = scalar(BOOL, 4);
const INT_TYPE = scalar(INT, 1);
const DOUBLE_TYPE = scalar(DOUBLE, 1);
const TEXT_TYPE = scalar(STRING, 2, MAX_TEXT);
/** What a rule can read of the metadata of any resource. */
const METADATA: readonly (readonly [string, DeclType])[] = [
  ['name', TEXT_TYPE],
  ['generateName', TEXT_TYPE],
];

const positive = (value: number): number => Math.max(0, value);
const charactersIn = ({ maxLength }: JSONSchemaProps): number =>
  maxLength === undefined ? MAX_TEXT : positive(maxLength) * MAX_CHARACTER_BYTES;

/**
 * The type of a schema. Undefined for schemas that rules cannot read: those without a type, and lists and maps of them.
 * @param isResource whether it is a resource, whose `apiVersion`, `kind` and name rules can read.
 * @param name a prefix of the names of object types, which no rule can say.
 */
export function schemaType(schema: Structural | true, isResource: boolean, name = 'selfType'): DeclType | undefined {
  if (schema === true) return undefined;
  const { props } = schema;
  if (props['x-kubernetes-int-or-string']) return scalar(DYN, 1, charactersIn(props));
  switch (isResource ? 'object' : props.type) {
    case 'array':
      return listType(schema, name);
    case 'object':
      return objectType(schema, isResource, name);
    case 'string':
      return textType(props);
    case 'boolean':
      return BOOL_TYPE;
    case 'number':
      return DOUBLE_TYPE;
    case 'integer':
      return INT_TYPE;
    default:
      return undefined;
  }
}

function listType({ props, items }: Structural, name: string): DeclType | undefined {
  const type = items && schemaType(items, items.isEmbedded, `${name}.@idx`);
  if (!type) return undefined;
  const kind = props['x-kubernetes-list-type'];
  const keys = props['x-kubernetes-list-map-keys'] ?? [];
  return {
    type: listOf(type.type),
    // Of the brackets, and of the commas between the items.
    maxElements:
      props.maxItems === undefined
        ? Math.floor((MAX_REQUEST_BYTES - 2) / (type.minSize + 1))
        : positive(props.maxItems),
    minSize: 2,
    items: type,
    ...((kind === 'set' || kind === 'map') && { list: { kind, keys: keys.map((key) => escapeName(key) ?? key) } }),
  };
}

function objectType(schema: Structural, isResource: boolean, name: string): DeclType | undefined {
  const { props, additional } = schema;
  if (additional !== undefined && additional !== true) return mapType(props, additional, name);
  const isImplied = isResource && !hasResourceFields(schema);
  const fields = new Map<string, DeclType>();
  const required = new Set(props.required);
  // At least the braces.
  let minSize = 2;
  for (const [property, below] of schema.properties) {
    if (isImplied && RESOURCE_FIELDS.has(property)) continue;
    const escaped = escapeName(property);
    const type = schemaType(below, below.isEmbedded, `${name}.${escaped ?? property}`);
    if (!type) continue;
    if (escaped !== undefined) fields.set(escaped, type);
    if (required.has(property) && below.props.default === undefined)
      minSize += Buffer.byteLength(property) + type.minSize + 4;
  }
  if (isImplied) {
    fields.set('kind', TEXT_TYPE).set('apiVersion', TEXT_TYPE);
    fields.set('metadata', objectOf(`${name}.metadata`, new Map(METADATA), 2));
  }
  return objectOf(name, fields, minSize);
}

/** Whether the schema itself has what rules can read of any resource, and maybe more. */
function hasResourceFields({ properties }: Structural): boolean {
  const typeOf = (name: string): string | undefined => properties.get(name)?.props.type;
  const metadata = properties.get('metadata')?.properties;
  return (
    typeOf('kind') === 'string' &&
    typeOf('apiVersion') === 'string' &&
    typeOf('metadata') === 'object' &&
    METADATA.every(([name]) => metadata?.get(name)?.props.type === 'string')
  );
}

const RESOURCE_FIELDS: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

const objectOf = (name: string, fields: ReadonlyMap<string, DeclType>, minSize: number): DeclType => ({
  type: struct(name, (field) => fieldNamed(fields, field)?.type),
  maxElements: 0,
  minSize,
  fields,
});

function mapType(props: JSONSchemaProps, values: Structural, name: string): DeclType | undefined {
  const type = schemaType(values, values.isEmbedded, `${name}.@elem`);
  return (
    type && {
      type: mapOf(STRING, type.type),
      // Of the braces, and of a key with its quotes, colon and comma.
      maxElements:
        props.maxProperties === undefined
          ? Math.floor((MAX_REQUEST_BYTES - 2) / (type.minSize + 6))
          : positive(props.maxProperties),
      minSize: 2,
      items: type,
      keys: scalar(STRING, 2),
    }
  );
}

function textType(props: JSONSchemaProps): DeclType {
  switch (props.format) {
    case 'byte':
      return scalar(BYTES, 2, props.maxLength === undefined ? MAX_TEXT : positive(props.maxLength));
    case 'duration':
      return scalar(DURATION, 3, MAX_DURATION_BYTES);
    case 'date':
      return scalar(TIMESTAMP, DATE_BYTES, DATE_BYTES);
    case 'date-time':
      return scalar(TIMESTAMP, MIN_DATETIME_BYTES, MAX_DATETIME_BYTES);
    default:
  }
  const values = props.enum ?? [];
  if (props.maxLength !== undefined || values.length === 0) return scalar(STRING, 2, charactersIn(props));
  let longest = 0;
  for (const value of values) if (typeof value === 'string') longest = Math.max(longest, Buffer.byteLength(value));
  return scalar(STRING, 2, longest);
}
