import { defineKind } from '../../machinery/define-kind.ts';
import { notSupported, invalid } from '../../machinery/field-error.ts';
import type { FieldError } from '../../machinery/field-error.ts';
import { DeleteOptions } from '../../types/meta/v1.gen.ts';

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
