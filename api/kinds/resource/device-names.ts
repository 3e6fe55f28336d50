/** Names of devices, pools and requests, and lists of bounded length: upstream's `pkg/apis/resource/validation`. */
import {
  addErrors,
  duplicate,
  type FieldError,
  invalid,
  required,
  tooLong,
  tooMany,
} from '../../machinery/field-error.ts';
import { validateLabelName, validateSubdomainName } from '../../machinery/names.ts';
import { validateDriverName } from '../storage/driver-parameters.ts';

const MAX_POOL_NAME = 253;
const MAX_ID = 32;
const C_IDENTIFIER = '[A-Za-z_][A-Za-z0-9_]*';
const C_IDENTIFIER_SYNTAX = /^[A-Za-z_][A-Za-z0-9_]*$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

type ItemValidator<T> = (item: T, path: string, errors: FieldError[]) => void;

/** A list that is too long is not looked at any further. @param max undefined: no limit */
export function validateList<T>(
  items: readonly T[] | null | undefined,
  max: number | undefined,
  path: string,
  errors: FieldError[],
  validateItem: ItemValidator<T>,
): void {
  if (!items) return;
  if (max !== undefined && items.length > max) {
    errors.push(tooMany(path, items.length, max));
    return;
  }
  for (const [index, item] of items.entries()) validateItem(item, `${path}[${index}]`, errors);
}

/** As `validateList`, of items that differ in their key. */
export function validateSet<T>(
  items: readonly T[] | null | undefined,
  max: number | undefined,
  keyOf: (item: T) => string,
  path: string,
  errors: FieldError[],
  validateItem: ItemValidator<T>,
): void {
  validateList(items, max, path, errors, validateItem);
  if (!items || (max !== undefined && items.length > max)) return;
  const keys = new Set<string>();
  for (const [index, item] of items.entries()) {
    const key = keyOf(item);
    if (keys.has(key)) errors.push(duplicate(`${path}[${index}]`, key));
    keys.add(key);
  }
}

export function validateLabel(name: string, path: string, errors: FieldError[]): void {
  for (const problem of validateLabelName(name)) errors.push(invalid(path, name, problem));
}

export function validateDriver(name: string, path: string, errors: FieldError[]): void {
  addErrors(errors, validateDriverName(name, path));
}

/** One or more DNS subdomains, separated by slashes. */
export function validatePoolName(name: string, path: string, errors: FieldError[]): void {
  if (name === '') {
    errors.push(required(path));
    return;
  }
  if (name.length > MAX_POOL_NAME) errors.push(tooLong(path, MAX_POOL_NAME));
  for (const part of name.slice(0, MAX_POOL_NAME).split('/')) {
    for (const problem of validateSubdomainName(part)) errors.push(invalid(path, part, problem));
  }
}

export function validateUid(uid: string, path: string, errors: FieldError[]): void {
  if (UUID.test(uid)) return;
  const form = '`xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters';
  errors.push(invalid(path, uid, `uid must be in RFC 4122 normalized form, ${form}`));
}

function validateIdentifier(id: string, path: string, errors: FieldError[]): void {
  if (id.length > MAX_ID) errors.push(tooLong(path, MAX_ID));
  if (C_IDENTIFIER_SYNTAX.test(id)) return;
  const rule =
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";
  const examples = `(e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '${C_IDENTIFIER}')`;
  errors.push(invalid(path, id, `${rule} ${examples}`));
}

/** The name of an attribute or a capacity: `id`, or `domain/id`. Names with more slashes are taken, as upstream does. */
export function validateDeviceKey(name: string, path: string, errors: FieldError[]): void {
  const [first = '', second, ...others] = name.split('/');
  if (others.length > 0) return;
  if (second === undefined) {
    validateIdentifier(first, path, errors);
    return;
  }
  if (first === '') errors.push(invalid(path, '', 'the domain must not be empty'));
  else validateDriver(first, path, errors);
  if (second === '') errors.push(invalid(path, '', 'the name must not be empty'));
  else validateIdentifier(second, path, errors);
}

/** As `validateDeviceKey`, with a domain. */
export function validateFullDeviceKey(name: string, path: string, errors: FieldError[]): void {
  validateDeviceKey(name, path, errors);
  if (name.includes('/')) return;
  errors.push(invalid(path, name, 'a fully qualified name must be a domain and a name separated by a slash'));
}

/** The key of a map in a path: one that is too long is cut in the middle. */
export function shownKey(key: string, max: number): string {
  if (key.length <= max) return key;
  const left = max - 3;
  return `${key.slice(0, Math.floor((left + 1) / 2))}...${key.slice(key.length - Math.floor(left / 2))}`;
}
