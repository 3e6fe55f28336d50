/**
 * The vocabulary in which every kind of the Kubernetes API is defined: TypeBox schemas that carry, besides types, what
 * OpenAPI calls `x-kubernetes-*`: how lists merge. Everything that needs to know the shape of an object (decoding, pruning,
 * OpenAPI, strategic merge patch, server-side apply) walks these schemas.
 */
import * as Type from 'typebox';
import type { Static, TOptional, TProperties, TSchema } from 'typebox';

export type { Static, TSchema };

/** How a list merges: `x-kubernetes-list-type`, `-list-map-keys`, `-patch-merge-key` and `-patch-strategy`. */
export interface ListMerge {
  readonly listType?: 'atomic' | 'set' | 'map';
  readonly listMapKeys?: readonly string[];
  readonly patchMergeKey?: string;
  readonly patchStrategy?: 'merge' | 'replace' | 'retainKeys' | 'merge,retainKeys';
}

/** What a struct's field may carry when it is not a list: `x-kubernetes-patch-strategy` and `x-kubernetes-map-type`. */
export interface FieldMerge {
  readonly patchStrategy?: 'retainKeys' | 'replace';
  readonly mapType?: 'atomic' | 'granular';
}

/** Scalars that JSON cannot tell apart from a plain string or number; the walkers dispatch on it. */
export type ScalarFormat =
  'int32' | 'int64' | 'double' | 'byte' | 'date-time' | 'micro-time' | 'quantity' | 'int-or-string';

export const string = () => Type.String();
export const boolean = () => Type.Boolean();
export const int32 = () => Type.Integer({ format: 'int32' });
export const int64 = () => Type.Integer({ format: 'int64' });
export const double = () => Type.Number({ format: 'double' });
/** Base64 text. */
export const bytes = () => Type.String({ format: 'byte' });
/** RFC 3339, seconds. */
export const time = () => Type.String({ format: 'date-time' });
/** RFC 3339, microseconds. */
export const microTime = () => Type.String({ format: 'micro-time' });
/** A number with a suffix, such as `100m` or `2Gi`; kept as canonical text. JSON numbers are accepted and become text. */
export const quantity = () => Type.String({ format: 'quantity' });
/** A port number or name, a count or a percentage. */
export const intOrString = () => Type.Unsafe<number | string>({ format: 'int-or-string' });
/** One of a closed set of words. */
export const oneOf = <const V extends string>(...values: V[]) => Type.Unsafe<V>({ type: 'string', enum: values });
/** Any JSON value, kept as it came. */
export const anyJson = () => Type.Unsafe<unknown>({ 'x-kubernetes-preserve-unknown-fields': true });
/** Any JSON object, kept as it came. */
export const anyObject = () =>
  Type.Unsafe<Record<string, unknown>>({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true });

/** An object with free keys and values of one type. */
export const mapOf = <V extends TSchema>(value: V, merge: FieldMerge = {}) =>
  Type.Unsafe<Record<string, Static<V>>>({ type: 'object', additionalProperties: value, ...merge });
export const stringMap = (merge: FieldMerge = {}) => mapOf(string(), merge);

/** A list without a declared merge behaviour: replaced as a whole. */
export const list = <I extends TSchema>(item: I, merge: ListMerge = {}) => Type.Array(item, { ...merge });
/** A list that is replaced as a whole. */
export const atomic = <I extends TSchema>(item: I, merge: ListMerge = {}) =>
  Type.Array(item, { listType: 'atomic', ...merge });
/** A list of scalars without order or duplicates. */
export const setOf = <I extends TSchema>(item: I, merge: ListMerge = {}) =>
  Type.Array(item, { listType: 'set', ...merge });
/** A list whose items are told apart by `keys`; `merge` adds what strategic merge patch knows of it. */
export const mapList = <I extends TSchema>(item: I, keys: readonly string[], merge: ListMerge = {}) =>
  Type.Array(item, { listType: 'map', listMapKeys: keys, ...merge });
/** The common case of a map list: strategic merge patch merges it by the same single key. */
export const merged = <I extends TSchema>(item: I, key: string) =>
  mapList(item, [key], { patchMergeKey: key, patchStrategy: 'merge' });

/** A field's schema with field-level merge behaviour that its struct does not have by itself. */
export const field = <S extends TSchema>(schema: S, merge: FieldMerge): S => ({ ...schema, ...merge });

/** An optional scalar whose zero value is kept (a pointer upstream); others vanish when they are `""`, `0` or `false`. */
export const pointer = <S extends TSchema>(schema: S): S => ({ ...schema, pointer: true });
/** An optional field that is serialized even when it was not given: `{}`, `null`, `""` or `0`, as its type says. */
export const always = <S extends TSchema>(schema: S): S => ({ ...schema, always: true });

type Optionals<O extends TProperties> = { [K in keyof O]: TOptional<O[K]> };

/** A struct of the API: `name` is its OpenAPI definition name; `required` and `optional` are its fields. */
export function struct<R extends TProperties, O extends TProperties>(
  name: string,
  required: R,
  optional: O,
  extensions: { readonly mapType?: 'atomic' } = {},
): Type.TObject<R & Optionals<O>> {
  const others = Object.entries(optional).map(([key, schema]) => [key, Type.Optional(schema)] as const);
  const properties: Record<string, TSchema> = { ...required, ...Object.fromEntries(others) };
  return Type.Object(properties, { definition: name, ...extensions }) as unknown as Type.TObject<R & Optionals<O>>;
}

/** A schema as the walkers look at it: its keywords, whatever its static type. */
export interface Shape extends ListMerge {
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  /** Of a struct: its OpenAPI definition name. */
  readonly definition?: string;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly items?: Shape;
  readonly additionalProperties?: Shape;
  readonly mapType?: 'atomic' | 'granular';
  readonly pointer?: boolean;
  readonly always?: boolean;
}
