import { defineKind } from '../../machinery/define-kind.ts';
import { type FieldError, invalid, notSupported } from '../../machinery/field-error.ts';
import { DeleteOptions } from '../../types/meta/v1.gen.ts';

/** In the order in which upstream's error names them. */
const PROPAGATION_POLICIES = ['Foreground', 'Background', 'Orphan'];

/** With it, what is stored is removed without having been read: nothing that depends on the object can be asked for. */
const IGNORE_READ_ERROR = 'ignoreStoreReadErrorWithClusterBreakingPotential';
const EXCLUDED = [
  'dryRun',
  'gracePeriodSeconds',
  'orphanDependents',
  'preconditions',
  'propagationPolicy',
] as const satisfies readonly (keyof DeleteOptions)[];

function validateDeleteOptions(options: DeleteOptions): FieldError[] {
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
  if (dryRun?.some((value) => value !== 'All')) errors.push(notSupported('dryRun', dryRun, ['All']));
  if (options[IGNORE_READ_ERROR])
    for (const other of EXCLUDED)
      if (options[other] !== undefined)
        errors.push(invalid(IGNORE_READ_ERROR, true, `cannot be set together with .${other}`));
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
