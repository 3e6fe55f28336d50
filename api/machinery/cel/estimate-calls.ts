/** Estimated costs of calls, and the sizes of their results: upstream's `apiserver/pkg/cel/library/cost.go` and cel-go's own. */
import type { Literal } from './ast.ts';
import { AUTHORIZATION_COST, REGEX_FACTOR, TRAVERSAL_FACTOR } from './cost.ts';
import { add, fixed, MAX, type Range, scale, times, union, UNKNOWN } from './range.ts';
import type { CelType } from './types.ts';

/** An argument of a call, as far as it is known. */
export interface Operand {
  readonly type: CelType;
  readonly size: Range;
  /** Of what a list has. */
  readonly itemSize: Range;
  readonly literal: Literal | undefined;
}

export interface Estimate {
  readonly cost: Range;
  /** Of the result; undefined where it has no size or its type says it. */
  readonly size?: Range;
}

type CallEstimate = (operands: readonly Operand[]) => Estimate;

const sizeOf = (operand: Operand | undefined): Range => operand?.size ?? UNKNOWN;
const traversal = (size: Range, count = 1): Range => scale(size, count * TRAVERSAL_FACTOR);
/** One more, so that matching an empty text costs what its pattern does. */
const matching = (text: Range, pattern: Range): Range =>
  times(traversal(add(text, fixed(1))), scale(pattern, REGEX_FACTOR));
const isText = ({ type }: Operand): boolean => type.kind === 'string' || type.kind === 'bytes';

const ofText: CallEstimate = ([text]) => ({ cost: traversal(sizeOf(text)) });
const ofTextKept: CallEstimate = ([text]) => ({ cost: traversal(sizeOf(text)), size: sizeOf(text) });
/** The second argument is what is read: `startsWith(prefix)`. */
const ofArgument: CallEstimate = ([, text]) => ({ cost: traversal(sizeOf(text)) });
const ofRegex: CallEstimate = ([text, pattern]) => ({ cost: matching(sizeOf(text), sizeOf(pattern)) });
const ofFind: CallEstimate = (operands) => ({
  ...ofRegex(operands),
  size: { min: 0, max: sizeOf(operands[0]).max },
});

/** Every item is compared, and texts are read for it. */
const ofList: CallEstimate = ([list]) => {
  const [items] = list?.type.params ?? [];
  if (!list || !items) return { cost: traversal(sizeOf(list)) };
  const readsText = items.kind === 'string' || items.kind === 'bytes';
  const item = readsText ? add(fixed(1), traversal(list.itemSize)) : fixed(1);
  return { cost: times(list.size, item) };
};

/** The smaller operand is read. */
const ofSmaller: CallEstimate = ([left, right]) => {
  const max = Math.min(sizeOf(left).max, sizeOf(right).max);
  return { cost: traversal({ min: max > 0 ? 1 : 0, max }) };
};
const isConstant = ({ type }: Operand): boolean =>
  (type.kind === 'opaque' && type.name !== 'optional_type') ||
  (type.kind === 'struct' && type.name.startsWith('kubernetes.'));
const ofEquality: CallEstimate = (operands) =>
  operands.length === 2 && operands.every(isConstant) ? { cost: fixed(1) } : ofSmaller(operands);
const ofOrder: CallEstimate = (operands) => (operands.some(isText) ? ofSmaller(operands) : { cost: fixed(1) });

const ofAddition: CallEstimate = ([left, right]) => {
  const size = add(sizeOf(left), sizeOf(right));
  if (!left || !right || !(isText(left) || isText(right) || left.type.kind === 'list')) return { cost: fixed(1) };
  return { cost: isText(left) ? traversal(size) : fixed(1), size };
};

const ofReplace: CallEstimate = ([text, from, to]) => {
  const size = sizeOf(text);
  const removed = sizeOf(from);
  const added = sizeOf(to);
  const longest = longestReplaced(size, removed, added);
  return { cost: traversal(size, 2), size: { min: 0, max: Math.min(MAX, longest) } };
};

function longestReplaced(size: Range, removed: Range, added: Range): number {
  if (removed.min === 0) return (size.max + 1) * added.max + size.max;
  if (added.max <= removed.min) return size.max;
  return Math.ceil(size.max / removed.min) * added.max;
}

const ofSplit: CallEstimate = ([text, , limit]) => {
  const max = typeof limit?.literal === 'bigint' && limit.literal >= 0n ? Number(limit.literal) : sizeOf(text).max;
  return { cost: traversal(sizeOf(text), 2), size: { min: 0, max } };
};

const ofJoin: CallEstimate = ([list, separator]) => {
  const count = sizeOf(list);
  const items = times(count, list?.itemSize ?? UNKNOWN);
  const gaps = { min: Math.max(0, count.min - 1), max: Math.max(0, count.max - 1) };
  const size = separator ? add(items, times(separator.size, gaps)) : items;
  return { cost: traversal(size), size };
};

/** Addresses are 4 or 16 bytes. */
const ADDRESS: Range = { min: 4, max: 16 };
const parsing = (operand: Operand | undefined): Range =>
  operand?.type.kind === 'string' ? traversal(operand.size) : fixed(0);
const containsAddress: CallEstimate = ([, ip]) => ({
  cost: add(traversal(add(ADDRESS, ADDRESS)), parsing(ip)),
});
const containsCidr: CallEstimate = ([, cidr]) => ({
  cost: add(add(add(traversal(add(ADDRESS, ADDRESS)), traversal(ADDRESS)), fixed(1)), parsing(cidr)),
});
const ofSets: CallEstimate = ([left, right]) => ({ cost: add(fixed(1), times(sizeOf(left), sizeOf(right))) });
const ofSquare: CallEstimate = ([list]) => ({
  cost: add(fixed(1), times(sizeOf(list), sizeOf(list))),
  size: sizeOf(list),
});

const ESTIMATES: ReadonlyMap<string, CallEstimate> = new Map<string, CallEstimate>([
  ...['isSorted', 'sum', 'max', 'min', 'indexOf', 'lastIndexOf'].map((name) => [name, ofList] as const),
  ...['url', 'jsonpatch.escapeKey', 'lowerAscii', 'upperAscii', 'substring', 'trim'].map(
    (name) => [name, ofTextKept] as const,
  ),
  ...['cidr', 'isIP', 'isCIDR', 'quantity', 'isQuantity', 'semver', 'isSemver'].map((name) => [name, ofText] as const),
  ...['startsWith', 'endsWith'].map((name) => [name, ofArgument] as const),
  ...['find', 'findAll'].map((name) => [name, ofFind] as const),
  ...['_==_', '_!=_'].map((name) => [name, ofEquality] as const),
  ...['_<_', '_<=_', '_>_', '_>=_'].map((name) => [name, ofOrder] as const),
  ...['sets.contains', 'sets.equivalent', 'sets.intersects'].map((name) => [name, ofSets] as const),
  ...['distinct', 'sort', '@sortByAssociatedKeys'].map((name) => [name, ofSquare] as const),
  ['matches', ofRegex],
  ['_+_', ofAddition],
  ['replace', ofReplace],
  ['split', ofSplit],
  ['join', ofJoin],
  ['containsIP', containsAddress],
  ['containsCIDR', containsCidr],
  ['contains', ([text, part]) => ({ cost: times(traversal(sizeOf(text)), traversal(sizeOf(part))) })],
  ['@in', ([, container]) => ({ cost: container?.type.kind === 'list' ? container.size : fixed(1) })],
  ['ip', ([text]) => ({ cost: text?.type.kind === 'string' ? traversal(text.size) : fixed(1) })],
  ['ip.isCanonical', ([text]) => ({ cost: traversal(sizeOf(text), 2) })],
  ['format', ([text]) => ({ cost: traversal(sizeOf(text)) })],
  ['validate', ([, text]) => ({ cost: scale(traversal(sizeOf(text)), 128 * REGEX_FACTOR) })],
  [
    'strings.quote',
    ([text]) => ({
      cost: traversal(sizeOf(text)),
      size: add(union(sizeOf(text), scale(sizeOf(text), 2)), fixed(2)),
    }),
  ],
  [
    'bytes',
    ([text]) =>
      text?.type.kind === 'string'
        ? { cost: traversal(text.size), size: { min: text.size.min, max: Math.min(MAX, text.size.max * 4) } }
        : { cost: fixed(1) },
  ],
  [
    'string',
    ([value]) =>
      value?.type.kind === 'bytes'
        ? { cost: traversal(value.size), size: { min: Math.floor(value.size.min / 4), max: value.size.max } }
        : { cost: fixed(1) },
  ],
  ['check', () => ({ cost: fixed(AUTHORIZATION_COST) })],
  [
    'flatten',
    ([list]) => {
      const size = times(sizeOf(list), list?.itemSize ?? UNKNOWN);
      return { cost: add(fixed(1), size), size };
    },
  ],
  ['reverse', ([list]) => ({ cost: add(fixed(1), sizeOf(list)), size: sizeOf(list) })],
  ['slice', ([list]) => ({ cost: add(fixed(1), sizeOf(list)), size: { min: 0, max: sizeOf(list).max } })],
]);

/** The cost of a call, without that of its arguments. @param operands with the receiver as the first. */
export const callEstimate = (name: string, operands: readonly Operand[]): Estimate =>
  ESTIMATES.get(name)?.(operands) ?? { cost: fixed(1) };
