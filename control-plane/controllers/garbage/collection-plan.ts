/** What becomes of an object, given what is known of its owners and dependents. The rules are upstream's `attemptToDeleteItem`. */
import { FOREGROUND_FINALIZER, ORPHAN_FINALIZER } from '../../../api/machinery/finalizers.ts';
import type { Owned } from '../framework/owner-references.ts';
import { isDeletingDependents } from './object-graph.ts';
import type { OwnerReference } from '../../../api/types/meta/v1.gen.ts';

/** `waiting`: it is being deleted in the foreground, and its dependents have to go first. */
export type OwnerState = 'present' | 'absent' | 'waiting';

export type Collection =
  | { readonly type: 'keep' }
  | { readonly type: 'delete'; readonly propagationPolicy: 'Background' | 'Foreground' | 'Orphan' }
  /** It keeps other owners: only the references to those that are gone or going are dropped. */
  | { readonly type: 'drop owners'; readonly uids: readonly string[] }
  /** Its owners need not wait for it any more. */
  | { readonly type: 'unblock owners' }
  | { readonly type: 'remove finalizer'; readonly finalizer: string }
  | { readonly type: 'collect dependents'; readonly uids: readonly string[] };

export interface CollectionState {
  /** The object as it is now. */
  readonly item: Owned;
  readonly dependents: readonly Owned[];
  ownerState(owner: OwnerReference): OwnerState;
}

export function planCollection({ item, dependents, ...state }: CollectionState): Collection {
  if (isDeletingDependents(item)) return planForeground(item, dependents);
  // On its way out already, with finalizers that are not ours to remove.
  if (item.deleting || item.owners.length === 0) return { type: 'keep' };
  const states = item.owners.map((owner) => ({ owner, state: state.ownerState(owner) }));
  const gone = states.filter(({ state }) => state !== 'present').map(({ owner }) => owner.uid);
  if (gone.length === 0) return { type: 'keep' };
  if (gone.length < states.length) return { type: 'drop owners', uids: gone };
  if (item.finalizers.includes(ORPHAN_FINALIZER)) return { type: 'delete', propagationPolicy: 'Orphan' };
  const isAwaited = states.some(({ state }) => state === 'waiting');
  // A dependent that waits for its own dependents may be waiting for this object: in a circle somebody has to yield.
  const isCircle = isAwaited && dependents.some(isDeletingDependents);
  if (isCircle && item.owners.some(({ blockOwnerDeletion }) => blockOwnerDeletion)) return { type: 'unblock owners' };
  const isForeground = item.finalizers.includes(FOREGROUND_FINALIZER) || (isAwaited && dependents.length > 0);
  return { type: 'delete', propagationPolicy: isForeground ? 'Foreground' : 'Background' };
}

function planForeground(item: Owned, dependents: readonly Owned[]): Collection {
  const blocking = dependents.filter(({ owners }) =>
    owners.some(({ uid, blockOwnerDeletion }) => uid === item.uid && blockOwnerDeletion === true),
  );
  if (blocking.length === 0) return { type: 'remove finalizer', finalizer: FOREGROUND_FINALIZER };
  const uids = blocking.filter((dependent) => !isDeletingDependents(dependent)).map(({ uid }) => uid);
  return uids.length > 0 ? { type: 'collect dependents', uids } : { type: 'keep' };
}
