import { ageColumn, integer, nameColumn, text } from '../../machinery/columns.ts';
import { validateConditions } from '../../machinery/conditions.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, type FieldError, invalid } from '../../machinery/field-error.ts';
import { goValue } from '../../machinery/go-value.ts';
import { validatePathSegmentName } from '../../machinery/names.ts';
import { validateLabelSelector } from '../../machinery/selectors.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { validateAtMostAll, validateIntOrPercent } from '../apps/int-or-percent.ts';
import { PodDisruptionBudget, PodDisruptionBudgetSpec } from '../../types/policy/v1.gen.ts';

function validate({ spec = {} }: PodDisruptionBudget, old?: PodDisruptionBudget): FieldError[] {
  const { minAvailable, maxUnavailable, selector } = spec;
  const errors: FieldError[] = [];
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    errors.push(
      invalid('spec', goValue(PodDisruptionBudgetSpec, spec), 'minAvailable and maxUnavailable cannot be both set'),
    );
  }
  for (const [field, share] of Object.entries({ minAvailable, maxUnavailable })) {
    const path = `spec.${field}`;
    addErrors(errors, [...validateIntOrPercent(share, path), ...validateAtMostAll(share, path)]);
  }
  const problems = selector ? validateLabelSelector(selector, 'spec.selector') : [];
  const before = problems.length > 0 ? old?.spec?.selector : undefined;
  // A selector that older rules accepted may stay.
  const isTolerated = before && validateLabelSelector(before, 'spec.selector').length > 0;
  if (!isTolerated) addErrors(errors, problems);
  return errors;
}

/** How many pods of a set may be evicted. https://kubernetes.io/docs/tasks/run-application/configure-pdb/ */
export const podDisruptionBudgets = defineKind<PodDisruptionBudget>({
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  shortNames: ['pdb'],
  namespaced: true,
  freeFinalizers: true,
  validateName: validatePathSegmentName,
  schema: PodDisruptionBudget,
  subresources: [
    statusSubresource({ validate: ({ status }) => validateConditions(status?.conditions, 'status.conditions') }),
  ],
  hasGeneration: true,
  unconditionalUpdate: false,
  columns: [
    nameColumn(),
    text('Min Available', ({ spec }) => String(spec?.minAvailable ?? 'N/A')),
    text('Max Unavailable', ({ spec }) => String(spec?.maxUnavailable ?? 'N/A')),
    integer('Allowed Disruptions', ({ status }) => status?.disruptionsAllowed ?? 0),
    ageColumn(),
  ],
  prepareForCreate: (budget) => {
    budget.status = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  },
  validate,
});
