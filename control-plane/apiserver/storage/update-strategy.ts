/** What an update may change and how it is validated, by subresource. */
import { validateFixedAnnotations } from '../../../api/kinds/core/pod-update-validation.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import type {
  Kind,
  KubeObject,
  ScaleSubresource,
  StoredSubresource,
  UpdateRules,
} from '../../../api/machinery/kind.ts';
import { invalidObject } from '../../../api/machinery/status-error.ts';
import type { Scale } from '../../../api/types/autoscaling/v1.gen.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { Entry } from './cache/entry.ts';

/** What is updated; `name` is the subresource as admission and audit know it. */
export type UpdatedPart = WholeObject | StoredSubresource<KubeObject> | ScaleSubresource<KubeObject>;

export interface WholeObject {
  readonly name: '';
}

export const WHOLE: WholeObject = { name: '' };

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

/** What travels for an object, and what admission is asked about: a Scale for `scale`, else the object. */
export interface View {
  of(object: Stored): Stored;
  /** Returns the object to store instead of `current`, for a view as admission has left it. Throws a 422 StatusError. */
  applied(view: Stored, resource: ServedResource, current: Entry): Stored;
}

const ITSELF: View = { of: (object) => object, applied: (object) => object };

export const viewOf = (part: UpdatedPart): View => ('scaleOf' in part ? scaleView(part) : ITSELF);

const scaleView = (part: ScaleSubresource<KubeObject>): View => ({
  of: (object) => part.scaleOf(object) as Stored,
  applied: (scale: Stored & Scale, resource, current) => {
    const errors = part.body.validate(scale);
    if (errors.length > 0) throw invalidObject(part.body, scale.metadata.name ?? '', errors);
    const object = resource.parse(current.bytes);
    part.setReplicas(object, scale.spec?.replicas ?? 0);
    return object;
  },
});

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
  warnings: (object, old) => kind.warnings(object, old),
});
