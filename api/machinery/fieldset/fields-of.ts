/** Which fields an applied configuration states, and whether it fits its schema: structured-merge-diff's `ToFieldSet` and `AsTyped`. */
import { MAX_ERRORS } from '../limits.ts';
import { Messages } from '../messages.ts';
import { isJsonObject, own } from '../own.ts';
import { Collector, FieldSet, LEAF, EMPTY } from './field-set.ts';
import { formOf, typeOfKey, type FieldType, type ListType, type MapType } from './field-type.ts';
import { displayElement, fieldElement, FieldsError } from './path-element.ts';

/** The fields that a value states. Structs are only in it as far as their fields are. */
export function fieldsOf(type: FieldType, value: unknown): FieldSet {
  return ofValue(type, value) ?? EMPTY;
}

function ofValue(type: FieldType, value: unknown): FieldSet | undefined {
  const form = formOf(type, value);
  if (form === 'scalar') return LEAF;
  if (type[form]?.atomic) return LEAF;
  if (form === 'map') return type.map && isJsonObject(value) ? ofMap(type.map, value) : undefined;
  return type.list && Array.isArray(value) ? ofList(type.list, value) : undefined;
}

const withMember = (set: FieldSet | undefined): FieldSet => (set ? new FieldSet(true, set.children) : LEAF);

function ofMap(type: MapType, map: Readonly<Record<string, unknown>>): FieldSet | undefined {
  const below = new Collector();
  for (const key in map) {
    const value = own(map, key);
    if (value === undefined) continue;
    const inner = ofValue(typeOfKey(type, key), value);
    const isItself = value === null || (isJsonObject(value) && Object.keys(value).length === 0) || !type.field(key);
    below.add(fieldElement(key), isItself ? withMember(inner) : inner);
  }
  return below.result();
}

function ofList({ items, elementOf }: ListType, list: readonly unknown[]): FieldSet | undefined {
  const below = new Collector();
  const seen = new Set<string>();
  for (const item of list) {
    const element = elementOf?.(item) ?? '';
    // Items that are repeated are one field.
    below.add(element, seen.has(element) ? LEAF : withMember(ofValue(items, item)));
    seen.add(element);
  }
  return below.result();
}

/** What of a value does not fit its type, as upstream's messages say it: up to `MAX_ERRORS`, each with its path. */
export function misfits(type: FieldType, value: unknown): string[] {
  const found = new Messages(MAX_ERRORS);
  check(type, value, '', found);
  return found.list;
}

function check(type: FieldType, value: unknown, path: string, found: Messages): void {
  if (found.isFull) return;
  const report = (message: string): void => found.add(path ? `${path}: ${message}` : message);
  switch (formOf(type, value)) {
    case 'scalar':
      checkScalar(type, value, report);
      break;
    case 'list':
      if (value === null) break;
      if (type.list && Array.isArray(value)) checkList(type.list, value, path, found, report);
      else report(`expected list, got ${shown(value)}`);
      break;
    case 'map':
      if (value === null) break;
      if (type.map && isJsonObject(value)) checkMap(type.map, value, path, found);
      else report(`expected map, got ${shown(value)}`);
      break;
  }
}

const GO_TYPES: ReadonlyMap<string, string> = new Map([
  ['string', 'string'],
  ['boolean', 'bool'],
  ['number', 'float64'],
]);

function checkScalar({ scalar }: FieldType, value: unknown, report: (message: string) => void): void {
  if (value === null) return;
  const given = typeof value;
  if (scalar === 'numeric' && given !== 'number') {
    const goType = Array.isArray(value) ? '[]interface {}' : (GO_TYPES.get(given) ?? 'map[string]interface {}');
    report(`expected numeric (int or float), got ${goType}`);
  } else if (scalar === 'string' && given !== 'string')
    report(`expected string, got &value.valueUnstructured{Value:${shown(value)}}`);
  else if (scalar === 'boolean' && given !== 'boolean') report(`expected boolean, got ${shown(value)}`);
  else if (given === 'object') report(`expected any scalar, got ${shown(value)}`);
}

/** A value as Go prints one of structured-merge-diff. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(shown).join(',')}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  return Object.entries(value)
    .map(([key, inner]) => `${key}=${shown(inner)}`)
    .join('');
}

function checkMap(type: MapType, map: Readonly<Record<string, unknown>>, path: string, found: Messages): void {
  for (const key in map) {
    const inner = type.field(key) ?? type.values;
    const at = `${path}.${key}`;
    if (!inner) {
      found.add(`${at}: field not declared in schema`);
      return;
    }
    const value = own(map, key);
    if (value !== undefined) check(inner, value, at, found);
  }
}

function checkList(
  { items, elementOf }: ListType,
  list: readonly unknown[],
  path: string,
  found: Messages,
  report: (message: string) => void,
): void {
  const seen = new Set<string>();
  for (const [index, item] of list.entries()) {
    let element = `i:${index}`;
    try {
      if (elementOf) element = elementOf(item);
    } catch (error) {
      if (!(error instanceof FieldsError)) throw error;
      return report(`element ${index}: ${error.message}`);
    }
    if (seen.has(element)) report(`duplicate entries for key ${displayElement(element)}`);
    seen.add(element);
    check(items, item, path + displayElement(element), found);
  }
}
