/** https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/ */
import { ageColumn, integer, nameColumn } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { MutatingAdmissionPolicy } from '../../types/admissionregistration/v1.gen.ts';
import { applyMatchDefaults } from './match-resources.ts';
import { validateMutatingPolicy } from './mutating-policy-validation.ts';
import { paramKindColumn } from './policy-columns.ts';
import { reservedNameWarnings } from './reserved-names.ts';

export const mutatingAdmissionPolicies = defineKind<MutatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  categories: ['api-extensions'],
  namespaced: false,
  freeFinalizers: true,
  schema: MutatingAdmissionPolicy,
  hasGeneration: true,
  unconditionalUpdate: false,
  columns: [
    nameColumn(),
    integer('Mutations', ({ spec }) => spec?.mutations?.length ?? 0),
    paramKindColumn(),
    ageColumn(),
  ],
  applyDefaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    applyMatchDefaults(spec.matchConstraints);
  },
  validate: validateMutatingPolicy,
  warnings: reservedNameWarnings,
});
