/**
 * What ownership needs to know of a schema: which values are owned as one, and how the items of a list are told apart. Built-in kinds
 * have it from their shapes, custom resources from theirs; a value without a schema is deduced. The model is the `schema` of
 * structured-merge-diff: https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
 */
import { isJsonObject, own } from '../own.ts';
import type { Shape } from '../schema.ts';
import { keyElement, valueElement, type Scalar } from './path-element.ts';

export type ScalarType = 'numeric' | 'string' | 'boolean' | 'untyped';

export interface ListType {
  /** Whether the list is owned as a whole. */
  readonly atomic: boolean;
  readonly items: FieldType;
  /** The path element of an item. Throws FieldsError for an item that cannot be told apart. Undefined for an atomic list. */
  readonly elementOf?: (item: unknown) => string;
}

export interface MapType {
  /** Whether the map is owned as a whole. */
  readonly atomic: boolean;
  /** Returns the type of a declared field. */
  field(name: string): FieldType | undefined;
  /** The type of the values of keys that are not declared; undefined when there are none. */
  readonly values?: FieldType;
}

/** What a value may be: mostly one of the three. */
export interface FieldType {
  readonly scalar?: ScalarType;
  readonly list?: ListType;
  readonly map?: MapType;
}

/** What of a type applies to a value: upstream's `deduceAtom`. */
export function formOf(type: FieldType, value: unknown): 'map' | 'list' | 'scalar' {
  if (typeof value === 'object') {
    if (Array.isArray(value)) {
      if (type.list) return 'list';
    } else if (value !== null && type.map) return 'map';
  } else if (value !== undefined && type.scalar) return 'scalar';
  return type.map ? 'map' : type.scalar ? 'scalar' : 'list';
}

/** The type of a key of a map. */
export const typeOfKey = (map: MapType, key: string): FieldType => map.field(key) ?? map.values ?? DEDUCED;

/** Any value: objects are owned key by key, lists as a whole. */
export const DEDUCED: FieldType = {
  scalar: 'untyped',
  get list() {
    return { atomic: true, items: DEDUCED };
  },
  map: {
    atomic: false,
    field: () => undefined,
    get values() {
      return DEDUCED;
    },
  },
};

const NO_DEFAULTS: ReadonlyMap<string, Scalar> = new Map();
/** The only key of built-in lists that has a default: the protocol of a port of a container or Service. */
const KEY_DEFAULTS: ReadonlyMap<string, ReadonlyMap<string, Scalar>> = new Map([
  ['protocol', new Map<string, Scalar>([['protocol', 'TCP']])],
]);

/** A list of type map. @param defaults of its keys, by name */
export function keyedList(items: FieldType, keys: readonly string[], defaults = NO_DEFAULTS): ListType {
  const sorted = [...keys].sort();
  return { atomic: false, items, elementOf: (item) => keyElement(item, keys, sorted, defaults) };
}

const known = new WeakMap<Shape, FieldType>();

/** The type of a shape of a built-in kind; made at its first use. */
export function fieldTypeOf(shape: Shape): FieldType {
  let type = known.get(shape);
  if (!type) {
    type = makeType(shape);
    known.set(shape, type);
  }
  return type;
}

const UNTYPED = { scalar: 'untyped' } as const;
const SCALARS: ReadonlyMap<string, FieldType> = new Map<string, FieldType>([
  ['string', { scalar: 'string' }],
  ['boolean', { scalar: 'boolean' }],
  ['integer', { scalar: 'numeric' }],
  ['number', { scalar: 'numeric' }],
]);
/** Values that have a syntax of their own, and may be of several types in JSON. */
const UNTYPED_FORMATS: ReadonlySet<string> = new Set([
  'date-time',
  'micro-time',
  'duration',
  'quantity',
  'int-or-string',
]);

function makeType(shape: Shape): FieldType {
  if (shape.properties) return structType(shape);
  if (shape.items) return { list: listType(shape, shape.items) };
  if (shape.additionalProperties) {
    const values = fieldTypeOf(shape.additionalProperties);
    return { map: { atomic: shape.mapType === 'atomic', field: () => undefined, values } };
  }
  if (shape.format !== undefined && UNTYPED_FORMATS.has(shape.format)) return UNTYPED;
  return SCALARS.get(shape.type ?? '') ?? DEDUCED;
}

function structType(shape: Shape): FieldType {
  const fields = new Map<string, FieldType>();
  return {
    map: {
      atomic: shape.mapType === 'atomic',
      field: (name) => {
        const made = fields.get(name);
        if (made) return made;
        const property = own(shape.properties, name);
        if (!property) return undefined;
        const type = fieldTypeOf(property);
        fields.set(name, type);
        return type;
      },
    },
  };
}

function listType({ listType: merge, listMapKeys = [] }: Shape, shape: Shape): ListType {
  const items = fieldTypeOf(shape);
  if (merge === 'set') return { atomic: false, items, elementOf: valueElement };
  if (merge !== 'map') return { atomic: true, items };
  const defaulted = listMapKeys.find((key) => KEY_DEFAULTS.has(key));
  return keyedList(items, listMapKeys, defaulted === undefined ? NO_DEFAULTS : KEY_DEFAULTS.get(defaulted));
}

/** Whether there is nothing in a list or map: absent, null or empty. */
export function isEmptyValue(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  if (!isJsonObject(value)) return false;
  for (const _ in value) return false;
  return true;
}
