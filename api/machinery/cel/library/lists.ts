/** Functions of lists: Kubernetes' own, and those of https://pkg.go.dev/github.com/google/cel-go/ext#Lists and `#Sets`. */
import { ValueList } from '../collections.ts';
import { overload, type Overload } from '../environment.ts';
import type { Meter } from '../meter.ts';
import { compare, equals } from '../operations.ts';
import { CelList, type CelValue, Duration, durationOf, Failure, intOf, Uint, uintOf } from '../values.ts';

const COMPARABLE = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes'];
const NO_OVERLOAD = new Failure('no such overload');

const isSorted = (list: CelList): CelValue => {
  let before: CelValue | undefined;
  for (const item of list) {
    const order = before === undefined ? 0 : compare(before, item);
    if (order === undefined) return NO_OVERLOAD;
    if (order > 0) return false;
    before = item;
  }
  return true;
};

const extreme =
  (name: string, sign: 1 | -1) =>
  (list: CelList): CelValue => {
    let best: CelValue | undefined;
    for (const item of list) {
      const order = best === undefined ? 1 : compare(item, best);
      if (order === undefined) return NO_OVERLOAD;
      if (best === undefined || order * sign > 0) best = item;
    }
    return best ?? new Failure(`${name} called on empty list`);
  };

function add(left: CelValue, right: CelValue): CelValue {
  if (typeof left === 'bigint' && typeof right === 'bigint') return intOf(left + right);
  if (typeof left === 'number' && typeof right === 'number') return left + right;
  if (left instanceof Uint && right instanceof Uint) return uintOf(left.value + right.value);
  return left instanceof Duration && right instanceof Duration ? durationOf(left.nanos + right.nanos) : NO_OVERLOAD;
}

function sum(list: CelList, zero: CelValue, meter: Meter): CelValue {
  meter.step(list.size);
  let total: CelValue | undefined;
  for (const item of list) {
    total = total === undefined ? item : add(total, item);
    if (total instanceof Failure) return total;
  }
  return total ?? zero;
}

function indexOf(list: CelList, item: CelValue, isLast: boolean, meter: Meter): bigint {
  for (let index = 0; index < list.size; index++) {
    const at = isLast ? list.size - 1 - index : index;
    if (equals(list.at(at), item, meter)) return BigInt(at);
  }
  return -1n;
}

const includes = (list: CelList, item: CelValue, meter: Meter): boolean => indexOf(list, item, false, meter) >= 0n;

function containsAll(list: CelList, items: CelList, meter: Meter): boolean {
  for (const item of items) if (!includes(list, item, meter)) return false;
  return true;
}

function intersects(list: CelList, items: CelList, meter: Meter): boolean {
  for (const item of items) if (includes(list, item, meter)) return true;
  return false;
}

function slice(list: CelList, start: bigint, end: bigint, meter: Meter): CelValue {
  if (start < 0n || end < 0n) return new Failure(`cannot slice(${start}, ${end}), negative indexes not supported`);
  if (start > end)
    return new Failure(`cannot slice(${start}, ${end}), start index must be less than or equal to end index`);
  if (end > BigInt(list.size)) return new Failure(`cannot slice(${start}, ${end}), list is length ${list.size}`);
  meter.step(Number(end - start));
  return new ValueList(Array.from({ length: Number(end - start) }, (_, index) => list.at(Number(start) + index)));
}

function flatten(list: CelList, depth: bigint, into: CelValue[], meter: Meter): CelValue[] {
  for (const item of list) {
    meter.step();
    if (item instanceof CelList && depth > 0n) flatten(item, depth - 1n, into, meter);
    else into.push(item);
  }
  return into;
}

function distinct(list: CelList, meter: Meter): ValueList {
  const kept: CelValue[] = [];
  for (const item of list) if (!kept.some((known) => equals(known, item, meter))) kept.push(item);
  return new ValueList(kept);
}

/** The items in the order of their keys, which are comparable with each other. */
function sorted(list: CelList, keys: CelList, meter: Meter): CelValue {
  meter.step(list.size * Math.ceil(Math.log2(list.size + 1)));
  const pairs = Array.from(list, (item, index) => ({ item, key: keys.at(index) }));
  const [first] = pairs;
  if (pairs.some(({ key }) => first && compare(first.key, key) === undefined))
    return new Failure('list elements must have the same type');
  pairs.sort((left, right) => compare(left.key, right.key) ?? 0);
  return new ValueList(pairs.map(({ item }) => item));
}

const SUMMABLE: readonly (readonly [string, CelValue])[] = [
  ['int', 0n],
  ['uint', new Uint(0n)],
  ['double', 0],
  ['duration', new Duration(0n)],
];

const ofComparable = (name: string, result: string, call: (list: CelList, meter: Meter) => CelValue): Overload[] =>
  COMPARABLE.map((type) =>
    overload(`list(${type}):${name}(): ${result.replace('T', type)}`, ([list], meter) => {
      meter.step((list as CelList).size);
      return call(list as CelList, meter);
    }),
  );

export const listLibrary = (): Overload[] => [
  ...ofComparable('isSorted', 'bool', isSorted),
  ...ofComparable('min', 'T', extreme('min', -1)),
  ...ofComparable('max', 'T', extreme('max', 1)),
  ...ofComparable('sort', 'list(T)', (list, meter) => sorted(list, list, meter)),
  ...SUMMABLE.map(([type, zero]) =>
    overload(`list(${type}):sum(): ${type}`, ([list], meter) => sum(list as CelList, zero, meter)),
  ),
  ...COMPARABLE.map((type) =>
    overload(`list(A):@sortByAssociatedKeys(list(${type})): list(A)`, ([list, keys], meter) =>
      sorted(list as CelList, keys as CelList, meter),
    ),
  ),
  overload('list(A):indexOf(A): int', ([list, item = null], meter) => indexOf(list as CelList, item, false, meter)),
  overload('list(A):lastIndexOf(A): int', ([list, item = null], meter) => indexOf(list as CelList, item, true, meter)),
  overload('list(A):slice(int, int): list(A)', ([list, start, end], meter) =>
    slice(list as CelList, start as bigint, end as bigint, meter),
  ),
  overload(
    'list(list(A)):flatten(): list(A)',
    ([list], meter) => new ValueList(flatten(list as CelList, 1n, [], meter)),
  ),
  overload('list(dyn):flatten(int): list(dyn)', ([list, depth], meter) =>
    (depth as bigint) < 0n
      ? new Failure('level must be non-negative')
      : new ValueList(flatten(list as CelList, depth as bigint, [], meter)),
  ),
  overload('list(A):distinct(): list(A)', ([list], meter) => distinct(list as CelList, meter)),
  overload('list(A):reverse(): list(A)', ([list], meter) => {
    const { size } = list as CelList;
    meter.step(size);
    return new ValueList(Array.from({ length: size }, (_, index) => (list as CelList).at(size - 1 - index)));
  }),
  overload('lists.range(int): list(int)', ([count], meter) => {
    const size = Number(count);
    meter.step(Math.max(0, size));
    return new ValueList(Array.from({ length: Math.max(0, size) }, (_, index) => BigInt(index)));
  }),
  overload('sets.contains(list(A), list(A)): bool', ([list, items], meter) =>
    containsAll(list as CelList, items as CelList, meter),
  ),
  overload(
    'sets.equivalent(list(A), list(A)): bool',
    ([list, items], meter) =>
      containsAll(list as CelList, items as CelList, meter) && containsAll(items as CelList, list as CelList, meter),
  ),
  overload('sets.intersects(list(A), list(A)): bool', ([list, items], meter) =>
    intersects(list as CelList, items as CelList, meter),
  ),
];
