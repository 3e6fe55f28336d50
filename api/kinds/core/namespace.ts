import { NAMESPACE_FINALIZER } from '../../machinery/finalizers.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { type FieldError, invalid } from '../../machinery/field-error.ts';
import { validateLabelName, validateQualifiedName } from '../../machinery/names.ts';
import { Namespace } from '../../types/core/v1.gen.ts';

/** Has the namespace's name as its value, so that selectors can match it. */
const NAME_LABEL = 'kubernetes.io/metadata.name';

function labelWithName({ metadata }: Namespace): void {
  if (metadata?.name) (metadata.labels ??= {})[NAME_LABEL] = metadata.name;
}

function validateFinalizers({ spec }: Namespace): FieldError[] {
  const errors: FieldError[] = [];
  for (const finalizer of spec?.finalizers ?? []) {
    for (const problem of validateQualifiedName(finalizer)) errors.push(invalid('spec.finalizers', finalizer, problem));
    if (finalizer !== NAMESPACE_FINALIZER && !finalizer.includes('/')) {
      errors.push(
        invalid('spec.finalizers', finalizer, 'name is neither a standard finalizer name nor is it fully qualified'),
      );
    }
  }
  return errors;
}

function validateStatusUpdate({ metadata, status }: Namespace): FieldError[] {
  const phase = metadata?.deletionTimestamp ? 'Terminating' : 'Active';
  const condition = metadata?.deletionTimestamp ? 'is not empty' : 'is empty';
  return status?.phase === phase
    ? []
    : [invalid('status.Phase', status?.phase ?? '', `may only be '${phase}' if \`deletionTimestamp\` ${condition}`)];
}

export const namespaces = defineKind<Namespace>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  shortNames: ['ns'],
  namespaced: false,
  schema: Namespace,
  returnDeletedObject: true,
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: [
    {
      name: 'finalize',
      verbs: ['update'],
      // Called by the namespace controller when the namespace is empty.
      update: {
        takes: ['spec'],
        resets: ['status'],
        merge: (wanted, old) => ({ ...old, metadata: wanted.metadata, spec: wanted.spec }),
        prepare: () => undefined,
        validate: validateFinalizers,
      },
    },
    statusSubresource({ validate: validateStatusUpdate }),
  ],
  deletion: {
    // The finalizers of its spec, which the namespace controller removes.
    isHeld: ({ spec }) => (spec?.finalizers?.length ?? 0) > 0,
    markDeleted: (namespace) => {
      namespace.status = { ...namespace.status, phase: 'Terminating' };
      delete namespace.metadata?.deletionGracePeriodSeconds;
    },
  },
  validateName: validateLabelName,
  columns: [nameColumn(), text('Status', ({ status }) => status?.phase ?? ''), ageColumn()],
  selectableFields: { 'status.phase': ({ status }) => status?.phase ?? '' },
  applyDefaults: labelWithName,
  prepareForCreate: (namespace) => {
    // A generated name does not exist before.
    labelWithName(namespace);
    const finalizers = namespace.spec?.finalizers ?? [];
    namespace.spec = {
      finalizers: finalizers.includes(NAMESPACE_FINALIZER) ? finalizers : [...finalizers, NAMESPACE_FINALIZER],
    };
    namespace.status = { phase: 'Active' };
  },
  prepareForUpdate: (namespace, old) => {
    namespace.spec = old.spec;
    namespace.status = old.status;
  },
  validate: validateFinalizers,
});
