/**
 * The values of CEL: null, booleans and strings are themselves, an int is a bigint, a double a number, bytes a Uint8Array. What else
 * there is are the classes below. https://github.com/google/cel-spec/blob/master/doc/langdef.md#values
 */
import { type CelType, DURATION, TIMESTAMP, UINT } from './types.ts';

export class Uint {
  readonly value: bigint;
  readonly celType = UINT;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** A point in time, as nanoseconds since the epoch, and the offset from UTC that it was written with, in minutes. */
export class Timestamp {
  readonly nanos: bigint;
  readonly offset: number;
  readonly celType = TIMESTAMP;
  constructor(nanos: bigint, offset = 0) {
    this.nanos = nanos;
    this.offset = offset;
  }
}

export class Duration {
  readonly nanos: bigint;
  readonly celType = DURATION;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

export class Optional {
  static readonly none = new Optional(undefined);
  readonly value: CelValue | undefined;
  constructor(value: CelValue | undefined) {
    this.value = value;
  }
}

/** A type as a value: `type(1) == int`. */
export class TypeValue {
  readonly type: CelType;
  constructor(type: CelType) {
    this.type = type;
  }
}

/** A value of a library: a quantity, an address. Libraries derive their classes from it. */
export abstract class Extension {
  abstract readonly celType: CelType;
  /** What it counts for in costs, where it is not 1. */
  get size(): number | undefined {
    return undefined;
  }
  abstract equals(other: Extension): boolean;
  /** What the value is in JSON, for callers that take results out. */
  abstract toPlain(): unknown;
}

/** Lists that are sets or maps are equal in any order, and `+` merges them. */
export interface ListIdentity {
  readonly kind: 'map' | 'set';
  /** Of items that are objects, by their escaped names; none for sets. */
  readonly keys: readonly string[];
}

/** A list: one that an expression makes, or a view of JSON. */
export abstract class CelList {
  /** Of lists that are sets or maps: how their items are known. */
  readonly identity: ListIdentity | undefined = undefined;
  abstract readonly size: number;
  /** An item. @param index from 0 to less than `size`. */
  abstract at(index: number): CelValue;

  *[Symbol.iterator](): Generator<CelValue> {
    for (let index = 0; index < this.size; index++) yield this.at(index);
  }
}

/** A map or an object with fields. */
export abstract class CelMap {
  abstract readonly size: number;
  abstract find(key: CelValue): CelValue | undefined;
  abstract keys(): Iterable<CelValue>;
}

/** An error as a result: `||` and `&&` may absorb it. Nothing throws them, exceptions would be slow. */
export class Failure {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export type CelValue =
  | null
  | boolean
  | string
  | bigint
  | number
  | Uint8Array
  | Uint
  | Timestamp
  | Duration
  | Optional
  | TypeValue
  | Extension
  | CelList
  | CelMap
  | Failure;

export const NO_OVERLOAD = new Failure('no such overload');
const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -(2n ** 63n);
const MAX_UINT = 2n ** 64n - 1n;

/** An int, or the overflow. */
export const intOf = (value: bigint): CelValue =>
  value > MAX_INT || value < MIN_INT ? new Failure('integer overflow') : value;
export const uintOf = (value: bigint): CelValue =>
  value > MAX_UINT || value < 0n ? new Failure('unsigned integer overflow') : new Uint(value);
export const durationOf = (nanos: bigint): CelValue =>
  nanos > MAX_INT || nanos < MIN_INT ? new Failure('integer overflow') : new Duration(nanos);
