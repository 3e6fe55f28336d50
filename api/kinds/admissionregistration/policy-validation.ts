/** What validating and mutating policies have in common: upstream's validation of their specs. */
import { deepEqual } from '../../machinery/deep-equal.ts';
import { addErrors, type FieldError, invalid, notSupported, required, tooMany } from '../../machinery/field-error.ts';
import type { MatchCondition, MatchResources, ParamKind, Variable } from '../../types/admissionregistration/v1.gen.ts';
import { expressionErrors, PolicyCompiler } from './expressions.ts';
import { validateMatchConstraints, validateParamKind } from './match-resources.ts';
import { validateMatchConditions } from './rule-validation.ts';

const FAILURE_POLICIES = ['Fail', 'Ignore'];
/** Upstream bounds no list of expressions but the match conditions; each of these costs some ten microseconds to compile. */
const MAX_EXPRESSIONS = 1_000;
const IDENTIFIER = /^[_a-zA-Z][_a-zA-Z0-9]*$/;
const RESERVED: ReadonlySet<string> = new Set([
  ...['true', 'false', 'null', 'in', 'as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import'],
  ...['let', 'loop', 'package', 'namespace', 'return', 'var', 'void', 'while'],
]);

interface PolicySpec {
  readonly failurePolicy?: string | undefined;
  readonly paramKind?: ParamKind | undefined;
  readonly matchConstraints?: MatchResources | undefined;
  readonly matchConditions?: MatchCondition[] | undefined;
}

export function validatePolicyMatch(spec: PolicySpec): FieldError[] {
  const { failurePolicy, paramKind, matchConstraints } = spec;
  const errors: FieldError[] = [];
  if (failurePolicy === undefined) errors.push(required('spec.failurePolicy'));
  else if (!FAILURE_POLICIES.includes(failurePolicy))
    errors.push(notSupported('spec.failurePolicy', failurePolicy, FAILURE_POLICIES));
  if (paramKind) addErrors(errors, validateParamKind(paramKind, 'spec.paramKind'));
  addErrors(errors, validateMatchConstraints(matchConstraints, 'spec.matchConstraints'));
  return errors;
}

/** Conditions that have been there already are not checked again. */
export function validatePolicyConditions(
  { paramKind, matchConditions = [] }: PolicySpec,
  old: PolicySpec | undefined,
): FieldError[] {
  if (old && deepEqual(paramKind, old.paramKind) && deepEqual(matchConditions, old.matchConditions ?? [])) return [];
  return validateMatchConditions(matchConditions, 'spec.matchConditions', paramKind !== undefined);
}

/** The error of a list that is too long to be compiled; undefined when it is not. */
export const tooManyExpressions = (list: readonly unknown[], path: string): FieldError | undefined =>
  list.length > MAX_EXPRESSIONS ? tooMany(path, list.length, MAX_EXPRESSIONS) : undefined;

/** Compiles the variables, in their order: each may refer to those before it. */
export function validateVariables(compiler: PolicyCompiler, variables: readonly Variable[]): FieldError[] {
  const long = tooManyExpressions(variables, 'spec.variables');
  if (long) return [long];
  const errors: FieldError[] = [];
  for (const [index, { name = '', expression = '' }] of variables.entries()) {
    const path = `spec.variables[${index}]`;
    if (name.trim() === '') errors.push(required(`${path}.name`, 'name is not specified'));
    else if (!isIdentifier(name)) errors.push(invalid(`${path}.name`, name, 'must be a valid CEL identifier'));
    if (expression.trim() === '') errors.push(required(`${path}.expression`, 'expression is not specified'));
    else addErrors(errors, expressionErrors(compiler.variable(name, expression), expression, `${path}.expression`));
  }
  return errors;
}

const isIdentifier = (name: string): boolean => IDENTIFIER.test(name) && !RESERVED.has(name);
