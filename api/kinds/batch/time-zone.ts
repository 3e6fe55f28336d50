/** Names of the IANA time zone database: https://data.iana.org/time-zones/theory.html#naming */
import { type FieldError, invalid } from '../../machinery/field-error.ts';

/** Digits and `+` are in older names. */
const COMPONENT = /^[A-Za-z.\-_0-9+]{1,14}$/;

/** Whether the database has a zone of this name, in this spelling. */
export function isTimeZone(name: string): boolean {
  if (name === '' || name === 'UTC' || name === 'Local') return true;
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    const { timeZone } = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions();
    // Names are found in any spelling; Go looks for a file.
    return timeZone === name || timeZone.toLowerCase() !== name.toLowerCase();
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

const isComponent = (text: string): boolean =>
  text !== '.' && text !== '..' && !text.startsWith('-') && COMPONENT.test(text);

export function validateTimeZone(name: string | undefined, path: string): FieldError[] {
  if (name === undefined) return [];
  if (name === '') return [invalid(path, name, 'timeZone must be nil or non-empty string')];
  const unknown = invalid(path, name, `unknown time zone ${name}`);
  if (!name.split('/').every(isComponent)) return [unknown];
  const errors: FieldError[] = [];
  if (name.toLowerCase() === 'local') {
    const problem = 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
    errors.push(invalid(path, name, problem));
  }
  if (!isTimeZone(name)) errors.push(unknown);
  return errors;
}
