/** Plain values as values of CEL. What is in lists and objects is converted when it is read. */
import { isJsonObject, own } from '../own.ts';
import { parseDuration, parseTimestamp } from './library/time-text.ts';
import type { DeclType } from './decl-type.ts';
import { escapeName, fieldNamed, unescapeName } from './escaping.ts';
import { isDyn } from './types.ts';
import {
  CelList,
  CelMap,
  type CelValue,
  Duration,
  Extension,
  Failure,
  type ListIdentity,
  Optional,
  Timestamp,
  TypeValue,
  Uint,
} from './values.ts';

/** A plain value whose type is declared: numbers of JSON do not say whether they are ints. */
export class Typed {
  readonly value: unknown;
  readonly type: DeclType;
  constructor(value: unknown, type: DeclType) {
    this.value = value;
    this.type = type;
  }
}

/** The type of a value as errors of upstream's server name it. */
const goType = (value: unknown): string => {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'object' ? 'map[string]interface {}' : 'string';
};

const unexpected = (expected: string, value: unknown): Failure =>
  new Failure(`invalid data, expected ${expected}, got ${goType(value)}`);

/**
 * Converts a value of JSON. Without a type, whole numbers are ints, as JSON of the API is read. Values of CEL are returned as they are.
 */
export function fromJson(value: unknown, type?: DeclType): CelValue {
  if (value === null || value === undefined) return null;
  if (type && !isDyn(type.type)) return typed(value, type);
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return value;
    case 'number':
      return Number.isSafeInteger(value) ? BigInt(value) : value;
    default:
      return isValue(value) ? value : (viewOf(value, type) ?? new Failure(`unsupported type: ${typeof value}`));
  }
}

const isValue = (value: unknown): value is CelValue =>
  value instanceof Extension ||
  value instanceof CelList ||
  value instanceof CelMap ||
  value instanceof TypeValue ||
  value instanceof Uint ||
  value instanceof Timestamp ||
  value instanceof Duration ||
  value instanceof Optional ||
  value instanceof Uint8Array;

function typed(value: unknown, declared: DeclType): CelValue {
  const { kind } = declared.type;
  switch (kind) {
    case 'string':
      return typeof value === 'string' ? value : unexpected('string', value);
    case 'bool':
      return typeof value === 'boolean' ? value : unexpected('bool', value);
    case 'int':
      return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : unexpected('int', value);
    case 'double':
      return typeof value === 'number' ? value : unexpected('double', value);
    case 'bytes':
      return typeof value === 'string' ? Buffer.from(value, 'base64') : unexpected('byte', value);
    case 'duration':
      return typeof value === 'string' ? parseDuration(value) : unexpected('duration', value);
    case 'timestamp':
      return typeof value === 'string'
        ? parseTimestamp(/^\d{4}-\d\d-\d\d$/.test(value) ? `${value}T00:00:00Z` : value)
        : unexpected('timestamp', value);
    case 'list':
      return Array.isArray(value)
        ? (viewOf(value, declared) ?? null)
        : new Failure('invalid data, expected an array for the provided schema with type=array');
    default:
      return isJsonObject(value)
        ? new JsonMap(value, declared)
        : new Failure('invalid data, expected a map for the provided schema with type=object');
  }
}

/** An array of JSON. */
export class JsonList extends CelList {
  readonly items: readonly unknown[];
  readonly type: DeclType | undefined;
  override readonly identity: ListIdentity | undefined;
  constructor(items: readonly unknown[], type: DeclType | undefined) {
    super();
    this.identity = type?.list;
    this.items = items;
    this.type = type;
  }

  get size(): number {
    return this.items.length;
  }

  at(index: number): CelValue {
    return fromJson(this.items[index], this.type?.items);
  }
}

/**
 * An object of JSON. With declared fields, their names are escaped and null counts as absent; otherwise it is a map.
 */
export class JsonMap extends CelMap {
  readonly object: Readonly<Record<string, unknown>>;
  readonly type: DeclType | undefined;
  constructor(object: Readonly<Record<string, unknown>>, type: DeclType | undefined) {
    super();
    this.object = object;
    this.type = type;
  }

  get size(): number {
    return Object.keys(this.object).length;
  }

  find(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string') return undefined;
    const fields = this.type?.fields;
    if (!fields) {
      const value = own(this.object, key);
      return value === undefined ? undefined : fromJson(value, this.type?.items);
    }
    const field = fieldNamed(fields, key);
    const name = unescapeName(key);
    const value = name === undefined ? undefined : own(this.object, name);
    return !field || value === undefined || value === null ? undefined : fromJson(value, field);
  }

  *keys(): Generator<CelValue> {
    const fields = this.type?.fields;
    for (const name of Object.keys(this.object)) {
      const escaped = fields ? escapeName(name) : name;
      if (escaped !== undefined && (!fields || fields.has(escaped))) yield escaped;
    }
  }
}

/** Views of arrays and objects; undefined for other values. */
function viewOf(value: unknown, type: DeclType | undefined): CelList | CelMap | undefined {
  if (Array.isArray(value)) return new JsonList(value, type);
  return isJsonObject(value) ? new JsonMap(value, type) : undefined;
}
