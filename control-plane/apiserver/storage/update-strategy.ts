/** What an update may change and how it is checked, by the subresource that it comes through. */
import {
  prepareApprovalUpdate,
  validateConditions,
  validateConditionsUpdate,
} from '../../../api/kinds/certificates/certificate-signing-request.ts';
import { prepareEphemeralContainersUpdate } from '../../../api/kinds/core/pod-strategy.ts';
import {
  validateEphemeralContainersUpdate,
  validateFixedAnnotations,
} from '../../../api/kinds/core/pod-update-validation.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import type { FieldError } from '../../../api/machinery/field-error.ts';
import type { Kind, StoredPart } from '../../../api/machinery/kind.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { Stored } from '../catalogue/object-meta.ts';
import type { CertificateSigningRequest } from '../../../api/types/certificates/v1.gen.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface UpdateStrategy {
  /** What becomes of the present object when the client wants another. */
  merge(wanted: Stored, old: Stored, kind: Kind): Stored;
  /** Runs after admission; changes the object. */
  prepare(object: Stored, old: Stored, kind: Kind): void;
  validate(object: Stored, old: Stored, kind: Kind): FieldError[];
}

const hasStatus = ({ subresources }: Kind): boolean => subresources.some(({ name }) => name === 'status');

/** The object itself; its status is changed through the subresource alone. */
const whole: UpdateStrategy = {
  merge(wanted, old, kind) {
    if (!hasStatus(kind)) return wanted;
    if (old.status === undefined) delete wanted.status;
    else wanted.status = old.status;
    return wanted;
  },
  prepare(object, old, kind) {
    kind.prepareForUpdate(object, old);
    if (kind.hasGeneration && !deepEqual(object.spec, old.spec)) {
      object.metadata.generation = (old.metadata.generation ?? 0) + 1;
    }
  },
  validate: (object, old, kind) => [...kind.validate(object, old), ...kind.validateUpdate(object, old)],
};

const status: UpdateStrategy = {
  merge(wanted, old) {
    const object: Stored = { ...old, metadata: wanted.metadata, status: wanted.status };
    if (wanted.status === undefined) delete object.status;
    return object;
  },
  prepare: (object, old, kind) => kind.prepareForStatusUpdate(object, old),
  validate: (object, old, kind) => kind.validateStatusUpdate(object, old),
};

/** The namespace controller has emptied the namespace. */
const finalize: UpdateStrategy = {
  merge: (wanted, old) => ({ ...old, metadata: wanted.metadata, spec: wanted.spec }),
  prepare: () => undefined,
  validate: (object, _, kind) => kind.validate(object),
};

const approval: UpdateStrategy = {
  merge: (wanted, old) => ({ ...old, metadata: wanted.metadata, status: wanted.status }),
  prepare: (object, old) =>
    prepareApprovalUpdate(
      object as CertificateSigningRequest & Stored,
      old as typeof object & CertificateSigningRequest,
      timeOf(Date.now()),
    ),
  validate: (object, old) => [
    ...validateConditions(object as CertificateSigningRequest & Stored),
    ...validateConditionsUpdate(
      object as CertificateSigningRequest & Stored,
      old as CertificateSigningRequest & Stored,
    ),
  ],
};

const ephemeralContainers: UpdateStrategy = {
  // Who may add such containers may not relabel the pod, or take its finalizers away.
  merge: (wanted, old) => ({ ...wanted, metadata: { ...old.metadata } }),
  prepare(object, old) {
    prepareEphemeralContainersUpdate(object as Pod, old as Pod);
    if (object.metadata.generation !== undefined) object.metadata.generation++;
  },
  validate: (object, old) => validateEphemeralContainersUpdate(object as Pod, old as Pod),
};

/** A binding is put together by the server itself, but for the annotations that it brings. */
const binding: UpdateStrategy = {
  merge: (wanted) => wanted,
  prepare: () => undefined,
  validate: (object, old) => validateFixedAnnotations(object as Pod, old as Pod),
};

/** Through what an object is updated: itself, a part of it, or what the server does with it. */
export type UpdatedPart = '' | 'binding' | 'scale' | StoredPart;

const STRATEGIES: { readonly [part in UpdatedPart]: UpdateStrategy } = {
  '': whole,
  // Whoever scales sends no object: the server has changed the number of replicas, and nothing else.
  scale: whole,
  binding,
  status,
  finalize,
  approval,
  ephemeralcontainers: ephemeralContainers,
};

export const updateStrategy = (part: UpdatedPart): UpdateStrategy => STRATEGIES[part];

const STORED_PARTS: ReadonlySet<string> = new Set<StoredPart>([
  'approval',
  'ephemeralcontainers',
  'finalize',
  'status',
]);

/** Whether clients update the subresource as a view of the stored object. */
export const isStoredPart = (subresource: string): subresource is StoredPart => STORED_PARTS.has(subresource);
