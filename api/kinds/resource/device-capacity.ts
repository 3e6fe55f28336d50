/** How much of a device's capacity can be asked for: upstream's `validateRequestPolicy`. */
import { duplicate, type FieldError, forbidden, invalid, required, tooMany } from '../../machinery/field-error.ts';
import { addQuantities, compareQuantities, quantityValue } from '../../machinery/quantity.ts';
import type { CapacityRequestPolicy, CapacityRequestPolicyRange, DeviceCapacity } from '../../types/resource/v1.gen.ts';

/** Upstream's `CapacityRequestPolicyDiscreteMaxOptions`. */
const MAX_OPTIONS = 10;

const isMore = (a: string, b: string): boolean => compareQuantities(a, b) > 0;

function validateValues(
  wanted: string,
  capacity: string,
  values: readonly string[],
  path: string,
  errors: FieldError[],
): void {
  for (const [index, value] of values.entries()) {
    const before = values[index - 1];
    if (before === undefined || !isMore(before, value)) continue;
    errors.push(invalid(`${path}[${index}]`, value, 'values must be sorted in ascending order'));
  }
  if (values.length > MAX_OPTIONS) {
    errors.push(tooMany(path, values.length, MAX_OPTIONS));
    errors.push(invalid(path, wanted, 'default value is not valid according to the requestPolicy'));
    return;
  }
  const seen = new Set<number>();
  for (const [index, value] of values.entries()) {
    if (!isMore(value, capacity)) continue;
    errors.push(invalid(`${path}[${index}]`, value, `option is larger than capacity value: ${capacity}`));
  }
  for (const [index, value] of values.entries()) {
    const key = quantityValue(value);
    if (seen.has(key)) errors.push(duplicate(`${path}[${index}]`, String(key)));
    seen.add(key);
  }
  if (values.some((value) => compareQuantities(value, wanted) === 0)) return;
  errors.push(invalid(path, wanted, 'default value is not valid according to the requestPolicy'));
}

function validateStep(value: string, min: string, step: string, path: string, errors: FieldError[]): void {
  // Upstream divides by a step of 0.
  if (quantityValue(step) !== 0 && (quantityValue(value) - quantityValue(min)) % quantityValue(step) === 0) return;
  errors.push(invalid(path, value, `value is not a multiple of a given step (${step}) from (${min})`));
}

function validateRange(
  wanted: string,
  capacity: string,
  { min, max, step }: CapacityRequestPolicyRange,
  path: string,
  errors: FieldError[],
): void {
  if (isMore(min, capacity)) errors.push(invalid(`${path}.min`, min, `min is larger than capacity value: ${capacity}`));
  if (isMore(min, wanted)) errors.push(invalid(`${path}.min`, wanted, `default is less than min: ${min}`));
  if (max !== undefined) {
    const at = `${path}.max`;
    if (isMore(min, max)) errors.push(invalid(at, min, `min is larger than max: ${max}`));
    if (isMore(max, capacity)) errors.push(invalid(at, max, `max is larger than capacity value: ${capacity}`));
    if (isMore(wanted, max)) errors.push(invalid(at, wanted, `default is more than max: ${max}`));
  }
  if (step === undefined) return;
  const at = `${path}.step`;
  const first = addQuantities(min, step);
  if (isMore(first, capacity)) {
    errors.push(invalid(at, step, `one step ${first} is larger than capacity value: ${capacity}`));
  }
  validateStep(wanted, min, step, at, errors);
  if (max !== undefined) validateStep(max, min, step, at, errors);
}

function validatePolicy(policy: CapacityRequestPolicy, capacity: string, path: string, errors: FieldError[]): void {
  const { validValues = [], validRange } = policy;
  const wanted = policy.default ?? undefined;
  if (validValues.length > 0 && validRange) {
    const oneOf = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time';
    errors.push(forbidden(path, oneOf));
    return;
  }
  const field = validRange ? 'validRange' : 'validValues';
  if (!validRange && validValues.length === 0) return;
  if (wanted === undefined) errors.push(required(`${path}.default`, `required when ${field} is defined`));
  else if (validRange) validateRange(wanted, capacity, validRange, `${path}.validRange`, errors);
  else validateValues(wanted, capacity, validValues, `${path}.validValues`, errors);
}

/** @param isShared whether several claims can have parts of the device */
export function validateCapacity(
  { value, requestPolicy }: DeviceCapacity,
  isShared: boolean,
  path: string,
  errors: FieldError[],
): void {
  if (!requestPolicy) return;
  if (isShared) validatePolicy(requestPolicy, value, `${path}.requestPolicy`, errors);
  else errors.push(forbidden(`${path}.requestPolicy`, 'allowMultipleAllocations must be true'));
}
