/** Lists and maps of CEL: of values that expressions make, and views of JSON, whose values are converted when they are read. */
import { isJsonObject, own } from '../own.ts';
import type { DeclType } from './decl-type.ts';
import { escapeName, unescapeName } from './escaping.ts';
import { fromJson } from './from-json.ts';
import type { CelType } from './types.ts';
import { type CelValue, Uint } from './values.ts';

export abstract class CelList {
  abstract readonly size: number;
  /** An item. @param index from 0 to less than `size`. */
  abstract at(index: number): CelValue;

  *[Symbol.iterator](): Generator<CelValue> {
    for (let index = 0; index < this.size; index++) yield this.at(index);
  }
}

/** A list that an expression makes. A comprehension appends to its own while nothing else has it. */
export class ValueList extends CelList {
  readonly #items: CelValue[];
  constructor(items: CelValue[] = []) {
    super();
    this.#items = items;
  }

  get size(): number {
    return this.#items.length;
  }

  at(index: number): CelValue {
    return this.#items[index] ?? null;
  }

  append(items: CelList): void {
    for (const item of items) this.#items.push(item);
  }
}

/** Two lists as one: concatenation takes constant time and memory. */
export class JoinedList extends CelList {
  readonly #left: CelList;
  readonly #right: CelList;
  readonly size: number;
  constructor(left: CelList, right: CelList) {
    super();
    this.#left = left;
    this.#right = right;
    this.size = left.size + right.size;
  }

  at(index: number): CelValue {
    return index < this.#left.size ? this.#left.at(index) : this.#right.at(index - this.#left.size);
  }

  override *[Symbol.iterator](): Generator<CelValue> {
    yield* this.#left;
    yield* this.#right;
  }
}

/** An array of JSON. */
export class JsonList extends CelList {
  readonly items: readonly unknown[];
  readonly type: DeclType | undefined;
  constructor(items: readonly unknown[], type: DeclType | undefined) {
    super();
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

export abstract class CelMap {
  abstract readonly size: number;
  abstract find(key: CelValue): CelValue | undefined;
  abstract keys(): Iterable<CelValue>;
}

/** Keys of the same value have the same text, whatever their numeric type. Undefined for what is no key. */
function keyText(key: CelValue): string | undefined {
  switch (typeof key) {
    case 'string':
      return `s${key}`;
    case 'bigint':
      return `n${key}`;
    case 'boolean':
      return `b${key}`;
    case 'number':
      return Number.isInteger(key) ? `n${BigInt(key)}` : `d${key}`;
    default:
      return key instanceof Uint ? `n${key.value}` : undefined;
  }
}

/** A map that an expression makes. */
export class ValueMap extends CelMap {
  readonly #entries = new Map<string, readonly [CelValue, CelValue]>();

  get size(): number {
    return this.#entries.size;
  }

  find(key: CelValue): CelValue | undefined {
    const text = keyText(key);
    return text === undefined ? undefined : this.#entries.get(text)?.[1];
  }

  *keys(): Generator<CelValue> {
    for (const [key] of this.#entries.values()) yield key;
  }

  /** Returns why the entry is not added: 'key' for a key of a type that keys cannot have, 'duplicate' for one that there is. */
  insert(key: CelValue, value: CelValue): 'duplicate' | 'key' | undefined {
    const text = typeof key === 'number' ? undefined : keyText(key);
    if (text === undefined) return 'key';
    if (this.#entries.has(text)) return 'duplicate';
    this.#entries.set(text, [key, value]);
    return undefined;
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
    const field = fields.get(key);
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
export function viewOf(value: unknown, type: DeclType | undefined): CelList | CelMap | undefined {
  if (Array.isArray(value)) return new JsonList(value, type);
  return isJsonObject(value) ? new JsonMap(value, type) : undefined;
}

/** A struct that an expression makes: `Object{...}`. */
export class ValueStruct extends CelMap {
  readonly celType: CelType;
  readonly fields: ReadonlyMap<string, CelValue>;
  constructor(celType: CelType, fields: ReadonlyMap<string, CelValue>) {
    super();
    this.celType = celType;
    this.fields = fields;
  }

  get size(): number {
    return this.fields.size;
  }

  find(key: CelValue): CelValue | undefined {
    return typeof key === 'string' ? this.fields.get(key) : undefined;
  }

  keys(): Iterable<string> {
    return this.fields.keys();
  }
}
