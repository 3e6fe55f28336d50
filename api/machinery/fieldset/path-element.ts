/**
 * One step of a path to a field, as `FieldsV1` writes it: `f:` and a field's name, `k:` and the keys of a list item as JSON, `v:`
 * and the value of an item of a set as JSON, `i:` and an index.
 */
import { isJsonObject, own } from '../own.ts';

/** Fields that are not well formed: of a list item without its keys, or in `fieldsV1` of a client. */
export class FieldsError extends Error {
  override readonly name = 'FieldsError';
}

export type Scalar = string | number | boolean;

const isScalar = (value: unknown): value is Scalar =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

export const fieldElement = (name: string): string => `f:${name}`;

/** Of an item of a set. Throws FieldsError for what no set can have. */
export function valueElement(item: unknown): string {
  if (isScalar(item)) return `v:${JSON.stringify(item)}`;
  if (item === null) throw new FieldsError("associative list without keys has an element that's an explicit null");
  if (Array.isArray(item)) throw new FieldsError('not supported: associative list with lists as elements');
  throw new FieldsError("associative list without keys has an element that's a map type");
}

/**
 * Of an item of a list of type map.
 * @param keys in the order of the schema, for messages; `sorted` is what is written
 * @param defaults of keys that an item may lack
 * Throws FieldsError for an item that has none of the keys.
 */
export function keyElement(
  item: unknown,
  keys: readonly string[],
  sorted: readonly string[],
  defaults: ReadonlyMap<string, Scalar>,
): string {
  if (item === null) throw new FieldsError('associative list with keys may not have a null element');
  if (!isJsonObject(item)) throw new FieldsError('associative list with keys may not have non-map elements');
  let text = '';
  for (const key of sorted) {
    const value = own(item, key) ?? defaults.get(key);
    if (value !== undefined) text += `${text ? ',' : 'k:{'}${JSON.stringify(key)}:${JSON.stringify(value)}`;
  }
  if (text) return `${text}}`;
  const named = `["${keys.join('" "')}"]`;
  throw new FieldsError(
    `associative list with keys has an element that omits all key fields ${named} (and doesn't have default values for any key fields)`,
  );
}

/** The canonical form of an element of a client's `fieldsV1`; undefined for a type that is not known. Throws FieldsError. */
export function canonicalElement(element: string): string | undefined {
  if (element[1] !== ':') throw new FieldsError(`missing colon: ${element}`);
  const rest = element.slice(2);
  switch (element[0]) {
    case 'f':
      return element;
    case 'v':
      return `v:${scalarText(parsed(rest))}`;
    case 'k':
      return `k:${keyText(parsed(rest))}`;
    case 'i':
      if (!/^[+-]?\d{1,15}$/.test(rest)) throw new FieldsError(`invalid index: ${rest}`);
      return `i:${Number(rest)}`;
    default:
      return undefined;
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    if (error instanceof SyntaxError) throw new FieldsError(error.message);
    throw error;
  }
}

function scalarText(value: unknown): string {
  if (isScalar(value)) return JSON.stringify(value);
  throw new FieldsError('values of path elements must be scalars');
}

function keyText(keys: unknown): string {
  if (!isJsonObject(keys)) throw new FieldsError('keys must be an object');
  const sorted = Object.entries(keys).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${sorted.map(([key, value]) => `${JSON.stringify(key)}:${scalarText(value)}`).join(',')}}`;
}

/** As messages write it: `.name`, `[name="x"]`, `[="v"]`, `[0]`. */
export function displayElement(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return `.${rest}`;
  if (element.startsWith('i:')) return `[${rest}]`;
  if (element.startsWith('v:')) return `[=${rest}]`;
  const keys = Object.entries(JSON.parse(rest) as Record<string, unknown>);
  return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`;
}

/** The order of upstream's sets: fields, then keys, values and indices. */
const TYPES = 'fkvi';

export function compareElements(one: string, other: string): number {
  const byType = TYPES.indexOf(one[0] ?? '') - TYPES.indexOf(other[0] ?? '');
  return byType || (one < other ? -1 : one > other ? 1 : 0);
}

/** Sorts elements in place as upstream writes them, and returns them. Most come sorted, or are few. */
export function inOrder(elements: string[]): string[] {
  for (let index = 1; index < elements.length; index++)
    if (compareElements(elements[index - 1]!, elements[index]!) > 0) return elements.sort(compareElements);
  return elements;
}

/** An object of so many fields is a schema's: moving few names is faster than calling the engine's sort. */
const FEW_NAMES = 40;

/** The same for names of fields, which are all of one type. */
export function namesInOrder(names: string[]): string[] {
  if (names.length > FEW_NAMES) return names.sort();
  for (let end = 1; end < names.length; end++) {
    const name = names[end]!;
    let at = end;
    for (; at > 0 && names[at - 1]! > name; at--) names[at] = names[at - 1]!;
    names[at] = name;
  }
  return names;
}
