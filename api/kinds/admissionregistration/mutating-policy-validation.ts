/** Upstream's `ValidateMutatingAdmissionPolicy`. */
import { addErrors, type FieldError, invalid, notSupported, required } from '../../machinery/field-error.ts';
import type { MutatingAdmissionPolicy, Mutation } from '../../types/admissionregistration/v1.gen.ts';
import { expressionErrors, PolicyCompiler } from './expressions.ts';
import { validateMutatingOperations } from './match-resources.ts';
import {
  tooManyExpressions,
  validatePolicyConditions,
  validatePolicyMatch,
  validateVariables,
} from './policy-validation.ts';

const PATCH_TYPES = ['ApplyConfiguration', 'JSONPatch'];
const REINVOCATION_POLICIES = ['IfNeeded', 'Never'];

export function validateMutatingPolicy(
  { spec = {} }: MutatingAdmissionPolicy,
  old?: MutatingAdmissionPolicy,
): FieldError[] {
  const { paramKind, matchConstraints, variables = [], mutations = [], reinvocationPolicy } = spec;
  const errors = validatePolicyMatch(spec);
  addErrors(errors, validateMutatingOperations(matchConstraints, 'spec.matchConstraints'));
  addErrors(errors, validatePolicyConditions(spec, old?.spec));
  const compiler = new PolicyCompiler({ params: paramKind !== undefined, composes: true });
  addErrors(errors, validateVariables(compiler, variables));
  if (mutations.length === 0) errors.push(required('spec.mutations', 'mutations must contain at least one item'));
  const long = tooManyExpressions(mutations, 'spec.mutations');
  if (long) errors.push(long);
  else
    for (const [index, mutation] of mutations.entries())
      addErrors(errors, validateMutation(compiler, mutation, `spec.mutations[${index}]`));
  if (!reinvocationPolicy) errors.push(required('spec.reinvocationPolicy'));
  else if (!REINVOCATION_POLICIES.includes(reinvocationPolicy))
    errors.push(notSupported('spec.reinvocationPolicy', reinvocationPolicy, REINVOCATION_POLICIES));
  return errors;
}

function validateMutation(compiler: PolicyCompiler, mutation: Mutation, path: string): FieldError[] {
  const { patchType, jsonPatch, applyConfiguration } = mutation;
  if (!patchType) return [required(`${path}.patchType`)];
  switch (patchType) {
    case 'JSONPatch': {
      const errors = validatePatch(jsonPatch, 'jsonPatch', patchType, path, (text) => compiler.jsonPatch(text));
      if (applyConfiguration) errors.push(misplaced('applyConfiguration', patchType, path));
      return errors;
    }
    case 'ApplyConfiguration': {
      const field = 'applyConfiguration';
      const errors = validatePatch(applyConfiguration, field, patchType, path, (text) => compiler.configuration(text));
      if (jsonPatch) errors.push(misplaced('jsonPatch', patchType, path));
      return errors;
    }
    default:
      return [notSupported(`${path}.patchType`, patchType, PATCH_TYPES)];
  }
}

const misplaced = (field: string, patchType: string, path: string): FieldError =>
  invalid(`${path}.${field}`, `{${field}}`, `must not be specified when patchType is ${patchType}`);

function validatePatch(
  patch: { expression?: string } | undefined,
  field: string,
  patchType: string,
  path: string,
  compile: (expression: string) => ReturnType<PolicyCompiler['jsonPatch']>,
): FieldError[] {
  if (!patch) return [required(`${path}.${field}`, `must be specified when patchType is ${patchType}`)];
  const at = `${path}.${field}.expression`;
  const expression = patch.expression?.trim() ?? '';
  return expression === '' ? [required(at)] : expressionErrors(compile(expression), expression, at);
}
