/** https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/ */
import { ageColumn, nameColumn } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, duplicate, type FieldError, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { ValidatingAdmissionPolicyBinding } from '../../types/admissionregistration/v1.gen.ts';
import { applyMatchDefaults, validateMatchResources, validateParamRef, validatePolicyName } from './match-resources.ts';
import { paramRefColumn, policyNameColumn } from './policy-columns.ts';
import { reservedNameWarnings } from './reserved-names.ts';

const ACTIONS = ['Audit', 'Deny', 'Warn'];

function validateActions(actions: readonly string[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, action] of actions.entries()) {
    if (!ACTIONS.includes(action)) errors.push(notSupported(`${path}[${index}]`, action, ACTIONS));
    if (seen.has(action)) errors.push(duplicate(`${path}[${index}]`, action));
    seen.add(action);
  }
  if (seen.has('Deny') && seen.has('Warn')) {
    const why =
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';
    errors.push(invalid(path, actions, why));
  }
  if (seen.size === 0) errors.push(required(path, 'at least one validation action is required'));
  return errors;
}

export const validatingAdmissionPolicyBindings = defineKind<ValidatingAdmissionPolicyBinding>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  categories: ['api-extensions'],
  namespaced: false,
  freeFinalizers: true,
  schema: ValidatingAdmissionPolicyBinding,
  hasGeneration: true,
  unconditionalUpdate: false,
  columns: [nameColumn(), policyNameColumn(), paramRefColumn(), ageColumn()],
  applyDefaults: ({ spec }) => applyMatchDefaults(spec?.matchResources),
  validate({ spec }) {
    const { policyName, paramRef, matchResources, validationActions } = spec ?? {};
    const errors = validatePolicyName(policyName, 'spec.policyName');
    addErrors(errors, validateParamRef(paramRef, 'spec.paramRef'));
    addErrors(errors, validateMatchResources(matchResources, 'spec.matchResources'));
    addErrors(errors, validateActions(validationActions ?? [], 'spec.validationActions'));
    return errors;
  },
  warnings: reservedNameWarnings,
});
