/** https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/ */
import { ageColumn, integer, nameColumn } from '../../machinery/columns.ts';
import { validateConditions } from '../../machinery/conditions.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, type FieldError, required } from '../../machinery/field-error.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { ValidatingAdmissionPolicy } from '../../types/admissionregistration/v1.gen.ts';
import { applyMatchDefaults } from './match-resources.ts';
import { paramKindColumn } from './policy-columns.ts';
import { validateValidatingPolicy } from './validating-policy-validation.ts';
import { reservedNameWarnings } from './reserved-names.ts';

function validateStatus({ status }: ValidatingAdmissionPolicy): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, { fieldRef, warning }] of (status?.typeChecking?.expressionWarnings ?? []).entries()) {
    const path = `status.typeChecking.expressionWarnings[${index}]`;
    if (!warning) errors.push(required(`${path}.warning`));
    if (!fieldRef?.trim()) errors.push(required(`${path}.fieldRef`));
  }
  addErrors(errors, validateConditions(status?.conditions ?? [], 'status.conditions'));
  return errors;
}

export const validatingAdmissionPolicies = defineKind<ValidatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  categories: ['api-extensions'],
  namespaced: false,
  freeFinalizers: true,
  schema: ValidatingAdmissionPolicy,
  hasGeneration: true,
  unconditionalUpdate: false,
  subresources: [statusSubresource({ validate: validateStatus, warnings: reservedNameWarnings })],
  columns: [
    nameColumn(),
    integer('Validations', ({ spec }) => spec?.validations?.length ?? 0),
    paramKindColumn(),
    ageColumn(),
  ],
  applyDefaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    applyMatchDefaults(spec.matchConstraints);
  },
  prepareForCreate(policy) {
    policy.status = {};
  },
  validate: validateValidatingPolicy,
  warnings: reservedNameWarnings,
});
