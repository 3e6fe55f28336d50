/** Validation of conditions of the common type, `metav1.Condition`. */
import { addErrors, duplicate, type FieldError, invalid, notSupported, required, tooLong } from './field-error.ts';
import { MAX_ERRORS } from './limits.ts';
import { validateQualifiedName } from './names.ts';
import type { Condition } from '../types/meta/v1.gen.ts';

const STATUSES = ['False', 'True', 'Unknown'];
const MAX_REASON = 1024;
const MAX_MESSAGE = 32 * 1024;
const REASON = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?';
const REASON_SYNTAX = new RegExp(`^${REASON}$`);
const REASON_RULE =
  'a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or ' +
  "'_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or " +
  `'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '${REASON}')`;

function validateCondition(condition: Condition, path: string): FieldError[] {
  const { type, status, observedGeneration = 0, lastTransitionTime, reason, message } = condition;
  const errors = validateQualifiedName(type).map((problem) => invalid(`${path}.type`, type, problem));
  if (!STATUSES.includes(status)) errors.push(notSupported(`${path}.status`, status, STATUSES));
  if (observedGeneration < 0) {
    errors.push(invalid(`${path}.observedGeneration`, observedGeneration, 'must be greater than or equal to zero'));
  }
  if (!lastTransitionTime) errors.push(required(`${path}.lastTransitionTime`));
  if (reason === '') errors.push(required(`${path}.reason`));
  else if (!REASON_SYNTAX.test(reason)) errors.push(invalid(`${path}.reason`, reason, REASON_RULE));
  if (reason.length > MAX_REASON) errors.push(tooLong(`${path}.reason`, MAX_REASON));
  if (message.length > MAX_MESSAGE) errors.push(tooLong(`${path}.message`, MAX_MESSAGE));
  return errors;
}

export function validateConditions(conditions: readonly Condition[] | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const types = new Set<string>();
  for (const [index, condition] of (conditions ?? []).entries()) {
    if (errors.length >= MAX_ERRORS) break;
    const at = `${path}[${index}]`;
    if (types.has(condition.type)) errors.push(duplicate(`${at}.type`, condition.type));
    types.add(condition.type);
    addErrors(errors, validateCondition(condition, at));
  }
  return errors;
}
