/** What an update may change and how it is checked, by the subresource that it comes through. */
import { validateFixedAnnotations } from '../../../api/kinds/core/pod-update-validation.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import type { Kind, KubeObject, StoredSubresource, UpdateRules } from '../../../api/machinery/kind.ts';
import type { Stored } from '../catalogue/object-meta.ts';

/** Through what an object is updated, by the name that admission and audit know. */
export type UpdatedPart = WholeObject | StoredSubresource<KubeObject>;

/** The object itself, or what the server makes of it when it serves `scale`. */
export interface WholeObject {
  readonly name: '' | 'scale';
}

export const WHOLE: WholeObject = { name: '' };
/** Whoever scales sends no object: the server has changed the number of replicas, and nothing else. */
export const SCALE: WholeObject = { name: 'scale' };

/** A binding is put together by the server itself, but for the annotations that it brings. */
export const BINDING: StoredSubresource<KubeObject> = {
  name: 'binding',
  verbs: ['create'],
  update: {
    merge: (wanted) => wanted,
    prepare: () => undefined,
    validate: (object, old) => validateFixedAnnotations(object, old),
  },
};

export const updateRules = (kind: Kind, part: UpdatedPart): UpdateRules<KubeObject> =>
  'update' in part ? part.update : wholeRules(kind);

/** The status of a kind that has one as a subresource. */
export function statusPart({ kind, subresources }: Kind): UpdatedPart {
  const status = subresources.find(({ name }) => name === 'status');
  if (!status || !('update' in status)) throw new Error(`${kind} has no status subresource`);
  return status;
}

const hasStatus = ({ subresources }: Kind): boolean => subresources.some(({ name }) => name === 'status');

/** The status is changed through its subresource alone. */
const wholeRules = (kind: Kind): UpdateRules<Stored> => ({
  merge(wanted, old) {
    if (!hasStatus(kind)) return wanted;
    if (old.status === undefined) delete wanted.status;
    else wanted.status = old.status;
    return wanted;
  },
  prepare(object, old, context) {
    kind.prepareForUpdate(object, old, context);
    if (kind.hasGeneration && !deepEqual(object.spec, old.spec)) {
      object.metadata.generation = (old.metadata.generation ?? 0) + 1;
    }
  },
  validate: (object, old) => [...kind.validate(object, old), ...kind.validateUpdate(object, old)],
});
