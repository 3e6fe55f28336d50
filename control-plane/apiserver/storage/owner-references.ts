import type { ObjectMeta, OwnerReference } from '../../../api/types/meta/v1.gen.ts';

/**
 * Removes owner references that are there twice, with upstream's warning.
 * @param afterAdmission whether admission may have added them.
 */
export function dedupeOwnerReferences(
  metadata: Pick<ObjectMeta, 'ownerReferences'>,
  warn: (message: string) => void,
  afterAdmission: boolean,
): void {
  const { ownerReferences = [] } = metadata;
  if (ownerReferences.length < 2) return;
  const unique = new Map<string, OwnerReference>();
  const duplicates: string[] = [];
  for (const reference of ownerReferences) {
    const { apiVersion, kind, name, uid, controller, blockOwnerDeletion } = reference;
    const key = JSON.stringify([apiVersion, kind, name, uid, controller, blockOwnerDeletion]);
    if (unique.has(key)) duplicates.push(uid);
    else unique.set(key, reference);
  }
  if (duplicates.length === 0) return;
  metadata.ownerReferences = [...unique.values()];
  const when = afterAdmission ? ' after mutating admission happens' : '';
  warn(
    `.metadata.ownerReferences contains duplicate entries${when}; API server dedups owner references in 1.20+, and may reject such ` +
      `requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${duplicates.join(', ')}`,
  );
}
