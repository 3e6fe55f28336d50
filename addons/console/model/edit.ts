/**
 * How a changed object is saved: by server-side apply, with the fields that were changed and no others, so that the console becomes
 * the manager of nothing else. Lists are compared by the keys that their managers have of them.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/
 */
import { isJsonObject, own, setOwn } from '../../../api/machinery/own.ts';
import type { KubeObject, ManagedFields } from './object.ts';

export const FIELD_MANAGER = 'kedge-console';

export type Edit =
  | { readonly kind: 'unchanged' }
  /** The identity of the object. */
  | { readonly kind: 'other-object' }
  | { readonly kind: 'apply'; readonly configuration: KubeObject }
  /** What others manage, or nobody, is removed, or only the order is another: apply cannot say that. */
  | { readonly kind: 'replace'; readonly fields: readonly string[] };

/** As in `fieldsV1`: `f:NAME`, `k:{KEYS}`, `v:VALUE` and `.`. */
type Fields = Readonly<Record<string, unknown>>;

/** The server's own; they are not compared. */
const SERVERS_METADATA = new Set([
  'managedFields',
  'resourceVersion',
  'uid',
  'creationTimestamp',
  'generation',
  'selfLink',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'name',
  'namespace',
  'generateName',
]);
const NOTHING = Symbol('nothing');

export function planEdit(original: KubeObject, edited: KubeObject, manager = FIELD_MANAGER): Edit {
  const { name, namespace } = original.metadata ?? {};
  const now = edited.metadata ?? {};
  if (
    edited.apiVersion !== original.apiVersion ||
    edited.kind !== original.kind ||
    now.name !== name ||
    now.namespace !== namespace
  )
    return { kind: 'other-object' };
  const [before, after] = [contentOf(original), contentOf(edited)];
  if (isSame(before, after)) return { kind: 'unchanged' };
  const entries = (original.metadata?.managedFields ?? []).filter(({ subresource }) => !subresource);
  const isOwn = (entry: ManagedFields): boolean => entry.manager === manager && entry.operation === 'Apply';
  const walk = new Walk();
  const changed = walk.object(
    before,
    after,
    union(entries.filter((entry) => !isOwn(entry)).map(({ fieldsV1 }) => fieldsV1)),
    union(entries.filter(isOwn).map(({ fieldsV1 }) => fieldsV1)),
    '',
  );
  if (walk.unremovable.length > 0 || !walk.hasChanges) return { kind: 'replace', fields: walk.unremovable };
  const content: Record<string, unknown> = isJsonObject(changed) ? changed : {};
  return {
    kind: 'apply',
    configuration: {
      apiVersion: original.apiVersion ?? '',
      kind: original.kind ?? '',
      ...content,
      metadata: { ...(content['metadata'] as object | undefined), name: name ?? '', ...(namespace && { namespace }) },
    },
  };
}

/** What can be edited of an object. */
function contentOf(object: KubeObject): Record<string, unknown> {
  const content = Object.entries(object).filter(([key]) => !['apiVersion', 'kind', 'metadata', 'status'].includes(key));
  const metadata = Object.entries(object.metadata ?? {}).filter(([key]) => !SERVERS_METADATA.has(key));
  return { ...Object.fromEntries(content), metadata: Object.fromEntries(metadata) };
}

class Walk {
  /** Paths of what is removed, and would stay. */
  readonly unremovable: string[] = [];
  hasChanges = false;

  /** What to apply of an object; NOTHING when it has neither been changed nor been applied before. */
  object(
    before: Readonly<Record<string, unknown>>,
    after: Readonly<Record<string, unknown>>,
    others: Fields,
    ours: Fields,
    path: string,
  ): Record<string, unknown> | typeof NOTHING {
    const result: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(after)) {
      const [theirs, mine] = [sub(others, `f:${name}`), sub(ours, `f:${name}`)];
      const kept = this.#value(own(before, name), value, theirs, mine, `${path}.${name}`);
      if (kept !== NOTHING) setOwn(result, name, kept);
    }
    for (const name of Object.keys(before))
      if (!Object.hasOwn(after, name))
        this.#remove(sub(others, `f:${name}`), sub(ours, `f:${name}`), `${path}.${name}`);
    return Object.keys(result).length > 0 ? result : NOTHING;
  }

  #value(before: unknown, after: unknown, others: Fields | undefined, ours: Fields | undefined, path: string): unknown {
    if (isSame(before, after)) return ours ? partOf(after, ours) : NOTHING;
    if (isJsonObject(before) && isJsonObject(after) && hasParts(others, ours, 'f:'))
      return this.object(before, after, others ?? {}, ours ?? {}, path);
    if (Array.isArray(before) && Array.isArray(after)) {
      if (hasParts(others, ours, 'k:')) return this.#list(before, after, others ?? {}, ours ?? {}, path);
      if (hasParts(others, ours, 'v:')) return this.#set(before, after, others ?? {}, ours ?? {}, path);
    }
    this.hasChanges = true;
    // What nobody is known to manage may be merged or replaced: it is not known what is left of it.
    if (typeof before === 'object' && before !== null && !others && !ours) this.unremovable.push(path);
    return after;
  }

  /** A list whose items have keys. */
  #list(before: readonly unknown[], after: readonly unknown[], others: Fields, ours: Fields, path: string): unknown {
    const names = keyNames(others) ?? keyNames(ours) ?? [];
    const keyOf = (item: unknown): string =>
      JSON.stringify(names.map((name) => (isJsonObject(item) ? own(item, name) : item)));
    const fieldsOf = (fields: Fields, key: string): Fields | undefined => {
      const found = keysIn(fields).find(({ values }) => JSON.stringify(names.map((name) => own(values, name))) === key);
      return found && sub(fields, found.field);
    };
    const known = new Map(before.map((item) => [keyOf(item), item]));
    const result: unknown[] = [];
    for (const item of after) {
      const key = keyOf(item);
      const [theirs, mine] = [fieldsOf(others, key), fieldsOf(ours, key)];
      const kept = this.#value(known.get(key), item, theirs, mine, `${path}[${key}]`);
      known.delete(key);
      if (kept === NOTHING) continue;
      const keys = names.map((name) => [name, isJsonObject(item) ? own(item, name) : undefined] as const);
      result.push({ ...Object.fromEntries(keys), ...(kept as object) });
    }
    for (const key of known.keys()) this.#remove(fieldsOf(others, key), fieldsOf(ours, key), `${path}[${key}]`);
    return result.length > 0 ? result : NOTHING;
  }

  /** A list of values, each of which has managers of its own. */
  #set(before: readonly unknown[], after: readonly unknown[], others: Fields, ours: Fields, path: string): unknown {
    const field = (value: unknown): string => `v:${JSON.stringify(value)}`;
    const result = after.filter((value) => {
      const isNew = !before.some((one) => isSame(one, value));
      if (isNew) this.hasChanges = true;
      return isNew || sub(ours, field(value)) !== undefined;
    });
    for (const value of before)
      if (!after.some((one) => isSame(one, value)))
        this.#remove(sub(others, field(value)), sub(ours, field(value)), `${path}[${JSON.stringify(value)}]`);
    return result.length > 0 ? result : NOTHING;
  }

  /** What only we have applied goes when it is not applied again; anything else would stay. */
  #remove(others: Fields | undefined, ours: Fields | undefined, path: string): void {
    this.hasChanges = true;
    if (others !== undefined || ours === undefined) this.unremovable.push(path);
  }
}

/** Of a value that is unchanged, what we have applied before. */
function partOf(value: unknown, fields: Fields): unknown {
  if (isJsonObject(value) && hasParts(fields, undefined, 'f:')) {
    const result: Record<string, unknown> = {};
    for (const [name, inner] of Object.entries(value)) {
      const owned = sub(fields, `f:${name}`);
      if (owned) setOwn(result, name, partOf(inner, owned));
    }
    return result;
  }
  if (!Array.isArray(value)) return value;
  const keyed = keysIn(fields);
  if (keyed.length > 0)
    return value.flatMap((item: unknown) => {
      if (!isJsonObject(item)) return [];
      const found = keyed.find(({ values }) =>
        Object.entries(values).every(([name, wanted]) => isSame(own(item, name), wanted)),
      );
      const owned = found && sub(fields, found.field);
      return owned && found ? [{ ...found.values, ...(partOf(item, owned) as object) }] : [];
    });
  if (hasParts(fields, undefined, 'v:'))
    return value.filter((item: unknown) => sub(fields, `v:${JSON.stringify(item)}`) !== undefined);
  return value as unknown;
}

function sub(fields: Fields, name: string): Fields | undefined {
  const found = own(fields, name);
  return isJsonObject(found) ? found : undefined;
}

const hasParts = (one: Fields | undefined, other: Fields | undefined, prefix: string): boolean =>
  [one, other].some((fields) => Object.keys(fields ?? {}).some((key) => key.startsWith(prefix)));

/** The items that a list has fields of. */
const keysIn = (fields: Fields): { field: string; values: Record<string, unknown> }[] =>
  Object.keys(fields)
    .filter((field) => field.startsWith('k:'))
    .map((field) => ({ field, values: JSON.parse(field.slice(2)) as Record<string, unknown> }));

function keyNames(fields: Fields): string[] | undefined {
  const [first] = keysIn(fields);
  return first && Object.keys(first.values);
}

function union(sets: readonly (Fields | undefined)[]): Fields {
  const result: Record<string, unknown> = {};
  for (const set of sets)
    for (const [name, inner] of Object.entries(set ?? {})) {
      const known = own(result, name);
      setOwn(result, name, isJsonObject(known) && isJsonObject(inner) ? union([known, inner]) : inner);
    }
  return result;
}

/** As JSON has it: the order of keys means nothing. */
export function isSame(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right))
    return left.length === right.length && left.every((item, index) => isSame(item, right[index]));
  if (!isJsonObject(left) || !isJsonObject(right)) return false;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && isSame(own(left, key), own(right, key)))
  );
}
