/** What the operators do with values. Comparisons count their steps: lists may be nested deeper than their cost says. */
import { compareText } from '../compare-text.ts';
import { own } from '../own.ts';
import { escapeName } from './escaping.ts';
import { JoinedList, ValueList, ValueStruct } from './collections.ts';
import { fromJson, JsonList, JsonMap } from './from-json.ts';
import type { Meter } from './meter.ts';
import {
  BOOL,
  BYTES,
  type CelType,
  DOUBLE,
  DYN,
  ERROR,
  INT,
  isDyn,
  listOf,
  mapOf,
  NULL,
  optionalOf,
  STRING,
  typeOf as typeOfType,
} from './types.ts';
import {
  CelList,
  CelMap,
  type CelValue,
  Duration,
  Extension,
  Failure,
  NO_OVERLOAD,
  Optional,
  Timestamp,
  TypeValue,
  Uint,
} from './values.ts';

const ANY_LIST = listOf(DYN);
const ANY_MAP = mapOf(DYN, DYN);

/** The type of a value: what `type()` returns. */
export function typeOfValue(value: CelValue): CelType {
  if (value === null) return NULL;
  switch (typeof value) {
    case 'boolean':
      return BOOL;
    case 'bigint':
      return INT;
    case 'number':
      return DOUBLE;
    case 'string':
      return STRING;
    default:
  }
  if (value instanceof CelList) return ANY_LIST;
  if (value instanceof ValueStruct) return value.celType;
  if (value instanceof CelMap) return ANY_MAP;
  if (value instanceof Uint8Array) return BYTES;
  if (value instanceof Optional) return optionalOf(DYN);
  if (value instanceof TypeValue) return typeOfType(DYN);
  return value instanceof Failure ? ERROR : value.celType;
}

/** Whether a value may be passed where a type is declared. */
export function isOfType(value: CelValue, type: CelType): boolean {
  if (isDyn(type) || type.kind === 'param') return true;
  const mayBeMap = type.kind === 'struct' && !type.isExtension;
  if (mayBeMap && value instanceof CelMap && !(value instanceof ValueStruct)) return true;
  const found = typeOfValue(value);
  return found.kind === type.kind && (found.kind === 'type' || found.name === type.name);
}

/** The number that a value is, comparable with other numbers by `<` exactly; undefined for other values. */
const numberOf = (value: CelValue): bigint | number | undefined =>
  typeof value === 'bigint' || typeof value === 'number' ? value : value instanceof Uint ? value.value : undefined;

function nanosOf(left: CelValue, right: CelValue): readonly [bigint, bigint] | undefined {
  if (left instanceof Timestamp && right instanceof Timestamp) return [left.nanos, right.nanos];
  return left instanceof Duration && right instanceof Duration ? [left.nanos, right.nanos] : undefined;
}

/** Characters or bytes that are compared in one step. */
const COMPARED_PER_STEP = 64;
const stepsOf = (value: CelValue): number =>
  typeof value === 'string' || value instanceof Uint8Array ? 1 + Math.floor(value.length / COMPARED_PER_STEP) : 1;

/** Whether two values are equal. Values of different types are not, except numbers. */
export function equals(left: CelValue, right: CelValue, meter: Meter): boolean {
  meter.step(stepsOf(left));
  if (left === right) return true;
  const number = numberOf(left);
  if (number !== undefined) {
    const other = numberOf(right);
    // Numbers of different types compare by their values.
    return other !== undefined && !(number < other) && !(number > other) && !isNan(number) && !isNan(other);
  }
  const nanos = nanosOf(left, right);
  if (nanos) return nanos[0] === nanos[1];
  if (left instanceof CelList) return right instanceof CelList && areListsEqual(left, right, meter);
  if (left instanceof CelMap) return right instanceof CelMap && areMapsEqual(left, right, meter);
  if (left instanceof Uint8Array) return right instanceof Uint8Array && Buffer.compare(left, right) === 0;
  if (left instanceof Optional) return right instanceof Optional && areOptionalsEqual(left, right, meter);
  if (left instanceof TypeValue) return right instanceof TypeValue && isSameName(left.type, right.type);
  return left instanceof Extension && right instanceof Extension && left.celType.name === right.celType.name
    ? left.equals(right)
    : false;
}

const isNan = (value: bigint | number): boolean => typeof value === 'number' && Number.isNaN(value);
const isSameName = (left: CelType, right: CelType): boolean => left.kind === right.kind && left.name === right.name;

const areOptionalsEqual = (left: Optional, right: Optional, meter: Meter): boolean =>
  left.value === undefined || right.value === undefined
    ? left.value === right.value
    : equals(left.value, right.value, meter);

function areListsEqual(left: CelList, right: CelList, meter: Meter): boolean {
  if (left.size !== right.size) return false;
  if (left.identity) return isSameSet(left, right, left.identity.keys, meter);
  for (let index = 0; index < left.size; index++) if (!equals(left.at(index), right.at(index), meter)) return false;
  return true;
}

/** By what an item of a list that is a set or a map is known: itself, or its keys. */
function itemKey(item: CelValue, keys: readonly string[], meter: Meter): string {
  meter.step(1 + keys.length);
  const parts = keys.length === 0 ? [item] : keys.map((key) => (item instanceof CelMap ? item.find(key) : undefined));
  const text = JSON.stringify(parts.map(plainPart));
  meter.step(Math.floor(text.length / COMPARED_PER_STEP));
  return text;
}

function plainPart(part: CelValue | undefined): unknown {
  if (part instanceof JsonMap) return part.object;
  if (part instanceof JsonList) return part.items;
  return typeof part === 'bigint' ? `${part}n` : part;
}

function isSameSet(left: CelList, right: CelList, keys: readonly string[], meter: Meter): boolean {
  const items = new Map<string, CelValue>();
  for (const item of left) items.set(itemKey(item, keys, meter), item);
  for (const item of right) {
    const known = items.get(itemKey(item, keys, meter));
    if (known === undefined || (keys.length > 0 && !equals(known, item, meter))) return false;
  }
  return true;
}

/** Whether two objects with declared fields have the same in those that expressions cannot read. */
function hasSameUnknown({ object, type }: JsonMap, right: JsonMap, meter: Meter): boolean {
  if (!type?.fields) return true;
  for (const [name, value] of Object.entries(object)) {
    const other = own(right.object, name);
    if (type.fields.has(escapeName(name) ?? '') || other === undefined) continue;
    if (!equals(fromJson(value), fromJson(other), meter)) return false;
  }
  return true;
}

/** The number of entries. The keys of an object of JSON have to be counted. */
export function sizeOfMap(map: CelMap, meter: Meter): number {
  const { size } = map;
  meter.step(size);
  return size;
}

function areMapsEqual(left: CelMap, right: CelMap, meter: Meter): boolean {
  if (sizeOfMap(left, meter) !== sizeOfMap(right, meter)) return false;
  if (left instanceof JsonMap && right instanceof JsonMap && !hasSameUnknown(left, right, meter)) return false;
  for (const key of left.keys()) {
    const value = left.find(key);
    const other = right.find(key);
    if (value === undefined || other === undefined) {
      if (value !== other) return false;
    } else if (!equals(value, other, meter)) {
      return false;
    }
  }
  return true;
}

/** Less than, equal or greater than zero; undefined for values without an order. */
export function compare(left: CelValue, right: CelValue): number | undefined {
  const number = numberOf(left);
  const other = numberOf(right);
  if (number !== undefined && other !== undefined) return number < other ? -1 : number > other ? 1 : 0;
  const nanos = nanosOf(left, right);
  if (nanos) return nanos[0] < nanos[1] ? -1 : nanos[0] > nanos[1] ? 1 : 0;
  if (typeof left === 'string' && typeof right === 'string') return compareText(left, right);
  if (typeof left === 'boolean' && typeof right === 'boolean') return Number(left) - Number(right);
  if (left instanceof Uint8Array && right instanceof Uint8Array) return Buffer.compare(left, right);
  return undefined;
}

/** What copying an item of a list takes: more than looking at it, as all copies may be kept. */
const STEPS_PER_COPY = 2;

/**
 * A list to join with another one. Joined ones are copied: of lists of lists of lists, each twice the one before, a few characters would make
 * one that cannot be read in any time.
 */
function flat(list: CelList, meter: Meter): CelList {
  if (!(list instanceof JoinedList)) return list;
  meter.step(STEPS_PER_COPY * list.size);
  return new ValueList(Array.from(list));
}

/** `left + right`. Lists of JSON that are sets or maps merge, others are appended. */
export function concatenate(left: CelList, right: CelList, meter: Meter): CelList {
  const merged = left.identity;
  if (!merged) return new JoinedList(flat(left, meter), flat(right, meter));
  const items = new Map<string, CelValue>();
  for (const list of [left, right])
    for (const item of list) {
      const key = itemKey(item, merged.keys, meter);
      if (merged.kind === 'map' || !items.has(key)) items.set(key, item);
    }
  return new ValueList([...items.values()], merged);
}

/** How messages show a key or an index. */
export const shown = (value: CelValue): string => {
  if (typeof value === 'string') return value;
  const number = numberOf(value);
  return number === undefined ? (typeof value === 'boolean' ? String(value) : typeOfValue(value).name) : String(number);
};

/** The value of a field or a key; undefined when there is none, as in what has no fields: null. cel-go's `refQualify`. */
export function find(operand: CelValue, key: CelValue): CelValue | undefined {
  if (operand instanceof CelMap) return operand.find(key);
  if (!(operand instanceof CelList)) return operand instanceof Failure ? operand : undefined;
  const index = typeof key === 'number' && Number.isInteger(key) ? BigInt(key) : numberOf(key);
  if (typeof index !== 'bigint') return new Failure(`unsupported index type '${typeOfValue(key).name}' in list`);
  return index >= 0n && index < BigInt(operand.size) ? operand.at(Number(index)) : undefined;
}

/** `operand.field` and `operand[key]`; of an optional, the optional of it. */
export function access(operand: CelValue, key: CelValue): CelValue {
  if (operand instanceof Optional) return accessOptional(operand, key);
  const value = find(operand, key);
  if (value !== undefined) return value;
  return new Failure(operand instanceof CelList ? `index out of bounds: ${shown(key)}` : `no such key: ${shown(key)}`);
}

/** `operand.?field` and `operand[?key]`. */
export function accessOptional(operand: CelValue, key: CelValue): CelValue {
  const inner = operand instanceof Optional ? operand.value : operand;
  if (inner === undefined) return Optional.none;
  const value = find(inner, key);
  if (value instanceof Failure) return value;
  return value === undefined ? Optional.none : new Optional(value);
}

/** `has(operand.field)`. */
export function has(operand: CelValue, field: string): CelValue {
  const inner = operand instanceof Optional ? operand.value : operand;
  if (inner === undefined) return false;
  const value = find(inner, field);
  return value instanceof Failure ? value : value !== undefined;
}

/** `item in container`. */
export function contains(container: CelValue, item: CelValue, meter: Meter): CelValue {
  if (container instanceof CelMap) {
    const value = container.find(item);
    return value instanceof Failure ? value : value !== undefined;
  }
  if (!(container instanceof CelList)) return NO_OVERLOAD;
  for (const known of container) if (equals(known, item, meter)) return true;
  return false;
}
