/** Validation of fields that are a number of pods or a percentage of them. */
import { type FieldError, invalid } from '../../machinery/field-error.ts';
import { percentOf } from '../../machinery/int-or-string.ts';
import { validatePercent } from '../../machinery/names.ts';

type IntOrPercent = number | string;

export function validateIntOrPercent(value: IntOrPercent | undefined, path: string): FieldError[] {
  if (typeof value === 'string') return validatePercent(value).map((problem) => invalid(path, value, problem));
  return value !== undefined && value < 0 ? [invalid(path, value, 'must be greater than or equal to 0')] : [];
}

export const validateAtMostAll = (value: IntOrPercent | undefined, path: string): FieldError[] =>
  (percentOf(value ?? 0) ?? 0) > 100 ? [invalid(path, value, 'must not be greater than 100%')] : [];

/** Whether it says none: an invalid string counts as none. */
export const isNone = (value: IntOrPercent | undefined): boolean =>
  value === undefined || (typeof value === 'number' ? value : Number.parseInt(value, 10) || 0) === 0;
