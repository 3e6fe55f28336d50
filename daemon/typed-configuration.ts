/** Configuration files with an apiVersion and a kind, as upstream's components read them. */
import { DecodeError, decoderOf } from '../api/machinery/schema-decoder.ts';
import type { FieldError } from '../api/machinery/field-error.ts';
import type { Shape } from '../api/machinery/schema.ts';
import { parseConfiguration, throwProblems } from './configuration-file.ts';
import { SettingValueError } from './setting-rules.ts';

export interface ConfigurationType<T> {
  readonly apiVersions: readonly string[];
  readonly kind: string;
  readonly shape: Shape;
  readonly validate: (configuration: T) => readonly FieldError[];
}

/**
 * Returns what parses the one object of a text in YAML or JSON. It throws SettingValueError, whose message names the fields that are
 * unknown, repeated or wrong.
 */
export function typedConfiguration<T>({
  apiVersions,
  kind,
  shape,
  validate,
}: ConfigurationType<T>): (text: string) => T {
  const decode = decoderOf<T>(shape);
  return (text) => {
    const { value, problems } = parseConfiguration(text, kind);
    const { apiVersion, kind: found } = value;
    if (!apiVersions.some((known) => known === apiVersion) || found !== kind)
      throw new SettingValueError(
        `it must have apiVersion ${apiVersions.join(' or ')} and kind ${kind}, not ${JSON.stringify(apiVersion)} and ${JSON.stringify(found)}`,
      );
    try {
      const { object, problems: unknown } = decode(value);
      const errors = validate(object).map(({ field, message }) => `${field}: ${message}`);
      throwProblems([...problems, ...unknown, ...errors]);
      return object;
    } catch (error) {
      throw error instanceof DecodeError ? new SettingValueError(error.message, { cause: error }) : error;
    }
  };
}
