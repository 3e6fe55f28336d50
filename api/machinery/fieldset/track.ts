/**
 * What writes that are not applies do to ownership: apimachinery's `FieldManager.Update` and structured-merge-diff's
 * `Updater.Update`. Whoever changes a field owns it from then on, and nobody else.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/
 */
import { flatString } from '../flat-string.ts';
import { addedFieldsText } from './added-text.ts';
import { compare, type Changes } from './compare.ts';
import {
  difference,
  differenceBelow,
  EMPTY,
  FieldSet,
  intersection,
  intersectionBelow,
  isSubset,
  union,
  unionOf,
} from './field-set.ts';
import type { FieldType } from './field-type.ts';
import { reconciled } from './reconcile.ts';
import { entryText, managerId, Owner, ownersText, parseOwners, type Manager, type Owners } from './owners.ts';

/** Past that many, the oldest managers that update become one. */
const MAX_UPDATE_MANAGERS = 10;
const OLD_UPDATES_MANAGER = 'ancient-changes';

/** The schema of what is written, and which of its fields are nobody's. */
export interface Ownable {
  readonly type: FieldType;
  /** An object without values: what its fields are compared with when it is created. */
  readonly empty: unknown;
  /** What a write of this part of the object resets: upstream's `GetResetFields`. */
  readonly resets: FieldSet;
  /** Instead of `resets`: the only fields that such a write changes, each with all below it. */
  readonly owns?: FieldSet;
  /** Returns an object of the kind, of any version, in a version, with its type; undefined for a version that is not known. */
  inVersion(apiVersion: string, object: unknown): Versioned | undefined;
  /** Set where the schema may change: the type of a version that is known. */
  readonly mutableType?: (apiVersion: string) => FieldType | undefined;
}

/** An object in a version. */
export interface Versioned {
  readonly type: FieldType;
  readonly object: unknown;
}

/** Metadata that is never owned: upstream's `stripMetaManager`. */
export const NEVER_OWNED = FieldSet.ofPaths([
  'apiVersion',
  'kind',
  ...['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'clusterName', 'generation'].map(inMetadata),
  ...['managedFields', 'resourceVersion'].map(inMetadata),
]);

function inMetadata(field: string): string {
  return `metadata.${field}`;
}

const exclusions = new WeakMap<Ownable, FieldSet>();

function excludedFrom(ownable: Ownable): FieldSet {
  const known = exclusions.get(ownable) ?? union(NEVER_OWNED, ownable.resets);
  exclusions.set(ownable, known);
  return known;
}

/** Owners of a new object, as text. @param time now */
export function ownersOfNew(ownable: Ownable, object: unknown, by: Manager, time: string): string {
  const fields = addedFieldsText(ownable.type, ownable.empty, object, excludedFrom(ownable));
  return fields && `[${entryText(by, time, fields)}]`;
}

/** Owners after an update from `before` to `after`, as text. An object that nobody has owned stays so. */
export function ownersAfterUpdate(
  ownable: Ownable,
  before: unknown,
  after: unknown,
  owners: string,
  by: Manager,
  time: string,
): string {
  if (!owners) return '';
  const changes = changesOf(ownable, before, after);
  if (!changes) return owners;
  return ownersText(updatedOwners(ownable, before, after, parseOwners(owners), by, time, changes));
}

/** What of the fields a write of this part can own: upstream's reset fields filter. */
export const ownableFields = ({ resets, owns }: Ownable, fields: FieldSet): FieldSet =>
  owns ? intersectionBelow(fields, owns) : differenceBelow(fields, resets);

/** Undefined when nothing that can be owned differs. Throws FieldsError for list items without keys. */
export function changesOf(ownable: Ownable, before: unknown, after: unknown): Changes | undefined {
  const found = compare(ownable.type, before, after);
  if (!found) return undefined;
  const changed = ownableFields(ownable, found.changed);
  const removed = ownableFields(ownable, found.removed);
  return changed.isEmpty && removed.isEmpty ? undefined : { changed, removed };
}

/** @param changes what differs; computed when it is not given. Changes and returns `owners`. */
export function updatedOwners(
  ownable: Ownable,
  before: unknown,
  after: unknown,
  owners: Owners,
  by: Manager,
  now: string,
  changes = changesOf(ownable, before, after),
): Owners {
  const id = managerId(by);
  reconcileOwners(ownable, owners);
  disown(ownable, owners, by.apiVersion, before, after, changes, id);
  if (!changes) return owners;
  const previous = owners.get(id);
  const kept = previous ? difference(previous.fields, changes.removed) : EMPTY;
  const written = difference(changes.changed, NEVER_OWNED);
  const time = written.isEmpty ? previous?.time : now;
  // Fields that are written again leave the set, and its text, as they are.
  const fields = isSubset(written, kept) ? kept : union(kept, written);
  if (fields.isEmpty) owners.delete(id);
  else if (previous && fields === previous.fields) owners.set(id, previous.at(time));
  else owners.set(id, new Owner(by, time, fields));
  return capUpdateManagers(owners);
}

export type Conflicts = Map<string, FieldSet>;

/**
 * Takes changed and removed fields from all owners but `except`, and drops those that have none left, or are of a version that is not
 * known.
 * @param onConflicts called before with the changed fields that others own
 */
export function disown(
  ownable: Ownable,
  owners: Owners,
  apiVersion: string,
  before: unknown,
  after: unknown,
  changes: Changes | undefined,
  except?: string,
  onConflicts?: (conflicts: Conflicts) => void,
): void {
  const conflicts: Conflicts | undefined = onConflicts && new Map();
  // Mostly nobody else has what one changes, and all have written in the same version.
  let left: Owners | undefined;
  let inOthers: Map<string, Changes | undefined> | undefined;
  for (const [id, owner] of owners) {
    if (id === except) continue;
    let found = changes;
    if (owner.apiVersion !== apiVersion) {
      inOthers ??= new Map();
      if (!inOthers.has(owner.apiVersion)) {
        const [old, current] = [before, after].map((object) => ownable.inVersion(owner.apiVersion, object));
        if (!old || !current) {
          owners.delete(id);
          continue;
        }
        inOthers.set(owner.apiVersion, compare(current.type, old.object, current.object));
      }
      found = inOthers.get(owner.apiVersion);
    }
    if (!found || (!owner.mayHave(found.changed) && !owner.mayHave(found.removed))) continue;
    if (conflicts) {
      const lost = intersection(owner.fields, found.changed);
      if (!lost.isEmpty) conflicts.set(id, lost);
    }
    const fields = difference(difference(owner.fields, found.changed), found.removed);
    if (fields !== owner.fields) (left ??= new Map()).set(id, owner.with(fields));
  }
  if (conflicts) onConflicts?.(conflicts);
  for (const [id, owner] of left ?? []) {
    if (owner.fields.isEmpty) owners.delete(id);
    else owners.set(id, owner);
  }
}

/** What was reconciled lately with the types of an Ownable, by version and text: nearly all that is written is. */
const reconciledTexts = new WeakMap<Ownable, Set<string>>();
const MAX_RECONCILED_TEXTS = 256;
const MAX_RECONCILED_CHARS = 4096;

/** Makes sets of fields fit a schema that has changed since they were written: upstream's `reconcileManagedFieldsWithSchemaChanges`. */
export function reconcileOwners(ownable: Ownable, owners: Owners): void {
  const { mutableType } = ownable;
  if (!mutableType) return;
  const known = reconciledTexts.get(ownable) ?? new Set<string>();
  reconciledTexts.set(ownable, known);
  for (const [id, owner] of owners) {
    const key = `${owner.apiVersion} ${owner.text}`;
    if (known.has(key)) continue;
    const type = mutableType(owner.apiVersion);
    const fields = type && reconciled(type, owner.fields);
    if (fields && fields !== owner.fields) owners.set(id, owner.with(fields));
    if (known.size >= MAX_RECONCILED_TEXTS) known.clear();
    if (fields === owner.fields && key.length <= MAX_RECONCILED_CHARS) known.add(flatString(key));
  }
}

/** Upstream's `capManagersManager`: merges the oldest managers that update, per version. */
function capUpdateManagers(owners: Owners): Owners {
  if (owners.size <= MAX_UPDATE_MANAGERS) return owners;
  const updaters = [...owners].filter(([, { operation }]) => operation === 'Update');
  let count = updaters.length;
  if (count <= MAX_UPDATE_MANAGERS) return owners;
  const secondsOf = (time: string | undefined): number => (time === undefined ? 0 : Date.parse(time));
  updaters.sort(
    ([oneId, one], [otherId, other]) => secondsOf(one.time) - secondsOf(other.time) || (oneId < otherId ? -1 : 1),
  );
  const firstOf = new Map<string, string>();
  const buckets = new Map<string, Bucket>();
  for (const [id, owner] of updaters) {
    if (count <= MAX_UPDATE_MANAGERS) break;
    const { apiVersion } = owner;
    const first = firstOf.get(apiVersion);
    if (first === undefined) {
      firstOf.set(apiVersion, id);
      continue;
    }
    const by: Manager = { manager: OLD_UPDATES_MANAGER, operation: 'Update', apiVersion, subresource: '' };
    const bucketId = managerId(by);
    let bucket = buckets.get(bucketId);
    if (!bucket) {
      const known = owners.get(bucketId) ?? owners.get(first);
      if (!owners.has(bucketId)) owners.delete(first);
      bucket = { by, sets: [known?.fields ?? EMPTY], time: undefined };
      buckets.set(bucketId, bucket);
    }
    bucket.sets.push(owner.fields);
    bucket.time = owner.time;
    owners.delete(id);
    count--;
  }
  for (const [id, { by, sets, time }] of buckets) owners.set(id, new Owner(by, time, unionOf(sets)));
  return owners;
}

/** Managers that become one. */
interface Bucket {
  readonly by: Manager;
  readonly sets: FieldSet[];
  time: string | undefined;
}
