/** https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/ */
import { ageColumn, nameColumn } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors } from '../../machinery/field-error.ts';
import { MutatingAdmissionPolicyBinding } from '../../types/admissionregistration/v1.gen.ts';
import {
  applyMatchDefaults,
  validateMatchResources,
  validateMutatingOperations,
  validateParamRef,
  validatePolicyName,
} from './match-resources.ts';
import { paramRefColumn, policyNameColumn } from './policy-columns.ts';
import { reservedNameWarnings } from './reserved-names.ts';

export const mutatingAdmissionPolicyBindings = defineKind<MutatingAdmissionPolicyBinding>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicyBinding',
  plural: 'mutatingadmissionpolicybindings',
  categories: ['api-extensions'],
  namespaced: false,
  freeFinalizers: true,
  schema: MutatingAdmissionPolicyBinding,
  hasGeneration: true,
  unconditionalUpdate: false,
  columns: [nameColumn(), policyNameColumn(), paramRefColumn(), ageColumn()],
  applyDefaults: ({ spec }) => applyMatchDefaults(spec?.matchResources),
  validate({ spec }) {
    const { policyName, paramRef, matchResources } = spec ?? {};
    const errors = validatePolicyName(policyName, 'spec.policyName');
    addErrors(errors, validateParamRef(paramRef, 'spec.paramRef'));
    addErrors(errors, validateMatchResources(matchResources, 'spec.matchResources'));
    addErrors(errors, validateMutatingOperations(matchResources, 'spec.matchResources'));
    return errors;
  },
  warnings: reservedNameWarnings,
});
