import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { tolerationIdentity } from '../../domain/taints.ts';
import { addErrors, duplicate, type FieldError } from '../../machinery/field-error.ts';
import { validateLabels } from '../../machinery/metadata.ts';
import { RuntimeClass } from '../../types/node/v1.gen.ts';
import { validateTolerations } from '../core/affinity-validation.ts';
import { deprecatedNodeLabel } from '../core/node-label-warnings.ts';
import { validateResources } from '../core/resource-validation.ts';

function validate({ overhead, scheduling }: RuntimeClass): FieldError[] {
  const errors: FieldError[] = [];
  if (overhead) validateResources({ limits: overhead.podFixed }, 'overhead', errors);
  const { nodeSelector, tolerations = [] } = scheduling ?? {};
  if (nodeSelector) addErrors(errors, validateLabels(nodeSelector, 'scheduling.nodeSelector'));
  validateTolerations(tolerations, 'scheduling.tolerations', errors);
  const known = new Set<string>();
  for (const [index, toleration] of tolerations.entries()) {
    const identity = tolerationIdentity(toleration);
    if (known.has(identity)) errors.push(duplicate(`scheduling.tolerations[${index}]`, toleration));
    known.add(identity);
  }
  return errors;
}

export const runtimeClasses = defineKind<RuntimeClass>({
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  namespaced: false,
  freeFinalizers: true,
  schema: RuntimeClass,
  createOnUpdate: true,
  unconditionalUpdate: false,
  columns: [nameColumn(), text('Handler', ({ handler }) => handler ?? ''), ageColumn()],
  validate,
  warnings: ({ scheduling }) =>
    Object.keys(scheduling?.nodeSelector ?? {}).flatMap((key) => {
      const why = deprecatedNodeLabel(key);
      return why === undefined ? [] : [`scheduling.nodeSelector: ${why}`];
    }),
});
