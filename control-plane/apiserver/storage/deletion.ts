/** Decides what a delete does, from the object, the options and the time: upstream's `rest.BeforeDelete`. */
import { FOREGROUND_FINALIZER, ORPHAN_FINALIZER } from '../../../api/machinery/finalizers.ts';
import { deleteOptions } from '../../../api/kinds/meta/delete-options.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { conflict, invalidObject } from '../../../api/machinery/status-error.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import type { DeleteOptions } from '../../../api/types/meta/v1.gen.ts';

export type Deletion =
  /** Removed at once. */
  | { readonly action: 'remove' }
  /** Marked with a deletionTimestamp; stays until its finalizers are removed and its grace period is over. */
  | { readonly action: 'mark'; readonly object: Stored }
  /** Already being deleted, and unchanged by this request. */
  | { readonly action: 'keep' };

/** The warning to a delete by these options, if any. */
export const deletionWarning = ({ deletion }: Kind, options: DeleteOptions): string | undefined =>
  options.propagationPolicy === undefined && options.orphanDependents === undefined
    ? deletion.orphanWarning
    : undefined;

/** Throws a 422 Invalid StatusError for contradictory or unknown options. */
export function validateDeleteOptions(options: DeleteOptions): void {
  const errors = deleteOptions.validate(options);
  if (errors.length > 0) throw invalidObject({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', errors);
}

export function planDeletion(kind: Kind, current: Stored, options: DeleteOptions, now: number): Deletion {
  checkPreconditions(kind, current, options);
  const object: Stored = { ...current, metadata: { ...current.metadata } };
  const { metadata } = object;
  const finalizers = finalizersFor(kind, current, options);
  const finalizersChanged = finalizers.join() !== (metadata.finalizers ?? []).join();
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  else delete metadata.finalizers;

  const grace = kind.deletion.graceSeconds(current, options);
  if (metadata.deletionTimestamp) {
    const before = metadata.deletionGracePeriodSeconds ?? 0;
    const shortened = grace < before;
    if (shortened) {
      metadata.deletionTimestamp = timeOf(Date.parse(metadata.deletionTimestamp) + (grace - before) * 1000);
      metadata.deletionGracePeriodSeconds = grace;
    }
    const done = (metadata.deletionGracePeriodSeconds ?? 0) === 0 && !isHeld(kind, object);
    if (done) return { action: 'remove' };
    return shortened || finalizersChanged ? { action: 'mark', object } : { action: 'keep' };
  }
  if (grace === 0 && !isHeld(kind, object)) return { action: 'remove' };
  metadata.deletionTimestamp = timeOf(now + grace * 1000);
  metadata.deletionGracePeriodSeconds = grace;
  if (metadata.generation !== undefined) metadata.generation++;
  kind.deletion.markDeleted(object);
  return { action: 'mark', object };
}

/** Whether an update has removed the last reason to keep an object that is being deleted. */
export function isDeletedBy(kind: Kind, updated: Stored): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds } = updated.metadata;
  return deletionTimestamp !== undefined && (deletionGracePeriodSeconds ?? 0) === 0 && !isHeld(kind, updated);
}

const isHeld = (kind: Kind, object: Stored): boolean =>
  (object.metadata.finalizers?.length ?? 0) > 0 || kind.deletion.isHeld(object);

function checkPreconditions(kind: Kind, { metadata }: Stored, { preconditions }: DeleteOptions): void {
  const name = metadata.name ?? '';
  if (preconditions?.uid !== undefined && preconditions.uid !== metadata.uid) {
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${preconditions.uid}, UID in object meta: ${metadata.uid}`,
    );
  }
  if (preconditions?.resourceVersion !== undefined && preconditions.resourceVersion !== metadata.resourceVersion) {
    throw conflict(
      kind,
      name,
      `Precondition failed: ResourceVersion in precondition: ${preconditions.resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`,
    );
  }
}

const isPropagation = (finalizer: string): boolean =>
  finalizer === ORPHAN_FINALIZER || finalizer === FOREGROUND_FINALIZER;

/** The garbage collector's finalizers encode the propagation policy. */
function finalizersFor(kind: Kind, { metadata }: Stored, options: DeleteOptions): string[] {
  const finalizers = metadata.finalizers ?? [];
  const policy =
    options.propagationPolicy ??
    (options.orphanDependents === undefined ? undefined : options.orphanDependents ? 'Orphan' : 'Background');
  if (!policy) {
    const orphans = kind.deletion.orphansDependents && !finalizers.some(isPropagation);
    return orphans ? [...finalizers, ORPHAN_FINALIZER] : finalizers;
  }
  const others = finalizers.filter((finalizer) => !isPropagation(finalizer));
  if (policy === 'Orphan') return [...others, ORPHAN_FINALIZER];
  return policy === 'Foreground' ? [...others, FOREGROUND_FINALIZER] : others;
}
