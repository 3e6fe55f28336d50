/** The lists, maps and structs that expressions make. */
import type { CelType } from './types.ts';
import { CelList, CelMap, type CelValue, type ListIdentity, Uint } from './values.ts';

/** A list that an expression makes. A comprehension appends to its own while nothing else has it. */
export class ValueList extends CelList {
  readonly #items: CelValue[];
  override readonly identity: ListIdentity | undefined;
  constructor(items: CelValue[] = [], identity?: ListIdentity) {
    super();
    this.#items = items;
    this.identity = identity;
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

/** Two lists as one: concatenation takes constant time and memory. The lists are none that are joined themselves: items are found at once. */
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
}

const MARK = '\0';

/** Keys of the same value have the same text, whatever their numeric type. Undefined for what is no key. */
function keyText(key: CelValue): string | undefined {
  switch (typeof key) {
    case 'string':
      // Texts are copied only where they could be mistaken for what stands for a number.
      return key.startsWith(MARK) ? `${MARK}s${key}` : key;
    case 'bigint':
      return `${MARK}n${key}`;
    case 'boolean':
      return `${MARK}b${key}`;
    case 'number':
      return Number.isInteger(key) ? `${MARK}n${BigInt(key)}` : `${MARK}d${key}`;
    default:
      return key instanceof Uint ? `${MARK}n${key.value}` : undefined;
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
