/**
 * The static types of CEL: https://github.com/google/cel-spec/blob/master/doc/langdef.md#types, and how messages name them.
 */

export type Kind =
  | 'any'
  | 'bool'
  | 'bytes'
  | 'double'
  | 'duration'
  | 'dyn'
  | 'error'
  | 'int'
  | 'list'
  | 'map'
  | 'null'
  | 'opaque'
  | 'param'
  | 'string'
  | 'struct'
  | 'timestamp'
  | 'type'
  | 'uint';

export interface CelType {
  readonly kind: Kind;
  readonly name: string;
  /** Of a list its items, of a map its keys and values, of a type what it is the type of. */
  readonly params: readonly CelType[];
  /** How many types it is written with, itself included. */
  readonly size: number;
  /** Of a struct whose values are of a class of their own: maps are none of them. */
  readonly isExtension?: true;
  /** Of a struct: the type of a field, undefined for one that it does not have. */
  readonly field?: (name: string) => CelType | undefined;
}

/**
 * A map literal may have a type twice, and one in a macro doubles it with every step: 40 make a type that no memory holds. Nested lists
 * are as deep as the parser allows.
 */
export const MAX_TYPE_SIZE = 300;

/** An expression has a type that is too large to be worked with. */
export class TypeTooLargeError extends Error {
  override readonly name = 'TypeTooLargeError';
  constructor() {
    super(`type has more than ${MAX_TYPE_SIZE} parts`);
  }
}

/** Throws TypeTooLargeError. */
function made(kind: Kind, name: string, params: readonly CelType[]): CelType {
  let size = 1;
  for (const param of params) size += param.size;
  if (size > MAX_TYPE_SIZE) throw new TypeTooLargeError();
  return { kind, name, params, size };
}

/** The type with other parameters. Throws TypeTooLargeError. */
export const withParams = ({ kind, name }: CelType, params: readonly CelType[]): CelType => made(kind, name, params);

const simple = (kind: Kind, name: string = kind): CelType => made(kind, name, []);

/** As dyn, but no range of a comprehension. */
export const ANY = simple('any', 'google.protobuf.Any');
export const BOOL = simple('bool');
export const BYTES = simple('bytes');
export const DOUBLE = simple('double');
export const DURATION = simple('duration', 'google.protobuf.Duration');
export const DYN = simple('dyn');
export const ERROR = simple('error', '!error!');
export const INT = simple('int');
export const NULL = simple('null', 'null_type');
export const STRING = simple('string');
export const TIMESTAMP = simple('timestamp', 'google.protobuf.Timestamp');
export const UINT = simple('uint');

export const listOf = (items: CelType): CelType => made('list', 'list', [items]);
export const mapOf = (keys: CelType, values: CelType): CelType => made('map', 'map', [keys, values]);
export const typeOf = (type: CelType): CelType => made('type', 'type', [type]);
export const opaque = (name: string, ...params: CelType[]): CelType => made('opaque', name, params);
export const optionalOf = (type: CelType): CelType => opaque('optional_type', type);
export const typeParam = (name: string): CelType => made('param', name, []);

/** An object with declared fields. Two structs are of the same type when they have the same name. */
export const struct = (name: string, field: (name: string) => CelType | undefined): CelType => ({
  ...made('struct', name, []),
  field,
});

export const isDyn = ({ kind }: CelType): boolean => kind === 'dyn' || kind === 'any';
export const isDynOrError = (type: CelType): boolean => isDyn(type) || type.kind === 'error';
export const isOptional = ({ kind, name }: CelType): boolean => kind === 'opaque' && name === 'optional_type';
/** What an optional has; undefined for other types. */
export const unwrapped = (type: CelType): CelType | undefined => (isOptional(type) ? type.params[0] : undefined);

/** Whether two types are the same. */
export const isSameType = (left: CelType, right: CelType): boolean =>
  left === right ||
  (left.kind === right.kind &&
    left.name === right.name &&
    left.params.length === right.params.length &&
    left.params.every((param, index) => isSameType(param, right.params[index] ?? ERROR)));

const SHORT_NAMES: Partial<Record<Kind, string>> = {
  any: 'any',
  duration: 'duration',
  null: 'null',
  timestamp: 'timestamp',
};

/** As compile errors name it: `map(string, int)`. */
export function formatType(type: CelType): string {
  const name = SHORT_NAMES[type.kind] ?? type.name;
  return type.params.length === 0 ? name : `${name}(${type.params.map(formatType).join(', ')})`;
}

/** As cel-go prints a type elsewhere. */
export const printType = ({ name, params }: CelType): string =>
  params.length === 0 ? name : `${name}(${params.map(printType).join(', ')})`;

/** As compile errors name the arguments of a call: `string.(int, int)`. */
export function formatArguments(types: readonly CelType[], hasReceiver: boolean): string {
  const names = types.map(formatType);
  const receiver = hasReceiver ? `${names.shift()}.` : '';
  return `${receiver}(${names.join(', ')})`;
}
