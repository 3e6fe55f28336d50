/** Validation that ConfigMaps and Secrets share. */
import { deepEqual } from '../../machinery/deep-equal.ts';
import { type FieldError, forbidden, invalid, tooLong } from '../../machinery/field-error.ts';
import { validateConfigKey } from '../../machinery/names.ts';

/** 1 MiB, for all values together. */
const MAX_BYTES = 1_048_576;

type Values = Readonly<Record<string, string>>;

export function validateConfigKeys(values: Values, path: string): FieldError[] {
  return Object.keys(values).flatMap((key) =>
    validateConfigKey(key).map((problem) => invalid(`${path}[${key}]`, key, problem)),
  );
}

/** `texts` count with their own length, `encoded` values (base64) with the length of what they decode to. */
export function validateTotalSize(path: string, texts: Values, encoded: Values): FieldError[] {
  let bytes = 0;
  for (const key in texts) bytes += Buffer.byteLength(texts[key] ?? '');
  for (const key in encoded) bytes += Buffer.byteLength(encoded[key] ?? '', 'base64');
  return bytes > MAX_BYTES ? [tooLong(path, MAX_BYTES)] : [];
}

/** Once `immutable` is true, neither it nor `fields` may change. */
export function validateImmutable<T extends { readonly immutable?: boolean }>(
  object: T,
  old: T,
  fields: readonly (keyof T & string)[],
): FieldError[] {
  if (!old.immutable) return [];
  const detail = 'field is immutable when `immutable` is set';
  const errors = object.immutable ? [] : [forbidden('immutable', detail)];
  for (const field of fields) if (!deepEqual(object[field], old[field])) errors.push(forbidden(field, detail));
  return errors;
}
