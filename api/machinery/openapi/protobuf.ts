/**
 * An OpenAPI version 2 document in the protobuf encoding that older kubectl requests
 * (`application/com.github.proto-openapi.spec.v2@v1.0+protobuf`): the messages of gnostic's `OpenAPIv2.proto`.
 * Responses are omitted: no client of this encoding uses them.
 */
import type { Json } from './definitions.ts';
import { isJsonObject, own } from '../own.ts';
import { integerField, lengthDelimited } from '../protobuf/wire-writer.ts';

/** The Content-Type of the response. Clients also request it with an `@` before `v1.0`, which Go does not parse in responses. */
export const OPENAPI_V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
/** Whether an Accept header includes it, in either spelling. */
export const acceptsProtobuf = (accept: string): boolean =>
  /application\/com\.github\.proto-openapi\.spec\.v2[@.]v1\.0\+protobuf/.test(accept);

/** A field of a message: its number and value. */
const field = (number: number, content: Buffer | string): Buffer =>
  lengthDelimited(number, typeof content === 'string' ? Buffer.from(content) : content);
const flag = (number: number): Buffer => integerField(number, 1);
const message = (...parts: readonly (Buffer | undefined)[]): Buffer =>
  Buffer.concat(parts.filter((part): part is Buffer => part !== undefined));
const text = (number: number, value: unknown): Buffer | undefined =>
  typeof value === 'string' && value !== '' ? field(number, value) : undefined;
const texts = (number: number, values: unknown): Buffer =>
  message(...(Array.isArray(values) ? values : []).map((value) => text(number, value)));

const entriesOf = (value: unknown): [string, unknown][] => (isJsonObject(value) ? Object.entries(value) : []);

/** `Any`: YAML, of which JSON is a subset. */
const any = (value: unknown): Buffer => field(2, JSON.stringify(value));
const named = (name: string, value: Buffer): Buffer => message(text(1, name), field(2, value));
const extensions = (number: number, value: Json): Buffer =>
  message(
    ...Object.entries(value)
      .filter(([key]) => key.startsWith('x-'))
      .map(([key, extension]) => field(number, named(key, any(extension)))),
  );

function schema(value: unknown): Buffer {
  if (!isJsonObject(value)) return Buffer.alloc(0);
  const { additionalProperties, items, properties, type } = value;
  return message(
    text(1, value.$ref),
    text(2, value.format),
    text(4, value.description),
    texts(19, value.required),
    ...(Array.isArray(value.enum) ? value.enum : []).map((word) => field(20, any(word))),
    additionalProperties === undefined ? undefined : field(21, field(1, schema(additionalProperties))),
    typeof type === 'string' ? field(22, field(1, type)) : undefined,
    items === undefined ? undefined : field(23, field(1, schema(items))),
    properties === undefined ? undefined : field(25, schemas(properties)),
    extensions(31, value),
  );
}

const schemas = (value: unknown): Buffer =>
  message(...entriesOf(value).map(([name, inner]) => field(1, named(name, schema(inner)))));

/** `ParametersItem`. */
function parameter(value: Json): Buffer {
  if (value.in === 'body') {
    const body = message(
      text(2, value.name),
      text(3, 'body'),
      value.required ? flag(4) : undefined,
      field(5, schema(value.schema)),
    );
    return field(1, field(1, body));
  }
  const inPath = value.in === 'path';
  const other = message(
    value.required ? flag(1) : undefined,
    text(2, value.in),
    text(3, value.description),
    text(4, value.name),
    text(inPath ? 5 : 6, value.type),
  );
  return field(1, field(2, field(inPath ? 4 : 3, other)));
}

const parameters = (number: number, value: unknown): Buffer =>
  message(...(Array.isArray(value) ? value : []).filter(isJsonObject).map((known) => field(number, parameter(known))));

const operation = (value: Json): Buffer =>
  message(
    texts(1, value.tags),
    text(3, value.description),
    text(5, value.operationId),
    texts(6, value.produces),
    texts(7, value.consumes),
    parameters(8, value.parameters),
    field(9, Buffer.alloc(0)),
    texts(10, value.schemes),
    extensions(13, value),
  );

const METHODS = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const;

const pathItem = (value: unknown): Buffer =>
  isJsonObject(value)
    ? message(
        ...Object.entries(METHODS).map(([method, number]) => {
          const known = own(value, method);
          return isJsonObject(known) ? field(number, operation(known)) : undefined;
        }),
        parameters(9, value.parameters),
      )
    : Buffer.alloc(0);

/** Encodes the document that `openApiV2` returns. */
export function openApiV2Protobuf(document: Json): Buffer {
  const info = isJsonObject(document.info) ? document.info : {};
  return message(
    text(1, document.swagger),
    field(2, message(text(1, info.title), text(2, info.version))),
    field(8, message(...entriesOf(document.paths).map(([path, item]) => field(2, named(path, pathItem(item)))))),
    field(9, schemas(document.definitions)),
  );
}
