/** What calls cost at run time, as cel-go's `interpreter/runtimecost.go` and upstream's `apiserver/pkg/cel/library/cost.go` count them. */
import { PER_CALL_LIMIT } from './meter.ts';
import { CelList, CelMap, type CelValue, Extension, Optional } from './values.ts';

export const SELECT_COST = 1;
export const LIST_COST = 10;
export const MAP_COST = 30;
export const STRUCT_COST = 40;
/** Of reading a character or an item of an operand. */
export const TRAVERSAL_FACTOR = 0.1;
/** Of a character of a regular expression. */
export const REGEX_FACTOR = 0.25;
export const AUTHORIZATION_COST = 350_000;

/** The size of a value as `size()` has it, 1 for values without one. */
export function sizeOf(value: CelValue | undefined): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length;
  if (value instanceof CelList || value instanceof CelMap) return value.size;
  if (value instanceof Optional && value.value !== undefined) return sizeOf(value.value);
  return value instanceof Extension ? (value.size ?? 1) : 1;
}

const traversal = (size: number, times = 1): number => Math.ceil(size * times * TRAVERSAL_FACTOR);
const matching = (text: number, pattern: number): number => traversal(1 + text) * Math.ceil(pattern * REGEX_FACTOR);

type CallCost = (args: readonly CelValue[]) => number;

/** Of traversing a value with everything in it. */
function traversalCost(value: CelValue): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return Math.trunc(value.length * TRAVERSAL_FACTOR);
  if (!(value instanceof CelList)) return 1;
  // More than may be read is not read.
  if (value.size > PER_CALL_LIMIT) return value.size;
  let cost = 0;
  for (const item of value) cost += typeof item === 'string' ? Math.trunc(item.length * TRAVERSAL_FACTOR) : 1;
  return cost;
}

const ofList: CallCost = ([list = null]) => traversalCost(list);
const ofText: CallCost = ([text]) => traversal(sizeOf(text));
const ofTextTwice: CallCost = ([text]) => traversal(sizeOf(text), 2);
const isTextOrBytes = (value: CelValue | undefined): boolean =>
  typeof value === 'string' || value instanceof Uint8Array;
const ofSmaller: CallCost = ([left, right]) =>
  left instanceof Extension ? 1 : traversal(Math.min(sizeOf(left), sizeOf(right)));
const ofOrder: CallCost = (args) => (isTextOrBytes(args[0]) ? ofSmaller(args) : 1);
const ofRegex: CallCost = ([text, pattern]) => matching(sizeOf(text), sizeOf(pattern));
/** Every item of the one list is compared with every item of the other. */
const ofSets: CallCost = ([left, right]) => 1 + sizeOf(left) * sizeOf(right);
/** Every item is compared with every other one, which takes longer for texts. */
const ofSorting: CallCost = ([list, keys = list]) => {
  const pairs = sizeOf(list) ** 2;
  const [first] = keys instanceof CelList ? keys : [];
  return 1 + LIST_COST + 2 * pairs + (isTextOrBytes(first) ? Math.trunc(pairs * TRAVERSAL_FACTOR) : 0);
};

const isText = (value: CelValue | undefined): boolean => typeof value === 'string';

const CALL_COSTS: ReadonlyMap<string, CallCost> = new Map<string, CallCost>([
  ...['isSorted', 'sum', 'max', 'min', 'indexOf', 'lastIndexOf'].map((name) => [name, ofList] as const),
  ...['url', 'lowerAscii', 'upperAscii', 'substring', 'trim', 'jsonpatch.escapeKey', 'isURL', 'cidr', 'isIP'].map(
    (name) => [name, ofText] as const,
  ),
  ...['isCIDR', 'quantity', 'isQuantity', 'semver', 'isSemver', 'startsWith', 'endsWith', 'strings.quote'].map(
    (name) => [name, ofText] as const,
  ),
  ['format', ofText],
  ['bytes', ([value]) => (isText(value) ? traversal(sizeOf(value)) : 1)],
  ['string', ([value]) => (value instanceof Uint8Array ? traversal(value.length) : 1)],
  ...['replace', 'split', 'ip.isCanonical'].map((name) => [name, ofTextTwice] as const),
  ...['find', 'findAll', 'matches'].map((name) => [name, ofRegex] as const),
  ...['_==_', '_!=_'].map((name) => [name, ofSmaller] as const),
  ...['_<_', '_<=_', '_>_', '_>=_'].map((name) => [name, ofOrder] as const),
  ...['sets.contains', 'sets.intersects'].map((name) => [name, ofSets] as const),
  ['sets.equivalent', ([left, right]) => 1 + 2 * sizeOf(left) * sizeOf(right)],
  ['join', () => 0],
  ['ip', ([value]) => (isText(value) ? traversal(sizeOf(value)) : 1)],
  ['@in', ([, container]) => (container instanceof CelList ? container.size : 1)],
  ['_+_', ([left, right]) => (isTextOrBytes(left) ? traversal(sizeOf(left) + sizeOf(right)) : 1)],
  ['contains', ([text, part]) => traversal(sizeOf(text)) * traversal(sizeOf(part))],
  ['containsIP', ([cidr, ip]) => traversal(sizeOf(cidr), 2) + (isText(ip) ? traversal(sizeOf(ip)) : 0)],
  [
    'containsCIDR',
    ([cidr, other]) =>
      traversal(sizeOf(cidr), 2) + traversal(sizeOf(cidr)) + 1 + (isText(other) ? traversal(sizeOf(other)) : 0),
  ],
  // A format is not asked for its pattern: it counts as a long one.
  ['validate', ([, text]) => matching(sizeOf(text), 128)],
  ['check', () => AUTHORIZATION_COST],
  ...['distinct', 'sort', '@sortByAssociatedKeys'].map((name) => [name, ofSorting] as const),
]);

/** What results cost that are large where the arguments are small. */
const RESULT_COSTS: ReadonlyMap<string, (result: CelValue) => number> = new Map([
  ['join', (result) => traversal(sizeOf(result), 2)],
  ...['flatten', 'lists.range', 'reverse', 'slice'].map(
    (name) => [name, (result: CelValue) => LIST_COST + sizeOf(result)] as const,
  ),
]);

/** The cost of a call, without that of its arguments and what its result adds. */
export const callCost = (name: string, args: readonly CelValue[]): number => CALL_COSTS.get(name)?.(args) ?? 1;
export const resultCost = (name: string, result: CelValue): number => RESULT_COSTS.get(name)?.(result) ?? 0;
