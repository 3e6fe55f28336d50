/**
 * Strategic merge patch: a merge patch that merges lists by the key in the schema and supports directives (`$patch`, `$retainKeys`,
 * `$setElementOrder/x`, `$deleteFromPrimitiveList/x`), as apimachinery's `strategicpatch`.
 */
import type { Shape } from '../schema.ts';
import { badRequest, unclassified } from '../status-error.ts';
import { isJsonObject, own, setOwn } from '../own.ts';

type Json = Record<string, unknown>;

const DIRECTIVE = '$patch';
const RETAIN_KEYS = '$retainKeys';
const DELETE_FROM_LIST = '$deleteFromPrimitiveList/';
const SET_ORDER = '$setElementOrder/';

/**
 * Returns a new object that may share parts with `target` and `patch`; neither is changed.
 * Throws StatusError: 400 for a patch that is not an object, 500 (as upstream) for a wrong directive or a missing merge key.
 */
export function applyStrategicPatch(target: Json, patch: unknown, schema: Shape): Json {
  if (!isJsonObject(patch)) throw badRequest('json: cannot unmarshal into Go value of type map[string]interface {}');
  return mergeMap(target, patch, schema);
}

const fieldShape = (shape: Shape | undefined, key: string): Shape | undefined =>
  own(shape?.properties, key) ?? shape?.additionalProperties;

const mergesItems = (shape: Shape | undefined): boolean => shape?.patchStrategy?.startsWith('merge') ?? false;

function mergeMap(original: Json, patch: Json, shape: Shape | undefined): Json {
  if (DIRECTIVE in patch) return applyMapDirective(patch);
  const merged: Json = { ...original };
  const ordered = new Set<string>();
  retainKeys(merged, patch);
  for (const key of Object.keys(patch)) {
    if (!key.startsWith(SET_ORDER)) continue;
    const name = key.slice(SET_ORDER.length);
    ordered.add(name);
    mergeInOrder(merged, patch, name, patch[key], fieldShape(shape, name));
  }
  for (const key of Object.keys(patch)) {
    if (key === RETAIN_KEYS || key.startsWith(SET_ORDER) || ordered.has(key)) continue;
    if (key.startsWith(DELETE_FROM_LIST)) {
      const name = key.slice(DELETE_FROM_LIST.length);
      const list = own(merged, name);
      if (Array.isArray(list)) setOwn(merged, name, withoutItems(list, patch[key]));
      continue;
    }
    const value = patch[key];
    if (value === null) delete merged[key];
    else setOwn(merged, key, mergeValue(own(merged, key), value, fieldShape(shape, key)));
  }
  return merged;
}

function mergeValue(original: unknown, value: unknown, shape: Shape | undefined): unknown {
  if (isJsonObject(value)) {
    return isJsonObject(original) && shape?.patchStrategy !== 'replace'
      ? mergeMap(original, value, shape)
      : withoutDirectives(value);
  }
  if (Array.isArray(value)) {
    return Array.isArray(original) && mergesItems(shape) ? mergeList(original, value, shape) : withoutDirectives(value);
  }
  return value;
}

function applyMapDirective(patch: Json): Json {
  const directive = patch[DIRECTIVE];
  if (directive === 'replace') {
    const rest = { ...patch };
    delete rest[DIRECTIVE];
    return rest;
  }
  if (directive === 'delete') return {};
  throw badDirective(directive, patch);
}

const badDirective = (directive: unknown, map: Json) =>
  unclassified(`unknown patch type [${textOf(directive)}] in map [${JSON.stringify(map)}]`);
// An object from outside may have a `toString` that is no function.
const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
const noMergeKey = (map: unknown, key: string) =>
  unclassified(`map: ${JSON.stringify(map)} does not contain declared merge key: ${key}`);

/** Drops the keys of `merged` that `$retainKeys` does not list. */
function retainKeys(merged: Json, patch: Json): void {
  if (!(RETAIN_KEYS in patch)) return;
  const keys = patch[RETAIN_KEYS];
  const malformed = () => unclassified(`invalid patch format of retainKeys: ${JSON.stringify(patch)}`);
  if (!Array.isArray(keys)) throw malformed();
  const retained = new Set<unknown>(keys);
  for (const key of Object.keys(patch)) {
    if (key === RETAIN_KEYS || patch[key] === null || key.startsWith(SET_ORDER) || key.startsWith(DELETE_FROM_LIST))
      continue;
    if (!retained.has(key)) throw malformed();
  }
  for (const key of Object.keys(merged)) if (!retained.has(key)) delete merged[key];
}

const withoutItems = (list: readonly unknown[], items: unknown): unknown[] => {
  if (!Array.isArray(items)) throw unclassified('invalid patch format of primitive list');
  const unwanted = new Set<unknown>(items);
  return list.filter((item) => !unwanted.has(item));
};

/** Merges a list with `$setElementOrder`. */
function mergeInOrder(merged: Json, patch: Json, name: string, order: unknown, shape: Shape | undefined): void {
  if (!Array.isArray(order)) throw unclassified('invalid patch format of setElementOrder list');
  const original = own(merged, name);
  const wanted = own(patch, name);
  const toDelete = own(patch, DELETE_FROM_LIST + name);
  const server: unknown[] = Array.isArray(original) ? original : [];
  if (!mergesItems(shape)) {
    if (wanted !== undefined) setOwn(merged, name, withoutDirectives(wanted));
    return;
  }
  if (wanted === null) {
    delete merged[name];
    return;
  }
  const key = shape?.patchMergeKey;
  const items: unknown[] = Array.isArray(wanted) ? wanted : [];
  checkOrder(items, order, key);
  let list = items.length ? mergeItems(server, items, shape).list : [...server];
  if (toDelete !== undefined) list = withoutItems(list, toDelete);
  if (list.length || original !== undefined) setOwn(merged, name, inOrder(list, order, server, key));
}

/** The items of the patch must be in the order of its `$setElementOrder`. */
function checkOrder(items: readonly unknown[], order: readonly unknown[], key: string | undefined): void {
  let at = 0;
  for (const item of items) {
    if (isJsonObject(item) && DIRECTIVE in item) continue;
    while (at < order.length && !sameItem(order[at], item, key)) at++;
    if (at === order.length) {
      throw unclassified(
        `The order in patch list:\n${JSON.stringify(items)}\n doesn't match $setElementOrder list:\n${JSON.stringify(order)}\n`,
      );
    }
  }
}

const sameItem = (a: unknown, b: unknown, key: string | undefined): boolean =>
  key !== undefined && isJsonObject(a) && isJsonObject(b) ? own(a, key) === own(b, key) : a === b;

/** The index of each item of a list; of equal items, that of the first. */
class Places {
  readonly #byKey = new Map<unknown, number>();
  readonly #bySelf = new Map<unknown, number>();
  readonly #key: string | undefined;

  constructor(list: readonly unknown[], key: string | undefined) {
    this.#key = key;
    for (const [place, item] of list.entries()) this.add(item, place);
  }

  add(item: unknown, place: number): void {
    const [places, identity] = this.#find(item);
    if (!places.has(identity)) places.set(identity, place);
  }

  /** -1 when there is no such item. */
  of(item: unknown): number {
    const [places, identity] = this.#find(item);
    return places.get(identity) ?? -1;
  }

  #find(item: unknown): [places: Map<unknown, number>, identity: unknown] {
    return this.#key !== undefined && isJsonObject(item) ? [this.#byKey, own(item, this.#key)] : [this.#bySelf, item];
  }
}

/** The items in `order`, in this order, and the others between them at their previous relative positions. */
function inOrder(
  list: readonly unknown[],
  order: readonly unknown[],
  before: readonly unknown[],
  key: string | undefined,
): unknown[] {
  const ordered = new Places(order, key);
  const previous = new Places(before, key);
  const named = list.filter((item) => ordered.of(item) >= 0).sort((a, b) => ordered.of(a) - ordered.of(b));
  const others = list.filter((item) => ordered.of(item) < 0).sort((a, b) => previous.of(a) - previous.of(b));
  const out: unknown[] = [];
  let next = 0;
  for (const item of named) {
    const place = previous.of(item);
    while (place >= 0 && next < others.length) {
      const other = previous.of(others[next]);
      if (other < 0 || other >= place) break;
      out.push(others[next++]);
    }
    out.push(item);
  }
  return [...out, ...others.slice(next)];
}

function mergeList(original: readonly unknown[], patch: readonly unknown[], shape: Shape | undefined): unknown[] {
  const { list, order, before } = mergeItems(original, patch, shape);
  return inOrder(list, order, before, shape?.patchMergeKey);
}

interface MergedItems {
  readonly list: unknown[];
  /** The items of the patch that are not directives. */
  readonly order: readonly unknown[];
  /** The items of the original that remain after the directives. */
  readonly before: readonly unknown[];
}

function mergeItems(original: readonly unknown[], patch: readonly unknown[], shape: Shape | undefined): MergedItems {
  if (!shape?.items?.properties) {
    return { list: [...new Set([...original, ...patch])], order: patch, before: original };
  }
  const key = shape.patchMergeKey;
  if (key === undefined) throw unclassified('cannot merge lists without merge key');
  const { items, before, replaced } = applyItemDirectives(original, patch, key);
  if (replaced) return { list: items, order: items, before: [] };
  const list = [...before];
  const places = new Places(list, key);
  for (const item of items) {
    if (!isJsonObject(item) || own(item, key) === undefined) throw noMergeKey(item, key);
    const place = places.of(item);
    const present = list[place];
    if (isJsonObject(present)) {
      list[place] = mergeMap(present, item, shape.items);
    } else {
      places.add(item, list.length);
      list.push(withoutDirectives(item));
    }
  }
  return { list, order: items, before };
}

function applyItemDirectives(
  original: readonly unknown[],
  patch: readonly unknown[],
  key: string,
): { items: unknown[]; before: unknown[]; replaced: boolean } {
  const items: unknown[] = [];
  const deleted: Json[] = [];
  let replaced = false;
  for (const item of patch) {
    if (!isJsonObject(item)) throw unclassified('invalid value for the list of maps');
    const directive = item[DIRECTIVE];
    switch (directive) {
      case undefined:
        items.push(item);
        break;
      case 'delete':
        if (own(item, key) === undefined) throw noMergeKey(item, key);
        deleted.push(item);
        break;
      case 'replace':
        replaced = true;
        break;
      case 'merge':
        throw unclassified('merging lists cannot yet be specified in the patch');
      default:
        throw badDirective(directive, item);
    }
  }
  const gone = new Places(deleted, key);
  const before = original.filter((other) => gone.of(other) < 0);
  return { items: replaced ? items.map(withoutDirectives) : items, before, replaced };
}

/** A value of the patch without directives, which have nothing to apply to in a new value. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !(isJsonObject(item) && DIRECTIVE in item)).map(withoutDirectives);
  }
  if (!isJsonObject(value)) return value;
  const out: Json = {};
  for (const key of Object.keys(value)) {
    if (key.startsWith('$') && isDirective(key)) continue;
    if (value[key] !== null) setOwn(out, key, withoutDirectives(value[key]));
  }
  return out;
}

const isDirective = (key: string): boolean =>
  key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(SET_ORDER) || key.startsWith(DELETE_FROM_LIST);
