/** Removal of fields from a value, and what an applier no longer states: structured-merge-diff's `RemoveItems` and `prune`. */
import { isJsonObject, own, setOwn } from '../own.ts';
import { difference, FieldSet, intersection, isSubset, union } from './field-set.ts';
import { formOf, typeOfKey, type FieldType } from './field-type.ts';
import { fieldsOf } from './fields-of.ts';
import { fieldElement } from './path-element.ts';

/** What is left of a value that loses fields of its own: an object or list without any stays, and is empty. */
const removeBelow = (type: FieldType, value: unknown, set: FieldSet): unknown =>
  removeFields(type, value, set) ?? (Array.isArray(value) ? [] : isJsonObject(value) ? {} : null);

/** Returns `value` without the fields of `set`, or null when it is an object or a list of which nothing is left. */
export function removeFields(type: FieldType, value: unknown, set: FieldSet): unknown {
  const form = formOf(type, value);
  if (form === 'scalar') return value;
  if (Array.isArray(value)) {
    if (value.length === 0 || !type.list || type.list.atomic) return null;
    const { items, elementOf } = type.list;
    const left: unknown[] = [];
    for (const item of value as readonly unknown[]) {
      const below = set.children.get(elementOf?.(item) ?? '');
      if (below?.member) continue;
      left.push(below ? removeBelow(items, item, below) : item);
    }
    return left.length > 0 ? left : null;
  }
  if (!isJsonObject(value) || !type.map || type.map.atomic) return null;
  const left: Record<string, unknown> = {};
  let isEmpty = true;
  for (const key in value) {
    const below = set.children.get(fieldElement(key));
    if (below?.member) continue;
    const inner = own(value, key);
    setOwn(left, key, below ? removeBelow(typeOfKey(type.map, key), inner, below) : inner);
    isEmpty = false;
  }
  return isEmpty ? null : left;
}

/** With the declared fields of structs on the way to a field of the set, which states only those that have a value. */
export function withStructs(set: FieldSet, type: FieldType | undefined): FieldSet {
  if (set.children.size === 0) return set;
  const children = new Map<string, FieldSet>();
  for (const [element, child] of set.children) {
    const name = element.startsWith('f:') ? element.slice(2) : undefined;
    const declared = name === undefined ? undefined : type?.map?.field(name);
    const below = withStructs(child, declared ?? (name === undefined ? type?.list?.items : type?.map?.values));
    children.set(element, declared && !below.member ? new FieldSet(true, below.children) : below);
  }
  return new FieldSet(set.member, children);
}

/**
 * Returns `merged` without the fields that an applier stated last time and that nobody states now.
 * @param last what the applier stated @param owned what all managers own now, the applier included
 */
export function prune(type: FieldType, merged: unknown, last: FieldSet, owned: FieldSet): unknown {
  if (isSubset(last, owned)) return merged;
  const stated = withStructs(last, type);
  const fields = withStructs(fieldsOf(type, merged), type);
  const fieldsWithout = (set: FieldSet): FieldSet => withStructs(fieldsOf(type, removeFields(type, merged, set)), type);
  // Removing a struct takes fields of others with it, and fields that nobody owns: those come back.
  const kept = union(fieldsWithout(stated), withStructs(owned, type));
  const left = fieldsWithout(difference(fields, kept));
  return removeFields(type, merged, intersection(difference(fields, left), stated));
}
