/** The operators and functions of the language itself: https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions */
import { overload, type Overload } from '../environment.ts';
import type { Meter } from '../meter.ts';
import { compare, concatenate, contains, equals, sizeOfMap, typeOfValue } from '../operations.ts';
import { CelList, CelMap, type CelValue, Duration, Failure, intOf, TypeValue, Uint, uintOf } from '../values.ts';
import { conversions } from './conversions.ts';

type Arithmetic = (left: bigint, right: bigint) => bigint;

const OPERATIONS: readonly (readonly [string, Arithmetic, ((left: number, right: number) => number) | undefined])[] = [
  ['+', (left, right) => left + right, (left, right) => left + right],
  ['-', (left, right) => left - right, (left, right) => left - right],
  ['*', (left, right) => left * right, (left, right) => left * right],
  ['/', (left, right) => left / right, (left, right) => left / right],
  ['%', (left, right) => left % right, undefined],
];

const ZERO_DIVISORS: ReadonlyMap<string, Failure> = new Map([
  ['/', new Failure('division by zero')],
  ['%', new Failure('modulus by zero')],
]);

function arithmetic(): Overload[] {
  return OPERATIONS.flatMap(([sign, whole, real]) => {
    const zero = ZERO_DIVISORS.get(sign);
    const checked = (left: bigint, right: bigint, make: (value: bigint) => CelValue): CelValue =>
      zero && right === 0n ? zero : make(whole(left, right));
    return [
      overload(`_${sign}_(int, int): int`, ([left, right]) => checked(left as bigint, right as bigint, intOf)),
      overload(`_${sign}_(uint, uint): uint`, ([left, right]) =>
        checked((left as Uint).value, (right as Uint).value, uintOf),
      ),
      ...(real
        ? [overload(`_${sign}_(double, double): double`, ([left, right]) => real(left as number, right as number))]
        : []),
    ];
  });
}

const ORDERS: readonly (readonly [string, (order: number) => boolean])[] = [
  ['<', (order) => order < 0],
  ['<=', (order) => order <= 0],
  ['>', (order) => order > 0],
  ['>=', (order) => order >= 0],
];
const ORDERED = ['bool', 'int', 'uint', 'double', 'string', 'bytes', 'timestamp', 'duration'];
const NUMERIC = ['int', 'uint', 'double'];

/** Numbers of different types compare with each other. */
function orders(): Overload[] {
  const pairs = [
    ...ORDERED.map((type) => [type, type] as const),
    ...NUMERIC.flatMap((left) => NUMERIC.filter((right) => right !== left).map((right) => [left, right] as const)),
  ];
  return ORDERS.flatMap(([sign, holds]) =>
    pairs.map(([left, right]) =>
      overload(`_${sign}_(${left}, ${right}): bool`, ([first = null, second = null]) => {
        if (Number.isNaN(first) || Number.isNaN(second)) return new Failure('NaN values cannot be ordered');
        const order = compare(first, second);
        return order === undefined ? new Failure('no such overload') : holds(order);
      }),
    ),
  );
}

/** Characters that are counted in one step. */
const COUNTED_PER_STEP = 64;

/** The size of a string is in code points. */
export function codePoints(text: string, meter: Meter): number {
  meter.step(Math.floor(text.length / COUNTED_PER_STEP));
  let count = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit >= 0xd800 && unit < 0xdc00) count -= 1;
  }
  return count;
}

function sizeOf(value: CelValue | undefined, meter: Meter): CelValue {
  if (typeof value === 'string') return BigInt(codePoints(value, meter));
  if (value instanceof Uint8Array) return BigInt(value.length);
  if (value instanceof CelMap) return BigInt(sizeOfMap(value, meter));
  return value instanceof CelList ? BigInt(value.size) : new Failure('no such overload');
}

const sizes = (): Overload[] =>
  ['string', 'bytes', 'list(A)', 'map(A, B)'].flatMap((type) => [
    overload(`size(${type}): int`, ([value], meter) => sizeOf(value, meter)),
    overload(`${type}:size(): int`, ([value], meter) => sizeOf(value, meter)),
  ]);

export const standardLibrary = (): Overload[] => [
  ...arithmetic(),
  ...orders(),
  ...sizes(),
  ...conversions(),
  overload('_+_(string, string): string', ([left, right]) => (left as string) + (right as string)),
  overload('_+_(bytes, bytes): bytes', ([left, right]) => Buffer.concat([left as Uint8Array, right as Uint8Array])),
  overload('_+_(list(A), list(A)): list(A)', ([left, right], meter) =>
    concatenate(left as CelList, right as CelList, meter),
  ),
  overload('-_(int): int', ([value]) => intOf(-(value as bigint))),
  overload('-_(double): double', ([value]) => -(value as number)),
  overload('-_(duration): duration', ([value]) => new Duration(-(value as Duration).nanos)),
  overload('!_(bool): bool', ([value]) => !value),
  overload('_==_(A, A): bool', ([left = null, right = null], meter) => equals(left, right, meter)),
  overload('_!=_(A, A): bool', ([left = null, right = null], meter) => !equals(left, right, meter)),
  overload('_&&_(bool, bool): bool', () => true),
  overload('_||_(bool, bool): bool', () => true),
  overload('@not_strictly_false(bool): bool', ([value = null]) => value),
  overload('_?_:_(bool, A, A): A', ([, value = null]) => value),
  // Evaluated by the interpreter, as the operators above them.
  overload('_[_](list(A), int): A', () => null),
  overload('_[_](map(A, B), A): B', () => null),
  overload('@in(A, list(A)): bool', ([item = null, list = null], meter) => contains(list, item, meter)),
  overload('@in(A, map(A, B)): bool', ([key = null, map = null], meter) => contains(map, key, meter)),
  overload('cel.@mapInsert(map(A, B), A, B): map(A, B)', ([map = null]) => map),
  overload('cel.@mapInsert(map(A, B), map(A, B)): map(A, B)', ([map = null]) => map),
  overload('type(A): type(A)', ([value = null]) => new TypeValue(typeOfValue(value))),
  overload('dyn(A): dyn', ([value = null]) => value),
  overload('string:contains(string): bool', ([text, part]) => (text as string).includes(part as string)),
  overload('string:startsWith(string): bool', ([text, part]) => (text as string).startsWith(part as string)),
  overload('string:endsWith(string): bool', ([text, part]) => (text as string).endsWith(part as string)),
];
