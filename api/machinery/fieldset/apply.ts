/**
 * Server-side apply: apimachinery's `FieldManager.Apply` and structured-merge-diff's `Updater.Apply` (KEP-555,
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/).
 */
import { deepEqual } from '../deep-equal.ts';
import { MAX_ERRORS } from '../limits.ts';
import { Messages } from '../messages.ts';
import { StatusError } from '../status-error.ts';
import { difference, EMPTY, eachPath, isSubset, unionOf } from './field-set.ts';
import { fieldsOf } from './fields-of.ts';
import { merge } from './merge.ts';
import { managerId, Owner, type Manager, type Owners } from './owners.ts';
import { pruneAcrossVersions } from './prune-across-versions.ts';
import { prune } from './remove.ts';
import {
  changesOf,
  disown,
  NEVER_OWNED,
  ownableFields,
  reconcileOwners,
  updatedOwners,
  type Conflicts,
  type Ownable,
} from './track.ts';

const BEFORE_FIRST_APPLY = 'before-first-apply';

export interface Applied {
  /** Undefined when the configuration changes nothing. */
  readonly object: unknown;
  readonly owners: Owners;
}

/** Fields of others that an apply would change. */
export class ApplyConflict extends Error {
  override readonly name = 'ApplyConflict';
  readonly conflicts: Conflicts;
  constructor(conflicts: Conflicts) {
    super('conflicting fields');
    this.conflicts = conflicts;
  }
}

/**
 * Merges a configuration into the live object, removes what the applier no longer states, and computes who owns what.
 * @param live an empty object when there is none @param config which fits the type @param time now
 * Throws ApplyConflict unless `force`.
 */
export function apply(
  ownable: Ownable,
  live: unknown,
  config: unknown,
  liveOwners: Owners,
  by: Manager,
  time: string,
  force: boolean,
): Applied {
  const { type } = ownable;
  const owners: Owners = new Map(liveOwners);
  reconcileOwners(ownable, owners);
  if (owners.size === 0) {
    updatedOwners(
      ownable,
      ownable.empty,
      live,
      owners,
      { ...by, manager: BEFORE_FIRST_APPLY, operation: 'Update' },
      time,
    );
  }
  const id = managerId(by);
  const last = owners.get(id);
  const stated = ownableFields(ownable, fieldsOf(type, config));
  const applier = new Owner(by, last?.time, difference(stated, NEVER_OWNED));
  owners.set(id, new Owner(by, last?.time, stated));
  const merged = merge(type, live, config);
  // Most applies state what the last one has stated: its set need not be parsed then.
  const isAsBefore = last?.apiVersion === by.apiVersion && last.text === applier.text;
  const object = last && !isAsBefore ? pruned(ownable, merged, last, owners, by.apiVersion) : merged;
  const changes = changesOf(ownable, live, object);
  disown(ownable, owners, by.apiVersion, live, object, changes, id, (conflicts) => {
    if (!force && conflicts.size > 0) throw new ApplyConflict(conflicts);
  });
  const isChanged = !deepEqual(live, object);
  if (applier.fields.isEmpty) owners.delete(id);
  else owners.set(id, applier.at(isChanged ? time : last?.time));
  return { object: isChanged ? object : undefined, owners };
}

/** Without what the applier stated last time, in whatever version, and what nobody states now. */
function pruned(ownable: Ownable, merged: unknown, last: Owner, owners: Owners, apiVersion: string): unknown {
  const byVersion = Map.groupBy(owners.values(), (owner) => owner.apiVersion);
  const owned = new Map([...byVersion].map(([version, all]) => [version, unionOf(all.map(({ fields }) => fields))]));
  const here = owned.get(apiVersion) ?? EMPTY;
  if (last.apiVersion !== apiVersion || (owned.size > 1 && !isSubset(last.fields, here)))
    return pruneAcrossVersions(ownable, merged, last, owned, apiVersion);
  return prune(ownable.type, merged, last.fields, here);
}

/** The 409 of a conflict, with a cause for each of the first fields: upstream's `NewConflictError`. */
export function applyConflict(conflicts: Conflicts, owners: Owners): StatusError {
  const causes: { reason: string; message: string; field: string }[] = [];
  // Each name of a manager, and each field.
  const messages = new Messages(2 * MAX_ERRORS);
  let count = 0;
  for (const id of [...conflicts.keys()].sort()) {
    const owner = owners.get(id);
    const name = owner ? describe(owner) : id;
    if (causes.length < MAX_ERRORS) messages.add(`conflicts with ${name}:`);
    eachPath(conflicts.get(id) ?? EMPTY, (field) => {
      count++;
      if (causes.length >= MAX_ERRORS || messages.isFull) return;
      causes.push({ reason: 'FieldManagerConflict', message: `conflict with ${name}`, field });
      messages.add(`- ${field}`);
    });
  }
  const [only] = causes;
  const message =
    count === 1 && only
      ? `Apply failed with 1 conflict: ${only.message}: ${only.field}`
      : `Apply failed with ${count} conflicts: ${messages.list.join('\n')}`;
  return new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason: 'Conflict',
    details: { causes },
    code: 409,
  });
}

function describe({ manager, operation, apiVersion, subresource }: Manager): string {
  const name = JSON.stringify(manager) + (subresource && ` with subresource ${JSON.stringify(subresource)}`);
  return operation === 'Update' ? `${name} using ${apiVersion}` : name;
}
