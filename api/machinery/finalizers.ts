/** The finalizers that need no domain: https://kubernetes.io/docs/concepts/architecture/garbage-collection/ */

/** Of `spec.finalizers`: keeps a deleted namespace until its contents are deleted. */
export const NAMESPACE_FINALIZER = 'kubernetes';
/** Keeps a deleted object until its dependents have no owner. */
export const ORPHAN_FINALIZER = 'orphan';
/** Keeps a deleted object until its dependents are deleted. */
export const FOREGROUND_FINALIZER = 'foregroundDeletion';
