/** An invalid field, with the message of upstream's `field.Error`; it becomes a cause in a Status. */
export type FieldErrorType =
  | 'FieldValueNotFound'
  | 'FieldValueRequired'
  | 'FieldValueDuplicate'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid'
  | 'InternalError';

export interface FieldError {
  readonly type: FieldErrorType;
  /** Its path: `spec.containers[0].ports[1].name`, `metadata.labels[key]`; `[]` is the object itself. */
  readonly field: string;
  /** The whole message without the field, e.g. `Invalid value: "x": must be ...`. */
  readonly message: string;
}

const shown = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? 'null');

/** How upstream prints `field.NewPath("")`. */
const WHOLE_OBJECT = '[]';

/** The message is made when it is read: a response carries a limited number of errors. */
const fieldError = (type: FieldErrorType, field: string, words: () => string): FieldError => ({
  type,
  field: field || WHOLE_OBJECT,
  get message() {
    return words();
  },
});

/** Appends errors, however many: as arguments of `push` they would have to fit on the stack. */
export function addErrors(errors: FieldError[], more: readonly FieldError[]): void {
  for (const error of more) errors.push(error);
}

export const required = (field: string, detail = ''): FieldError =>
  fieldError('FieldValueRequired', field, () => (detail ? `Required value: ${detail}` : 'Required value'));
export const invalid = (field: string, value: unknown, detail: string): FieldError =>
  fieldError('FieldValueInvalid', field, () => `Invalid value: ${shown(value)}${detail && `: ${detail}`}`);
export const typeInvalid = (field: string, value: unknown, detail: string): FieldError =>
  fieldError('FieldValueTypeInvalid', field, () => `Invalid value: ${shown(value)}: ${detail}`);
/** For values that are not shown, such as whole lists. */
export const invalidUnshown = (field: string, detail: string): FieldError =>
  fieldError('FieldValueInvalid', field, () => `Invalid value: ${detail}`);
/** The field has another value than before, and must not. */
export const immutableField = (field: string, value: unknown): FieldError =>
  invalid(field, value, 'field is immutable');
export const duplicate = (field: string, value: unknown, detail = ''): FieldError =>
  fieldError('FieldValueDuplicate', field, () => `Duplicate value: ${shown(value)}${detail && `: ${detail}`}`);
/** For values that are not shown, such as whole lists. */
export const duplicateUnshown = (field: string): FieldError =>
  fieldError('FieldValueDuplicate', field, () => 'Duplicate value');
export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldError =>
  fieldError(
    'FieldValueNotSupported',
    field,
    () => `Unsupported value: ${shown(value)}: supported values: ${supported.map(shown).join(', ')}`,
  );
export const forbidden = (field: string, detail: string): FieldError =>
  fieldError('FieldValueForbidden', field, () => `Forbidden: ${detail}`);
export const notFound = (field: string, value: unknown, detail?: () => string): FieldError =>
  fieldError('FieldValueNotFound', field, () => `Not found: ${shown(value)}${detail ? `: ${detail()}` : ''}`);
export const tooLong = (field: string, maxBytes: number): FieldError =>
  fieldError(
    'FieldValueTooLong',
    field,
    () => `Too long: may not be more than ${maxBytes} ${maxBytes === 1 ? 'byte' : 'bytes'}`,
  );
export const tooMany = (field: string, actual: number, max: number): FieldError =>
  fieldError(
    'FieldValueTooMany',
    field,
    () => `Too many: ${actual}: must have at most ${max} ${max === 1 ? 'item' : 'items'}`,
  );
