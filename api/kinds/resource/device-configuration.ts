/** What claims, classes and allocations say to drivers, and how they select devices. */
import { type FieldError, required, tooLong } from '../../machinery/field-error.ts';
import type { DeviceSelector, OpaqueDeviceConfiguration } from '../../types/resource/v1.gen.ts';
import type { DeviceExpressions } from './device-expressions.ts';
import { validateDriver, validateList } from './device-names.ts';

export const MAX_CONFIG = 32;
const MAX_SELECTORS = 32;
const MAX_EXPRESSION = 10 * 1024;
const MAX_PARAMETERS = 10 * 1024;

/** Data of a driver's own. Decoding takes JSON objects only. */
export function validateDriverData(
  data: object | null | undefined,
  maxBytes: number,
  path: string,
  errors: FieldError[],
): void {
  if (data === undefined || data === null) errors.push(required(path));
  else if (Buffer.byteLength(JSON.stringify(data)) > maxBytes) errors.push(tooLong(path, maxBytes));
}

/** @param isStored parameters may have been stored before there was a limit */
export function validateConfiguration(
  { opaque }: { readonly opaque?: OpaqueDeviceConfiguration },
  path: string,
  errors: FieldError[],
  isStored = false,
): void {
  if (!opaque) {
    errors.push(required(`${path}.opaque`));
    return;
  }
  validateDriver(opaque.driver, `${path}.opaque.driver`, errors);
  const max = isStored ? Infinity : MAX_PARAMETERS;
  validateDriverData(opaque.parameters, max, `${path}.opaque.parameters`, errors);
}

export function validateSelectors(
  selectors: readonly DeviceSelector[] | undefined,
  expressions: DeviceExpressions,
  path: string,
  errors: FieldError[],
): void {
  validateList(selectors, MAX_SELECTORS, path, errors, ({ cel }, at) => {
    if (!cel) errors.push(required(`${at}.cel`));
    else if (Buffer.byteLength(cel.expression) > MAX_EXPRESSION) {
      errors.push(tooLong(`${at}.cel.expression`, MAX_EXPRESSION));
    } else expressions.validate(cel.expression, `${at}.cel.expression`, errors);
  });
}
