/** What an applier no longer states, where managers have written in several versions: structured-merge-diff's `Updater.prune`. */
import { difference, EMPTY, intersection, union, type FieldSet } from './field-set.ts';
import { fieldsOf } from './fields-of.ts';
import type { Owner } from './owners.ts';
import { removeFields, withStructs } from './remove.ts';
import type { Ownable, Versioned } from './track.ts';

/**
 * Returns `merged` without the fields that an applier stated last time and that nobody states now. An object whose last version is not
 * known any more is returned as it is.
 * @param merged of `apiVersion`, as the result @param owned what all managers own now, by version
 */
export function pruneAcrossVersions(
  ownable: Ownable,
  merged: unknown,
  last: Owner,
  owned: ReadonlyMap<string, FieldSet>,
  apiVersion: string,
): unknown {
  const before = ownable.inVersion(last.apiVersion, merged);
  if (!before) return merged;
  const { type } = before;
  const stated = withStructs(last.fields, type);
  const without = { type, object: removeFields(type, before.object, stated) };
  const kept = ownable.inVersion(last.apiVersion, withOwned(ownable, before, without, last.apiVersion, owned).object);
  if (!kept) return merged;
  const dangling = intersection(difference(structsAnd(before), structsAnd(kept)), stated);
  if (dangling.isEmpty) return merged;
  return ownable.inVersion(apiVersion, removeFields(type, before.object, dangling))?.object ?? merged;
}

const structsAnd = ({ type, object }: Versioned): FieldSet => withStructs(fieldsOf(type, object), type);

/** Puts back what has gone with fields that were removed, and that others own: in the version of the removal first. */
function withOwned(
  ownable: Ownable,
  merged: Versioned,
  pruned: Versioned,
  first: string,
  owned: ReadonlyMap<string, FieldSet>,
): Versioned {
  let [whole, left] = [merged, pruned];
  for (const version of [first, ...[...owned.keys()].filter((other) => other !== first).sort()]) {
    const fields = owned.get(version) ?? EMPTY;
    const [all, some] = [ownable.inVersion(version, whole.object), ownable.inVersion(version, left.object)];
    if (fields.isEmpty || !all || !some) continue;
    const kept = union(structsAnd(some), withStructs(fields, all.type));
    whole = all;
    left = { type: all.type, object: removeFields(all.type, all.object, difference(structsAnd(all), kept)) };
  }
  return left;
}
