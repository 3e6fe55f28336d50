/**
 * The vocabulary in which the types of the Kubernetes API are described: what OpenAPI says of a value, what it calls
 * `x-kubernetes-*` (how lists and maps merge), a field's number in protobuf, and what of a value is valid. Everything that needs to
 * know the shape of an object (decoding, pruning, validation, OpenAPI, strategic merge patch, protobuf) walks these shapes.
 * `api/types` has them, generated.
 */
import { MAX_PORT } from '../domain/port-number.ts';

/** How a list merges: `x-kubernetes-list-type`, `-list-map-keys`, `-patch-merge-key` and `-patch-strategy`. */
export interface ListMerge {
  readonly listType?: 'atomic' | 'set' | 'map';
  readonly listMapKeys?: readonly string[];
  readonly patchMergeKey?: string;
  readonly patchStrategy?: 'merge' | 'replace' | 'retainKeys' | 'merge,retainKeys' | 'replace,retainKeys';
}

/**
 * Constraints on a value besides its type that do not depend on other fields. `constraints.ts` checks them as a part of validation;
 * decoding does not.
 */
export interface Constraints {
  readonly minimum?: number;
  /** Whether the minimum itself is invalid. */
  readonly exclusiveMinimum?: boolean;
  readonly maximum?: number;
  /** In UTF-8. */
  readonly maxBytes?: number;
  readonly maxItems?: number;
  /** The valid values, in the order in which errors list them; for a list, those of its items. */
  readonly supported?: readonly string[];
  /** A required value: `""`, `0` and an empty list count as missing. */
  readonly nonEmpty?: boolean;
  /** An update may not change the value. */
  readonly immutable?: boolean;
}

/** The schema of a value. The shape of a field is that of its type, with the keywords that the field adds. */
export interface Shape extends ListMerge, Constraints {
  readonly type?: 'string' | 'boolean' | 'integer' | 'number' | 'object' | 'array';
  readonly format?: ScalarFormat | TextFormat;
  /** The values that OpenAPI publishes; `supported` has those that validation accepts. */
  readonly enum?: readonly string[];
  /** The OpenAPI definition name of a struct, or of any JSON value. */
  readonly definition?: string;
  /** For a struct: its fields, and the names of the required ones. */
  readonly properties?: Readonly<Record<string, Field>>;
  readonly required?: readonly string[];
  readonly items?: Shape;
  /** For any JSON value: how the message has it in protobuf, for each JSON type that it may be of. */
  readonly choices?: Choices;
  readonly additionalProperties?: Shape;
  readonly mapType?: 'atomic' | 'granular';
  /** For an optional scalar: its zero value is kept (a pointer upstream); without it, `""`, `0` and `false` are omitted. */
  readonly pointer?: boolean;
  /** It is serialized as `null` when it is not set (a pointer that upstream never omits). */
  readonly nullable?: boolean;
  /** For an optional field: it is serialized even when it is not set, as `{}`, `null`, `""` or `0`, depending on its type. */
  readonly always?: boolean;
  /** The Go type upstream, where a part of it has a name of its own (`[]v1.IPFamily`): for messages. */
  readonly goType?: string;
  /** For a field: the Go structs that it is embedded in, within the one that it is served in: for messages. */
  readonly embeddedIn?: string;
}

/** The field in which a message has a value of one JSON type. */
export type Choices = Readonly<Partial<Record<'boolean' | 'object' | 'array', Field>>>;

export interface Field extends Shape {
  /** In protobuf; for a field of embedded messages, their numbers from the outermost one on, and that of the field in the last. */
  readonly number?: FieldNumber;
  readonly isRequired: boolean;
}

export type FieldNumber = number | readonly [embedded: number, ...inner: number[], field: number];

/** Scalars that are strings or numbers in JSON, but not plain ones; the walkers dispatch on it. */
export type ScalarFormat =
  'int32' | 'int64' | 'double' | 'byte' | 'date-time' | 'micro-time' | 'duration' | 'quantity' | 'int-or-string';

/** The syntax of a string, which `constraints.ts` checks. The names that start with `k8s-` are upstream's. */
export type TextFormat =
  | 'k8s-short-name'
  | 'k8s-long-name'
  | 'k8s-path-segment-name'
  | 'k8s-label-key'
  | 'k8s-label-value'
  | 'config-key'
  | 'env-name'
  | 'port-name'
  | 'ip'
  | 'cidr';

export const MAX_INT32 = 2_147_483_647;

export const string: Shape = { type: 'string' };
export const boolean: Shape = { type: 'boolean' };
export const int32: Shape = { type: 'integer', format: 'int32' };
export const int64: Shape = { type: 'integer', format: 'int64' };
export const double: Shape = { type: 'number', format: 'double' };
/** Base64 text. */
export const bytes: Shape = { type: 'string', format: 'byte' };
/** RFC 3339, seconds. */
export const time: Shape = { type: 'string', format: 'date-time' };
/** RFC 3339, microseconds. */
export const microTime: Shape = { type: 'string', format: 'micro-time' };
/** In Go's notation: `1m30s`. */
export const duration: Shape = { type: 'string', format: 'duration' };
/** A number with a suffix, such as `100m` or `2Gi`; kept as canonical text. JSON numbers are accepted and become text. */
export const quantity: Shape = { type: 'string', format: 'quantity' };
/** A port number or name, a count or a percentage. */
export const intOrString: Shape = { format: 'int-or-string' };
/** A port number of TCP, UDP or SCTP. */
export const port: Shape = { ...int32, minimum: 1, maximum: MAX_PORT };
/** The id of a user or group. */
export const linuxId: Shape = { ...int64, minimum: 0, maximum: MAX_INT32 };
/** A DNS label (RFC 1123). */
export const shortName: Shape = { type: 'string', format: 'k8s-short-name' };
/** A DNS subdomain (RFC 1123). */
export const longName: Shape = { type: 'string', format: 'k8s-long-name' };
export const pathSegmentName: Shape = { type: 'string', format: 'k8s-path-segment-name' };
/** A qualified name: `name` or `example.com/name`. */
export const labelKey: Shape = { type: 'string', format: 'k8s-label-key' };
export const labelValue: Shape = { type: 'string', format: 'k8s-label-value' };
/** A key of a ConfigMap or Secret. */
export const configKey: Shape = { type: 'string', format: 'config-key' };
export const envName: Shape = { type: 'string', format: 'env-name' };
/** An IANA service name (RFC 6335). */
export const portName: Shape = { type: 'string', format: 'port-name' };
export const ip: Shape = { type: 'string', format: 'ip' };
export const cidr: Shape = { type: 'string', format: 'cidr' };
/** Any JSON value, kept as it is. OpenAPI has a definition of this name for it, which says nothing of its type. */
export const anyJson = (definition: string): Shape => ({ definition });
/** Any JSON value as well, whose protobuf message has a field for each JSON type that it may be of. */
export const choice = (definition: string, choices: () => Choices): Shape => ({
  definition,
  get choices() {
    return choices();
  },
});
/** Any JSON object, kept as it is. @param definition the name that OpenAPI publishes it by */
export const namedObject = (definition: string): Shape => ({ type: 'object', definition });
/** An enum. */
export const oneOf = (...words: readonly string[]): Shape => ({ type: 'string', enum: words });
/** An object with arbitrary keys and values of one type. */
export const mapOf = (value: Shape): Shape => ({ type: 'object', additionalProperties: value });
export const list = (items: Shape): Shape => ({ type: 'array', items });

type FieldKeywords = Omit<Shape, 'type' | 'format' | 'enum' | 'properties' | 'required' | 'items'>;

/** A field inherits from the shape of its type, whose fields are created lazily. */
const field = (number: FieldNumber | undefined, isRequired: boolean, shape: Shape, keywords?: FieldKeywords): Field =>
  Object.assign(Object.create(shape) as Shape, { number, isRequired, ...keywords });

export const required = (number: FieldNumber | undefined, shape: Shape, keywords?: FieldKeywords): Field =>
  field(number, true, shape, keywords);
export const optional = (number: FieldNumber | undefined, shape: Shape, keywords?: FieldKeywords): Field =>
  field(number, false, shape, keywords);

/**
 * A struct of the API: `definition` is its OpenAPI name. Its fields are created at their first use: a server uses
 * some hundred of the types, a client none, and types may be recursive.
 */
export function struct(
  definition: string,
  fields: () => Readonly<Record<string, Field>>,
  keywords: Pick<Shape, 'mapType'> = {},
): Shape {
  let made: { readonly properties: Readonly<Record<string, Field>>; readonly required: readonly string[] } | undefined;
  const make = () => {
    const properties = fields();
    const required = Object.entries(properties).filter(([, { isRequired }]) => isRequired);
    return { properties, required: required.map(([name]) => name) };
  };
  return {
    type: 'object',
    definition,
    ...keywords,
    get properties() {
      return (made ??= make()).properties;
    },
    get required() {
      return (made ??= make()).required;
    },
  };
}
