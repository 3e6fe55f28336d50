import { defineKind } from '../machinery/define-kind.ts';
import { notSupported, invalid } from '../machinery/field-error.ts';
import type { FieldError } from '../machinery/field-error.ts';
import { atomic, boolean, int64, pointer, string, struct, type Static } from '../machinery/schema.ts';

export const Preconditions = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.Preconditions',
  {},
  {
    resourceVersion: pointer(string()),
    uid: pointer(string()),
  },
);
export type Preconditions = Static<typeof Preconditions>;

export const DeleteOptions = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
  {},
  {
    apiVersion: string(),
    dryRun: atomic(string()),
    gracePeriodSeconds: pointer(int64()),
    ignoreStoreReadErrorWithClusterBreakingPotential: pointer(boolean()),
    kind: string(),
    orphanDependents: pointer(boolean()),
    preconditions: Preconditions,
    propagationPolicy: pointer(string()),
  },
);
export type DeleteOptions = Static<typeof DeleteOptions>;

const PROPAGATION_POLICIES = ['Background', 'Foreground', 'Orphan'];

export function validateDeleteOptions(options: DeleteOptions): FieldError[] {
  const errors: FieldError[] = [];
  const { orphanDependents, propagationPolicy, dryRun } = options;
  if (orphanDependents !== undefined && propagationPolicy !== undefined) {
    errors.push(
      invalid('propagationPolicy', propagationPolicy, 'orphanDependents and deletionPropagation cannot be both set'),
    );
  }
  if (propagationPolicy !== undefined && !PROPAGATION_POLICIES.includes(propagationPolicy)) {
    errors.push(notSupported('propagationPolicy', propagationPolicy, [...PROPAGATION_POLICIES, 'nil']));
  }
  for (const value of dryRun ?? []) if (value !== 'All') errors.push(notSupported('dryRun', dryRun, ['All']));
  return errors;
}

/** The body of deletes. It may come with the apiVersion of any group. */
export const deleteOptions = defineKind<DeleteOptions>({
  group: '',
  version: 'v1',
  kind: 'DeleteOptions',
  plural: 'deleteoptions',
  namespaced: false,
  schema: DeleteOptions,
  verbs: [],
  validate: validateDeleteOptions,
});
