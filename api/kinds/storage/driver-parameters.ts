/** What classes of storage have in common: the driver, and its parameters. Upstream's `pkg/apis/storage/validation`. */
import { addErrors, type FieldError, invalid, required, tooLong } from '../../machinery/field-error.ts';
import { validateQualifiedName, validateSubdomainName } from '../../machinery/names.ts';

const MAX_PARAMETERS = 512;
const MAX_PARAMETER_BYTES = 256 * 1024;
const MAX_DRIVER_NAME = 63;

/** The name of what provisions volumes: a qualified name in any case. */
export function validateProvisioner(name: string, path: string): FieldError[] {
  if (name === '') return [required(path)];
  return validateQualifiedName(name.toLowerCase()).map((problem) => invalid(path, name.toLowerCase(), problem));
}

export function validateParameters(parameters: Record<string, string>, path: string): FieldError[] {
  const entries = Object.entries(parameters);
  if (entries.length > MAX_PARAMETERS) return [tooLong(path, MAX_PARAMETERS)];
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of entries) {
    if (key === '') errors.push(invalid(path, key, 'field can not be empty.'));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > MAX_PARAMETER_BYTES) errors.push(tooLong(path, MAX_PARAMETER_BYTES));
  return errors;
}

export function validateDriverName(name: string, path: string): FieldError[] {
  if (name === '') return [required(path)];
  const errors: FieldError[] = [];
  if (name.length > MAX_DRIVER_NAME) errors.push(tooLong(path, MAX_DRIVER_NAME));
  addErrors(
    errors,
    validateSubdomainName(name.toLowerCase()).map((problem) => invalid(path, name, problem)),
  );
  return errors;
}
