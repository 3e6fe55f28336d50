/**
 * Sets of fields as tries, and their JSON form `FieldsV1`. The algebra is that of structured-merge-diff's `fieldpath.Set`
 * (https://github.com/kubernetes-sigs/structured-merge-diff). Sets are not changed once they are made.
 */
import { isJsonObject } from '../own.ts';
import { canonicalElement, compareElements, displayElement, FieldsError, inOrder } from './path-element.ts';

type Children = ReadonlyMap<string, FieldSet>;

const NONE: Children = new Map();
/** In a set of paths: any element. No element of a field is written so. */
const ANY = '*';
/** Marks, in JSON, that a field is in the set itself, besides some below it. */
const ITSELF = '.';

export class FieldSet {
  /** Whether the field itself is in the set. Never of the root. */
  readonly member: boolean;
  /** By path element. None of them is empty. */
  readonly children: Children;

  constructor(member: boolean, children: Children = NONE) {
    this.member = member;
    this.children = children;
  }

  get isEmpty(): boolean {
    return !this.member && this.children.size === 0;
  }

  /** A set of paths of field names, where `*` is any element: `metadata.labels`, `spec.containers.*.resources`. */
  static ofPaths(paths: readonly string[]): FieldSet {
    return paths.map((path) => pathSet(path.split('.'))).reduce(union, EMPTY);
  }

  /** Whether the set has the field at a path of elements. */
  has(path: readonly string[]): boolean {
    return path.reduce<FieldSet | undefined>((set, element) => set?.children.get(element), this)?.member ?? false;
  }
}

export const EMPTY = new FieldSet(false);
/** A field with nothing below it. */
export const LEAF = new FieldSet(true);

const setOf = (member: boolean, children: Map<string, FieldSet>): FieldSet =>
  children.size > 0 ? new FieldSet(member, children) : member ? LEAF : EMPTY;

const pathSet = ([name, ...rest]: readonly string[]): FieldSet =>
  name === undefined ? LEAF : new FieldSet(false, new Map([[name === ANY ? ANY : `f:${name}`, pathSet(rest)]]));

export function union(one: FieldSet, other: FieldSet): FieldSet {
  if (other.isEmpty || one === other) return one;
  if (one.isEmpty) return other;
  const children = new Map(one.children);
  for (const [element, child] of other.children) {
    const known = children.get(element);
    children.set(element, known ? union(known, child) : child);
  }
  return setOf(one.member || other.member, children);
}

/** Of many sets, two at a time: one that grows would be copied for each of the others. */
export function unionOf(sets: readonly FieldSet[]): FieldSet {
  if (sets.length <= 2) return sets.reduce(union, EMPTY);
  const middle = sets.length >>> 1;
  return union(unionOf(sets.slice(0, middle)), unionOf(sets.slice(middle)));
}

/** Whether all fields of `one` are in `other`. */
export function isSubset(one: FieldSet, other: FieldSet): boolean {
  if (one === other) return true;
  if (one.member && !other.member) return false;
  for (const [element, child] of one.children) {
    const counterpart = other.children.get(element);
    if (!counterpart || !isSubset(child, counterpart)) return false;
  }
  return true;
}

/** The elements that both have, if any, are among these: an object may have thousands of owners, of a field each. */
const fewerElements = (one: FieldSet, other: FieldSet): Iterable<string> =>
  (one.children.size <= other.children.size ? one : other).children.keys();

export function intersection(one: FieldSet, other: FieldSet): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const element of fewerElements(one, other)) {
    const [child, counterpart] = [one.children.get(element), other.children.get(element)];
    const common = child && counterpart && intersection(child, counterpart);
    if (common && !common.isEmpty) children.set(element, common);
  }
  return setOf(one.member && other.member, children);
}

/** `one` without the fields of `other`; what is below those stays. Returns `one` itself when they have none in common. */
export function difference(one: FieldSet, other: FieldSet): FieldSet {
  return subtract(one, other, difference);
}

/** `one` without the fields of `other` and all that is below them. */
export function differenceBelow(one: FieldSet, other: FieldSet): FieldSet {
  return subtract(one, other, (child, counterpart) =>
    counterpart.member ? EMPTY : differenceBelow(child, counterpart),
  );
}

/** What of `one` is in `other`, or below a field of it; `other` may have any element. */
export function intersectionBelow(one: FieldSet, other: FieldSet): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [element, child] of one.children) {
    const counterpart = other.children.get(element) ?? other.children.get(ANY);
    const common = counterpart?.member ? child : counterpart && intersectionBelow(child, counterpart);
    if (common && !common.isEmpty) children.set(element, common);
  }
  return setOf(false, children);
}

function subtract(
  one: FieldSet,
  other: FieldSet,
  ofChild: (child: FieldSet, counterpart: FieldSet) => FieldSet,
): FieldSet {
  let changed: Map<string, FieldSet> | undefined;
  for (const element of fewerElements(one, other)) {
    const [child, counterpart] = [one.children.get(element), other.children.get(element)];
    if (!child || !counterpart) continue;
    const left = ofChild(child, counterpart);
    if (left === child) continue;
    changed ??= new Map(one.children);
    if (left.isEmpty) changed.delete(element);
    else changed.set(element, left);
  }
  const member = one.member && !other.member;
  if (!changed)
    return member === one.member ? one : member || one.children.size > 0 ? new FieldSet(member, one.children) : EMPTY;
  return setOf(member, changed);
}

/** Collects nodes below one that is not in the set itself. Undefined stands for an empty set. */
export class Collector {
  #children: Map<string, FieldSet> | undefined;

  add(element: string, set: FieldSet | undefined): void {
    if (set && !set.isEmpty) (this.#children ??= new Map()).set(element, set);
  }

  result(member = false): FieldSet | undefined {
    return this.#children ? new FieldSet(member, this.#children) : member ? LEAF : undefined;
  }
}

/** Calls back with the path of each field as messages write it: those of a level before what is below them, each in order. */
export function eachPath(set: FieldSet, visit: (path: string) => void, prefix = ''): void {
  const sorted = [...set.children].sort(([one], [other]) => compareElements(one, other));
  for (const [element, { member }] of sorted) if (member) visit(prefix + displayElement(element));
  for (const [element, child] of sorted) {
    if (child.children.size > 0) eachPath(child, visit, prefix + displayElement(element));
  }
}

/** Parses `FieldsV1`. Throws FieldsError. Elements of types that are not known are dropped. */
export function fieldSetOf(json: unknown): FieldSet {
  return new FieldSet(false, parseNode(json).children);
}

function parseNode(json: unknown): FieldSet {
  if (!isJsonObject(json)) throw new FieldsError('fields must be objects');
  const children = new Map<string, FieldSet>();
  let member = false;
  for (const key in json) {
    if (key === ITSELF) {
      member = true;
      continue;
    }
    const element = canonicalElement(key);
    if (element !== undefined) children.set(element, parseNode(json[key]));
  }
  return setOf(member || children.size === 0, children);
}

/** The set as `FieldsV1` text, in upstream's order. */
export function fieldsText(set: FieldSet): string {
  let text = set.member && set.children.size > 0 ? `"${ITSELF}":{}` : '';
  for (const element of inOrder([...set.children.keys()])) {
    const child = set.children.get(element)!;
    text += `${text ? ',' : ''}${JSON.stringify(element)}:${child.children.size > 0 ? fieldsText(child) : '{}'}`;
  }
  return `{${text}}`;
}
