/** What an update may change and how it is validated, by subresource. */
import { validateFixedAnnotations } from '../../../api/kinds/core/pod-update-validation.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import type { Kind, KubeObject, StoredSubresource, UpdateRules } from '../../../api/machinery/kind.ts';
import type { Stored } from '../catalogue/object-meta.ts';

/** What is updated; `name` is the subresource as admission and audit know it. */
export type UpdatedPart = WholeObject | StoredSubresource<KubeObject>;

/** The object itself, or the object as changed by the server for `scale`. */
export interface WholeObject {
  readonly name: '' | 'scale';
}

export const WHOLE: WholeObject = { name: '' };
/** An update of `scale` carries no object: the server changes the number of replicas only. */
export const SCALE: WholeObject = { name: 'scale' };

/** A binding is applied by the server itself; only its annotations come from the client. */
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

/** The status subresource of a kind. Throws when it has none. */
export function statusPart({ kind, subresources }: Kind): UpdatedPart {
  const status = subresources.find(({ name }) => name === 'status');
  if (!status || !('update' in status)) throw new Error(`${kind} has no status subresource`);
  return status;
}

const hasStatus = ({ subresources }: Kind): boolean => subresources.some(({ name }) => name === 'status');

/** The status is changed through its subresource only. */
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
