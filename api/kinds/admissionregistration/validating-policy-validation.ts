/** Upstream's `ValidateValidatingAdmissionPolicy`. */
import { addErrors, duplicate, type FieldError, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { validateQualifiedName } from '../../machinery/names.ts';
import type {
  AuditAnnotation,
  ValidatingAdmissionPolicy,
  Validation,
} from '../../types/admissionregistration/v1.gen.ts';
import { expressionErrors, PolicyCompiler } from './expressions.ts';
import {
  tooManyExpressions,
  validatePolicyConditions,
  validatePolicyMatch,
  validateVariables,
} from './policy-validation.ts';

const REASONS = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];
const MAX_AUDIT_ANNOTATIONS = 20;
const MAX_VALUE_EXPRESSION_BYTES = 5 * 1024;

export function validateValidatingPolicy(
  { metadata, spec = {} }: ValidatingAdmissionPolicy,
  old?: ValidatingAdmissionPolicy,
): FieldError[] {
  const { paramKind, variables = [], validations = [], auditAnnotations = [] } = spec;
  const errors = validatePolicyMatch(spec);
  addErrors(errors, validatePolicyConditions(spec, old?.spec));
  const compiler = new PolicyCompiler({ params: paramKind !== undefined, composes: variables.length > 0 });
  addErrors(errors, validateVariables(compiler, variables));
  if (validations.length === 0 && auditAnnotations.length === 0) {
    const why = 'validations or auditAnnotations must contain at least one item';
    errors.push(required('spec.validations', why), required('spec.auditAnnotations', why));
    return errors;
  }
  addErrors(errors, validateValidations(compiler, validations, 'spec.validations'));
  addErrors(errors, validateAnnotations(compiler, metadata?.name ?? '', auditAnnotations, 'spec.auditAnnotations'));
  return errors;
}

function validateValidations(compiler: PolicyCompiler, validations: readonly Validation[], path: string): FieldError[] {
  const long = tooManyExpressions(validations, path);
  if (long) return [long];
  const errors: FieldError[] = [];
  for (const [index, validation] of validations.entries())
    addErrors(errors, validateValidation(compiler, validation, `${path}[${index}]`));
  return errors;
}

function validateValidation(compiler: PolicyCompiler, validation: Validation, path: string): FieldError[] {
  const { expression = '', message = '', messageExpression = '', reason } = validation;
  const errors: FieldError[] = [];
  if (expression.trim() === '') errors.push(required(`${path}.expression`, 'expression is not specified'));
  else addErrors(errors, expressionErrors(compiler.validation(expression), expression, `${path}.expression`));
  const nonEmpty = (field: string, value: string): boolean => {
    if (value !== '' && value.trim() === '')
      errors.push(invalid(`${path}.${field}`, value, 'must be non-empty if specified'));
    return value.trim() !== '';
  };
  if (nonEmpty('messageExpression', messageExpression)) {
    const at = `${path}.messageExpression`;
    addErrors(errors, expressionErrors(compiler.message(messageExpression), messageExpression, at));
  }
  if (nonEmpty('message', message) && /[\n\r]/.test(message.trim()))
    errors.push(invalid(`${path}.message`, message, 'must not contain line breaks'));
  if (reason !== undefined && !REASONS.includes(reason)) errors.push(notSupported(`${path}.reason`, reason, REASONS));
  return errors;
}

function validateAnnotations(
  compiler: PolicyCompiler,
  policy: string,
  annotations: readonly AuditAnnotation[],
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (annotations.length > MAX_AUDIT_ANNOTATIONS) {
    const why = `must not have more than ${MAX_AUDIT_ANNOTATIONS} auditAnnotations`;
    errors.push(invalid(path, annotations, why));
    if (tooManyExpressions(annotations, path)) return errors;
  }
  const keys = new Set<string>();
  for (const [index, annotation] of annotations.entries()) {
    const at = `${path}[${index}]`;
    addErrors(errors, validateAnnotation(compiler, policy, annotation, at));
    if (keys.has(annotation.key)) errors.push(duplicate(`${at}.key`, annotation.key));
    keys.add(annotation.key);
  }
  return errors;
}

function validateAnnotation(
  compiler: PolicyCompiler,
  policy: string,
  { key = '', valueExpression = '' }: AuditAnnotation,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const name = `${policy}/${key}`;
  if (policy === '') errors.push(invalid(`${path}.key`, key, 'requires metadata.name be non-empty'));
  else for (const problem of validateQualifiedName(name)) errors.push(invalid(`${path}.key`, name, problem));
  const at = `${path}.valueExpression`;
  const trimmed = valueExpression.trim();
  if (trimmed === '') errors.push(required(at, 'valueExpression is not specified'));
  else if (Buffer.byteLength(trimmed) > MAX_VALUE_EXPRESSION_BYTES)
    errors.push(required(at, `must not exceed ${MAX_VALUE_EXPRESSION_BYTES} bytes in length`));
  else addErrors(errors, expressionErrors(compiler.annotation(trimmed), valueExpression, at));
  return errors;
}
