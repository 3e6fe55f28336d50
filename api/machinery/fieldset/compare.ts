/** Which fields differ between two states of an object: structured-merge-diff's `typed.Compare`. */
import { deepEqual } from '../deep-equal.ts';
import { isJsonObject, own } from '../own.ts';
import { Collector, EMPTY, FieldSet, LEAF } from './field-set.ts';
import { formOf, isEmptyValue, typeOfKey, type FieldType, type ListType, type MapType } from './field-type.ts';
import { fieldElement } from './path-element.ts';

export interface Changes {
  /** Fields of the new state that the old one lacks, or has with another value. */
  readonly changed: FieldSet;
  /** Fields of the old state that the new one lacks. */
  readonly removed: FieldSet;
}

interface Difference {
  readonly changed?: FieldSet;
  readonly removed?: FieldSet;
}

const CHANGED: Difference = { changed: LEAF };

/** Undefined when nothing differs. What both share is not walked. Throws FieldsError for list items without keys. */
export function compare(type: FieldType, before: unknown, after: unknown): Changes | undefined {
  const found = difference(type, before, after);
  return found && { changed: found.changed ?? EMPTY, removed: found.removed ?? EMPTY };
}

function difference(type: FieldType, before: unknown, after: unknown): Difference | undefined {
  if (before === after) return undefined;
  if (before === undefined) return { changed: allFields(type, after) };
  if (after === undefined) return { removed: allFields(type, before) };
  const form = formOf(type, after === null ? before : after);
  const isLeaf = (type[form] as { readonly atomic?: boolean }).atomic ?? true;
  if (isLeaf || (isEmptyValue(before) && isEmptyValue(after))) return deepEqual(before, after) ? undefined : CHANGED;
  if (form === 'map' && type.map) return ofMaps(type.map, before, after);
  return type.list && ofLists(type.list, before, after);
}

const asMap = (value: unknown): Readonly<Record<string, unknown>> => (isJsonObject(value) ? value : {});
const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

class Differences {
  readonly #changed = new Collector();
  readonly #removed = new Collector();

  add(element: string, found: Difference | undefined): void {
    if (!found) return;
    this.#changed.add(element, found.changed);
    this.#removed.add(element, found.removed);
  }

  result(): Difference | undefined {
    const changed = this.#changed.result();
    const removed = this.#removed.result();
    return changed || removed ? { changed, removed } : undefined;
  }
}

function ofMaps(type: MapType, before: unknown, after: unknown): Difference | undefined {
  const [left, right] = [asMap(before), asMap(after)];
  const found = new Differences();
  for (const key in right) {
    const value = right[key];
    const old = own(left, key);
    if (old !== value) found.add(fieldElement(key), difference(typeOfKey(type, key), old, value));
  }
  for (const key in left) {
    if (own(right, key) !== undefined) continue;
    const old = left[key];
    if (old !== undefined) found.add(fieldElement(key), difference(typeOfKey(type, key), old, undefined));
  }
  return found.result();
}

/** The items of a list by their path elements: more than one where they are repeated. */
function byElement({ elementOf }: ListType, list: readonly unknown[]): Map<string, unknown[]> {
  const items = new Map<string, unknown[]>();
  for (const item of list) {
    const element = elementOf?.(item) ?? '';
    const same = items.get(element);
    if (same) same.push(item);
    else items.set(element, [item]);
  }
  return items;
}

function ofLists(type: ListType, before: unknown, after: unknown): Difference | undefined {
  const left = byElement(type, asList(before));
  const right = byElement(type, asList(after));
  const found = new Differences();
  for (const [element, items] of right) found.add(element, ofItems(type.items, left.get(element) ?? [], items));
  for (const [element, items] of left) if (!right.has(element)) found.add(element, ofItems(type.items, items, []));
  return found.result();
}

/** Items that are repeated are one field. */
function ofItems(type: FieldType, before: readonly unknown[], after: readonly unknown[]): Difference | undefined {
  if (before.length <= 1 && after.length <= 1) return difference(type, before[0], after[0]);
  if (before.length > 1 && after.length > 1) return deepEqual(before, after) ? undefined : CHANGED;
  if (before.length > 1) {
    return { removed: LEAF, changed: after.length > 0 ? allFields(type, after[0]) : undefined };
  }
  return { changed: LEAF, removed: before.length > 0 ? allFields(type, before[0]) : undefined };
}

/** The field itself and all below it. */
function allFields(type: FieldType, value: unknown): FieldSet {
  if (typeof value !== 'object' || value === null) return LEAF;
  const below = new Collector();
  const form = formOf(type, value);
  if (form === 'map' && type.map && !type.map.atomic) {
    const map = asMap(value);
    for (const key in map) {
      const inner = map[key];
      if (inner !== undefined) below.add(fieldElement(key), allFields(typeOfKey(type.map, key), inner));
    }
  } else if (form === 'list' && type.list && !type.list.atomic) {
    for (const [element, items] of byElement(type.list, asList(value))) {
      below.add(element, items.length > 1 ? LEAF : allFields(type.list.items, items[0]));
    }
  }
  return below.result(true) ?? LEAF;
}
