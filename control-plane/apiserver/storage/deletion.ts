/** What a delete does to an object, decided from the object, the options and the time: upstream's `rest.BeforeDelete`. */
import type { Kind } from '../../../api/machinery/kind.ts';
import { groupResource } from '../../../api/machinery/define-kind.ts';
import { conflict, invalidObject } from '../../../api/machinery/status-error.ts';
import { notSupported, type FieldError } from '../../../api/machinery/field-error.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import type { DeleteOptions } from '../../../api/types/meta/v1.gen.ts';

export type Deletion =
  /** Goes at once. */
  | { readonly action: 'remove' }
  /** Stays, marked with a deletionTimestamp, until its finalizers or its grace period are done. */
  | { readonly action: 'mark'; readonly object: Stored }
  /** Is being deleted already, and this request changes nothing about it. */
  | { readonly action: 'keep' };

const ORPHAN = 'orphan';
const FOREGROUND = 'foregroundDeletion';
const POLICIES = ['Background', 'Foreground', 'Orphan'] as const;
const DEFAULT_POD_GRACE_SECONDS = 30;

export function validateDeleteOptions(options: DeleteOptions): void {
  const errors: FieldError[] = [];
  if (options.propagationPolicy !== undefined && options.orphanDependents !== undefined) {
    errors.push({
      type: 'FieldValueInvalid',
      field: 'propagationPolicy',
      message: `Invalid value: ${JSON.stringify(options.propagationPolicy)}: orphanDependents and deletionPropagation cannot be both set`,
    });
  }
  const policy = options.propagationPolicy;
  if (policy && !POLICIES.some((known) => known === policy)) {
    errors.push(notSupported('propagationPolicy', policy, ['Foreground', 'Background', 'Orphan', 'nil']));
  }
  for (const dryRun of options.dryRun ?? []) if (dryRun !== 'All') errors.push(notSupported('dryRun', dryRun, ['All']));
  if (errors.length > 0) throw invalidObject({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', errors);
}

export function planDeletion(kind: Kind, current: Stored, options: DeleteOptions, now: number): Deletion {
  checkPreconditions(kind, current, options);
  const object: Stored = { ...current, metadata: { ...current.metadata } };
  const { metadata } = object;
  const finalizers = finalizersFor(current, options);
  const finalizersChanged = finalizers.join() !== (metadata.finalizers ?? []).join();
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  else delete metadata.finalizers;

  const grace = graceSeconds(kind, current, options);
  if (metadata.deletionTimestamp) {
    const before = metadata.deletionGracePeriodSeconds ?? 0;
    const shortened = kind.kind === 'Pod' && before > 0 && grace < before && asksForGrace(current, options);
    if (shortened) {
      metadata.deletionTimestamp = timeOf(Date.parse(metadata.deletionTimestamp) + (grace - before) * 1000);
      metadata.deletionGracePeriodSeconds = grace;
    }
    const done = (metadata.deletionGracePeriodSeconds ?? 0) === 0 && !isHeld(object);
    if (done) return { action: 'remove' };
    return shortened || finalizersChanged ? { action: 'mark', object } : { action: 'keep' };
  }
  if (grace === 0 && !isHeld(object)) return { action: 'remove' };
  metadata.deletionTimestamp = timeOf(now + grace * 1000);
  metadata.deletionGracePeriodSeconds = grace;
  if (metadata.generation !== undefined) metadata.generation++;
  if (kind.kind === 'Namespace') {
    object.status = { ...(object.status as object | undefined), phase: 'Terminating' };
    delete metadata.deletionGracePeriodSeconds;
  }
  return { action: 'mark', object };
}

/** Whether an update has taken the last thing away that kept a deleted object. */
export function isDeletedBy(kind: Kind, updated: Stored): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds } = updated.metadata;
  return deletionTimestamp !== undefined && (deletionGracePeriodSeconds ?? 0) === 0 && !isHeld(updated);
}

/** Finalizers of the object, and of a namespace those of its contents. */
function isHeld(object: Stored): boolean {
  if ((object.metadata.finalizers?.length ?? 0) > 0) return true;
  if (object.kind !== 'Namespace') return false;
  return ((object.spec as { finalizers?: string[] } | undefined)?.finalizers?.length ?? 0) > 0;
}

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

/** The garbage collector's finalizers say how dependents are dealt with. */
function finalizersFor({ metadata }: Stored, options: DeleteOptions): string[] {
  const finalizers = metadata.finalizers ?? [];
  const policy =
    options.propagationPolicy ??
    (options.orphanDependents === undefined ? undefined : options.orphanDependents ? 'Orphan' : 'Background');
  if (!policy) return finalizers;
  const others = finalizers.filter((finalizer) => finalizer !== ORPHAN && finalizer !== FOREGROUND);
  if (policy === 'Orphan') return [...others, ORPHAN];
  return policy === 'Foreground' ? [...others, FOREGROUND] : others;
}

interface PodLike {
  readonly spec?: { readonly nodeName?: string; readonly terminationGracePeriodSeconds?: number };
  readonly status?: { readonly phase?: string };
}

/** Only pods have a grace period; one that no node runs needs none. */
function graceSeconds(kind: Kind, object: Stored, options: DeleteOptions): number {
  if (groupResource(kind) !== 'pods') return 0;
  const { spec, status } = object as PodLike;
  if (!spec?.nodeName || status?.phase === 'Failed' || status?.phase === 'Succeeded') return 0;
  const asked = options.gracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? DEFAULT_POD_GRACE_SECONDS;
  return asked < 0 ? 1 : asked;
}

/** A second delete that names no period must not shorten the one that runs. */
function asksForGrace(object: Stored, options: DeleteOptions): boolean {
  const { spec } = object as PodLike;
  return options.gracePeriodSeconds !== undefined || !spec?.nodeName;
}
