/** The fields of a new object as `FieldsV1` text in upstream's order, in one walk: what `compare` finds against an empty object, without the set. */
import { deepEqual } from '../deep-equal.ts';
import { flatString } from '../flat-string.ts';
import { isJsonObject, own } from '../own.ts';
import type { FieldSet } from './field-set.ts';
import { formOf, isEmptyValue, typeOfKey, type FieldType, type ListType } from './field-type.ts';
import { inOrder, namesInOrder } from './path-element.ts';

const LEAF = '{}';

/**
 * @param before an empty object, with what objects of the kind always have
 * @param excluded fields that nobody owns, and all below them
 * Returns '' when there are none.
 */
export function addedFieldsText(type: FieldType, before: unknown, after: unknown, excluded?: FieldSet): string {
  if (before === after) return '';
  if (before === undefined) return allText(type, after);
  const form = formOf(type, after);
  if (form === 'scalar' || type[form]?.atomic || (isEmptyValue(before) && isEmptyValue(after))) {
    return deepEqual(before, after) ? '' : LEAF;
  }
  if (form === 'list') return type.list ? wrapped(itemsText(type.list, after)) : '';
  if (!type.map || !isJsonObject(after)) return '';
  const old = isJsonObject(before) ? before : undefined;
  let text = '';
  for (const key of namesInOrder(Object.keys(after))) {
    const value = own(after, key);
    const not = excluded?.children.get(`f:${key}`);
    if (value === undefined || not?.member) continue;
    const inner = addedFieldsText(typeOfKey(type.map, key), own(old, key), value, not);
    if (inner) text += (text ? `,${fieldTexts(key).key}` : fieldTexts(key).key) + inner;
  }
  return wrapped(text);
}

const wrapped = (text: string): string => (text ? `{${text}}` : '');

/** What is written of a field: most have nothing below them. */
interface FieldTexts {
  /** `"f:name":` */
  readonly key: string;
  /** `,"f:name":` */
  readonly next: string;
  /** `,"f:name":{}` */
  readonly leaf: string;
}

/** Of the names of fields that were written lately: mostly a schema's. */
const knownTexts = new Map<string, FieldTexts>();
const MAX_KNOWN_TEXTS = 4096;
const MAX_KEPT_CHARS = 64;

function fieldTexts(name: string): FieldTexts {
  const known = knownTexts.get(name);
  if (known) return known;
  const key = `${JSON.stringify(`f:${name}`)}:`;
  const texts: FieldTexts = { key, next: flatString(`,${key}`), leaf: flatString(`,${key}${LEAF}`) };
  if (name.length > MAX_KEPT_CHARS) return texts;
  if (knownTexts.size >= MAX_KNOWN_TEXTS) knownTexts.clear();
  knownTexts.set(name, texts);
  return texts;
}

function allText(type: FieldType, value: unknown): string {
  if (typeof value !== 'object' || value === null) return LEAF;
  const form = formOf(type, value);
  let text = '';
  if (form === 'map' && type.map && !type.map.atomic) {
    const map = value as Readonly<Record<string, unknown>>;
    for (const key of namesInOrder(Object.keys(map))) {
      const inner = own(map, key);
      if (inner === undefined) continue;
      const { next, leaf } = fieldTexts(key);
      const all = allText(typeOfKey(type.map, key), inner);
      text += all === LEAF ? leaf : next + all;
    }
  } else if (form === 'list' && type.list && !type.list.atomic) {
    const items = itemsText(type.list, value);
    if (items) text = `,${items}`;
  }
  return text ? `{".":{}${text}}` : LEAF;
}

function itemText(elementOf: ListType['elementOf'], items: FieldType, item: unknown): string {
  return `${JSON.stringify(elementOf?.(item) ?? '')}:${allText(items, item)}`;
}

function itemsText({ items, elementOf }: ListType, list: unknown): string {
  if (!Array.isArray(list)) return '';
  if (list.length === 1) return itemText(elementOf, items, list[0]);
  const elements = new Map<string, unknown>();
  let repeated: Set<string> | undefined;
  for (const item of list as readonly unknown[]) {
    const element = elementOf?.(item) ?? '';
    if (elements.has(element)) (repeated ??= new Set()).add(element);
    else elements.set(element, item);
  }
  let text = '';
  for (const element of inOrder([...elements.keys()])) {
    const inner = repeated?.has(element) ? LEAF : allText(items, elements.get(element));
    text += `${text ? ',' : ''}${JSON.stringify(element)}:${inner}`;
  }
  return text;
}
