/** JSON and merge patches against the plain algorithms of their RFCs, on any JSON; strategic patches for what they may throw. */
import { pods } from '../../api/kinds/core/pod.ts';
import { own, setOwn } from '../../api/machinery/own.ts';
import { applyJsonPatch } from '../../api/machinery/patch/json.ts';
import { applyMergePatch } from '../../api/machinery/patch/merge.ts';
import { applyStrategicPatch } from '../../api/machinery/patch/strategic.ts';
import { StatusError } from '../../api/machinery/status-error.ts';
import { check, only, same, type Fuzzer } from './fuzzer.ts';
import type { Random } from './random.ts';

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** RFC 7386, as it is written there. */
function mergePatched(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch))
    if (value === null) result.delete(name);
    else result.set(name, mergePatched(result.get(name), value));
  return Object.fromEntries(result);
}

class NotPossible extends Error {}

/** RFC 6902 on a path of keys, without sharing anything. */
function changed(
  value: unknown,
  path: readonly string[],
  change: (container: unknown, key: string) => unknown,
): unknown {
  const [key, ...rest] = path;
  if (key === undefined) throw new NotPossible();
  if (rest.length === 0) return change(copy(value), key);
  const inner = found(value, [key]);
  const result = copy(value);
  if (Array.isArray(result)) result[indexIn(result, key)] = changed(inner, rest, change);
  else setOwn(result as Json, key, changed(inner, rest, change));
  return result;
}

function indexIn(list: readonly unknown[], key: string, atEnd = false): number {
  if (!/^-?(0|[1-9][0-9]*)$/.test(key)) throw new NotPossible();
  const index = Number(key) < 0 ? list.length + Number(key) : Number(key);
  if (index < 0 || index > list.length || (index === list.length && !atEnd)) throw new NotPossible();
  return index;
}

function found(value: unknown, path: readonly string[]): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (Array.isArray(value)) return found(value[indexIn(value, key)], rest);
  if (!isObject(value) || !Object.hasOwn(value, key)) throw new NotPossible();
  return found(own(value, key), rest);
}

/** A field that is not there is null. */
function foundOrNull(value: unknown, path: readonly string[]): unknown {
  const last = path.at(-1);
  if (last === undefined) return value;
  const container = found(value, path.slice(0, -1));
  return isObject(container) && !Object.hasOwn(container, last) ? null : found(container, [last]);
}

const added =
  (value: unknown) =>
  (container: unknown, key: string): unknown => {
    if (Array.isArray(container)) {
      if (key === '-') return [...(container as unknown[]), value];
      const at = indexIn(container, key, true);
      return [...(container.slice(0, at) as unknown[]), value, ...(container.slice(at) as unknown[])];
    }
    if (!isObject(container)) throw new NotPossible();
    setOwn(container, key, value);
    return container;
  };

function removed(container: unknown, key: string): unknown {
  if (Array.isArray(container)) return container.toSpliced(indexIn(container, key), 1);
  if (!isObject(container) || !Object.hasOwn(container, key)) throw new NotPossible();
  return Object.fromEntries(Object.entries(container).filter(([name]) => name !== key));
}

const replaced =
  (value: unknown) =>
  (container: unknown, key: string): unknown => {
    if (Array.isArray(container)) return container.with(indexIn(container, key), value);
    return added(value)(container, key);
  };

interface Operation {
  op: string;
  path: string;
  from?: string;
  value?: unknown;
}

const keysOf = (pointer: string): string[] =>
  pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

function operated(document: unknown, { op, path, from = '', value }: Operation): unknown {
  const at = keysOf(path);
  const add = (target: unknown, what: unknown): unknown => (at.length === 0 ? what : changed(target, at, added(what)));
  switch (op) {
    case 'add':
      return add(document, value ?? null);
    case 'replace':
      return at.length === 0 ? (value ?? null) : changed(document, at, replaced(value ?? null));
    case 'remove':
      return changed(document, at, removed);
    case 'copy':
      return add(document, foundOrNull(document, keysOf(from)));
    case 'move': {
      const moved = found(document, keysOf(from));
      return add(changed(document, keysOf(from), removed), moved);
    }
    default:
      throw new NotPossible();
  }
}

/** Of something that is there, mostly. */
function pointerInto(random: Random, value: unknown): string {
  let pointer = '';
  for (let at = value; ;) {
    const isEnd = random.chance(4);
    if (isEnd || typeof at !== 'object' || at === null) {
      if (random.chance(3))
        pointer += `/${random.chance(2) ? random.pick(['-', '0', '1', '-1', '00', '9']) : random.key()}`;
      return pointer;
    }
    const keys = Object.keys(at);
    if (keys.length === 0) return pointer;
    const key = random.pick(keys);
    pointer += `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    at = own(at as Json, key);
  }
}

function runJson(random: Random): void {
  const document = random.object(4);
  let expected: unknown = document;
  const operations: Operation[] = [];
  let isPossible = true;
  for (let count = 1 + random.below(6); count > 0 && isPossible; count--) {
    const operation: Operation = {
      op: random.pick(['add', 'replace', 'remove', 'copy', 'move', 'bad']),
      path: pointerInto(random, expected),
      from: pointerInto(random, expected),
      value: random.json(2),
    };
    // A container that is moved into itself: the place is gone then, or is another one.
    operations.push(operation);
    try {
      expected = operated(expected, operation);
    } catch (error) {
      if (!(error instanceof NotPossible)) throw error;
      isPossible = false;
    }
  }
  const patched = only([StatusError], () => ({ result: applyJsonPatch(copy(document), copy(operations)) }));
  check((patched !== undefined) === isPossible, 'whether a JSON patch can be applied', document, operations, patched);
  if (patched) check(same(patched.result, expected), 'a JSON patch', document, operations, patched.result, expected);
}

function runMerge(random: Random): void {
  const [document, patch] = [random.json(4), random.json(4)];
  const [before, given] = [copy(document), copy(patch)];
  const result = applyMergePatch(document, patch);
  check(same(result, mergePatched(before, given)), 'a merge patch', before, given, result);
  check(same(document, before) && same(patch, given), 'what a merge patch must not change', before, given);
  check(same(applyMergePatch(result, patch), result), 'a merge patch twice', before, given);
}

const DIRECTIVES = [
  '$patch',
  '$retainKeys',
  '$setElementOrder/containers',
  '$deleteFromPrimitiveList/finalizers',
  'spec',
];

function strategicPart(random: Random, depth: number): unknown {
  if (depth === 0 || random.chance(4)) return random.json(1);
  const part: Json = {};
  for (let count = random.below(4); count > 0; count--) {
    const key = random.pick([
      'containers',
      'spec',
      'metadata',
      'labels',
      'name',
      'ports',
      'env',
      'tolerations',
      ...DIRECTIVES,
    ]);
    const value = strategicPart(random, depth - 1);
    setOwn(part, key, random.chance(3) ? random.times(3, () => strategicPart(random, depth - 1)) : value);
  }
  if (random.chance(4)) part['$patch'] = random.pick(['delete', 'replace', 'merge', 1]);
  return part;
}

function runStrategic(random: Random): void {
  const container = () => ({ name: random.pick(['a', 'b', 'c']), image: random.pick(['x', 'y']) });
  const pod = { metadata: { labels: { a: 'b' } }, spec: { containers: random.times(3, container), tolerations: [] } };
  const patch = strategicPart(random, 5);
  const [before, given] = [copy(pod), copy(patch)];
  only([StatusError], () => applyStrategicPatch(pod, patch, pods.schema));
  check(same(pod, before) && same(patch, given), 'what a strategic patch must not change', before, given);
  // Items are merged by their names, and the others stay.
  const wanted = container();
  const merged = applyStrategicPatch(pod, { spec: { containers: [wanted] } }, pods.schema) as typeof pod;
  const names = merged.spec.containers.map(({ name }) => name);
  const others = pod.spec.containers.filter(({ name }) => name !== wanted.name);
  check(
    others.every((other) => merged.spec.containers.some((one) => same(one, other))) && names.includes(wanted.name),
    'containers after a strategic patch',
    pod,
    wanted,
    merged,
  );
}

export const patches: Fuzzer = {
  name: 'patches',
  cases: 800,
  run(random) {
    runMerge(random);
    runJson(random);
    runStrategic(random);
  },
};
